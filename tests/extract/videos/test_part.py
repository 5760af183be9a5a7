"""What an index says of a part becomes its frames and its name; errors survive pickling."""

import pickle
from pathlib import Path

import pytest

from extract.videos.part import (
    WHOLE,
    Crop,
    FrameCountChanged,
    VideoError,
    VideoPart,
    part_frames,
    part_name,
    read_part,
    read_part_name,
)

RECORDING = Path("/recordings/a#1.mp4")

PARTS = [
    (WHOLE, ""),
    (VideoPart(7.27, 20.3), "t=7.27,20.3"),
    (VideoPart(7.0), "t=7"),
    (VideoPart(None, 20.3), "t=0,20.3"),
    (VideoPart(1e-05, 1 / 3), "t=1e-05,0.3333333333333333"),
    (VideoPart(crop=Crop(10, 0, 700, 700)), "xywh=pixel:10,0,700,700"),
    (VideoPart(size=(256, 128)), "size=256x128"),
    (
        VideoPart(7.27, 20.3, Crop(10, 0, 700, 700), (256, 256)),
        "t=7.27,20.3&xywh=pixel:10,0,700,700&size=256x256",
    ),
]


@pytest.mark.parametrize(("part", "fragment"), PARTS)
def test_a_name_tells_the_recording_and_the_part(part, fragment):
    name = part_name(RECORDING, part)
    assert name == (f"{RECORDING}#{fragment}" if fragment else str(RECORDING))
    path, again = read_part_name(name)
    assert path == RECORDING
    assert part_name(path, again) == name


@pytest.mark.parametrize("name", ["/a#", "/a#t=x.mp4", "/a#crop", "/a#t=1,2.mp4", "#t=1,2"])
def test_other_names_are_those_of_whole_recordings(name):
    assert read_part_name(name) == (Path(name), WHOLE)


def test_reads_the_columns_of_an_index():
    columns = {"start": "7.27", "end": "20.3", "crop": "10, 0,700,700", "size": "256x256"}
    expected = VideoPart(7.27, 20.3, Crop(10, 0, 700, 700), (256, 256))
    assert read_part(columns) == expected
    assert read_part({"start": "", "crop": "", "signer": "3"}) == WHOLE


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *(("start", value) for value in ("soon", "-1", "nan", "inf", "0:07")),
        *(("end", value) for value in ("0", "-0.5")),
        *(("crop", value) for value in ("1,2,3", "-5,0,9,9", "1.5,0,9,9", "0,0,0,9", "0,0,9,0")),
        *(("size", value) for value in ("256", "0x256", "256x", "99999x99999", "-1x-1")),
    ],
)
def test_what_is_no_part_is_said_to_be_wrong(column, value):
    with pytest.raises(ValueError, match=rf"^{column} is '?{value}"):
        read_part({column: value})


def test_a_part_does_not_end_before_it_begins():
    with pytest.raises(ValueError, match=r"end is 3, not after start \(3\)"):
        read_part({"start": "3", "end": "3.0"})


def published_frames(start, end, fps, num_frames):
    """What the published preparation keeps, counted one by one; None where it skips."""
    first, last = int(start * fps), min(-int(-end * fps // 1), num_frames)
    if last - first <= 2:
        return None
    return [number for number in range(num_frames) if first <= number <= last]


@pytest.mark.parametrize("fps", [25.0, 24000 / 1001, 50.0])
def test_keeps_the_frames_that_the_published_clips_have(fps):
    num_seen = 0
    for start in (0.0, 0.039, 0.04, 0.041, 1.0, 1.21, 3.99):
        for end in (0.08, 0.12, 0.121, 1.5, 3.96, 4.0, 4.01, 99.0):
            expected = published_frames(start, end, fps, 100)
            if end <= start or start * fps >= 100:
                continue
            if expected is None:
                with pytest.raises(VideoError, match="too short"):
                    part_frames(VideoPart(start, end), RECORDING, fps, 100)
                continue
            assert list(part_frames(VideoPart(start, end), RECORDING, fps, 100)) == expected
            num_seen += 1
    assert num_seen > 20


@pytest.mark.parametrize(
    ("start", "end", "frames"),
    [
        (0.0, 0.12, range(4)),
        (0.039, 0.081, range(4)),  # ceil(2.025) is frame 3
        (0.04, 0.16, range(1, 5)),
        (3.88, 4.0, range(97, 100)),  # frame 100 would be the last, and is not there
        (3.0, 99.0, range(75, 100)),
        (3.0, None, range(75, 100)),
        (None, 0.2, range(6)),
        (None, None, range(100)),
    ],
)
def test_boundaries(start, end, frames):
    assert part_frames(VideoPart(start, end), RECORDING, 25.0, 100) == frames


def test_a_short_recording_is_no_part_and_never_too_short():
    assert part_frames(WHOLE, RECORDING, 25.0, 1) == range(1)
    assert part_frames(VideoPart(crop=Crop(0, 0, 1, 1)), RECORDING, 25.0, 1) == range(1)


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (0.08, 0.16, r"too short: from frame 2 to 4 of 100, at 25 frames a second"),
        (3.92, 9.0, r"too short: from frame 98 to 100 of 100"),
        (4.0, 9.0, r"begins at 4 s, the recording has 100 frames, 4\.00 s"),
        (30.0, None, r"begins at 30 s, the recording has 100 frames, 4\.00 s"),
    ],
)
def test_parts_that_a_recording_has_not_got(start, end, reason):
    with pytest.raises(VideoError, match=reason) as failure:
        part_frames(VideoPart(start, end), RECORDING, 25.0, 100)
    assert failure.value.path == RECORDING


def test_names_the_video_and_the_reason():
    assert str(VideoError(Path("a/b.mp4"), "is empty")) == "a/b.mp4: is empty"


@pytest.mark.parametrize("error", [VideoError(Path("b.mp4"), "is empty"), FrameCountChanged(7)])
def test_survives_the_way_from_another_process(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
