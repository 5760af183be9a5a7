"""Videos without a crop get a square around their signer, in a new index."""

import json

import numpy as np
import pytest
import torch
from video_files import write_video

from extract.interchange import signer_boxes
from extract.interchange.signer_boxes import signer_square, write_cropped_index
from extract.pose.person_detector import TorchvisionPersonDetector, empty_detector
from extract.videos.listing import videos_of_index
from extract.videos.part import Crop, VideoPart
from seds_core.errors import UsageError

PIPELINES = """
pipelines:
  small: {extract: {pose: {person_detector: {choice: most_central}}, run: {decode_workers: 0}}}
"""


def bright_people(image):
    """Where the picture is bright: one box for each half of it, the left one first."""
    boxes = []
    for half in (np.s_[:, :64], np.s_[:, 64:]):
        rows, columns = np.nonzero(image[half].min(axis=2) > 128)
        if len(rows):
            offset = half[1].start or 0
            box = columns.min() + offset, rows.min(), columns.max() + offset + 1, rows.max() + 1
            boxes.append(box)
    return np.array(boxes, np.float32).reshape(-1, 4)


def person(left, top, width, height):
    picture = np.zeros((96, 128, 3), np.uint8)
    picture[top : top + height, left : left + width] = 255
    return picture


@pytest.fixture
def folder(tmp_path):
    """A recording of 2 s in which the signer moves after the first, and an empty video."""
    signer = [person(16, 32, 16, 32)] * 25 + [person(80, 32, 16, 32)] * 25
    lossless = {"codec": "ffv1", "pixel_format": "bgr0"}
    write_video(tmp_path / "recording.mkv", signer, **lossless)
    write_video(tmp_path / "nobody.mkv", [np.zeros((96, 128, 3), np.uint8)] * 5, **lossless)
    (tmp_path / "small.yaml").write_text(PIPELINES)
    return tmp_path


@pytest.fixture
def run(folder, monkeypatch, capsys):
    """Runs the command on lines of an index; gives the exit code and the events."""

    def run(*lines, detect=bright_people, **changes):
        monkeypatch.setattr(signer_boxes, "load_person_detector", lambda *_: detect)
        index = folder / "index.csv"
        index.write_text("\n".join(["video_id,path,start,end,crop,size", *lines]))
        options = {"out": folder / "cropped.csv", "margin": 0.25, **changes}
        code = signer_boxes.run_boxes(
            index, pipelines=folder / "small.yaml", pipeline="small", as_json=True, **options
        )
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def parts(folder):
    return {video.video_id: video.part for video in videos_of_index(folder / "cropped.csv").videos}


def test_every_part_gets_a_square_around_its_signer(run, folder):
    code, events = run(
        "early,recording.mkv,0,0.9,,", "late,recording.mkv,1.1,2,,", "all,recording.mkv,,,,"
    )
    assert code == 0
    early = Crop(0, 24, 48, 48)  # 32 pixels and a quarter on both ends, shifted inside
    assert parts(folder) == {
        "early": VideoPart(0.0, 0.9, early, (256, 256)),
        "late": VideoPart(1.1, 2.0, Crop(64, 24, 48, 48), (256, 256)),
        "all": VideoPart(crop=Crop(32, 24, 48, 48), size=(256, 256)),  # half here, half there
    }
    assert events[0] == {"event": "found", "video_id": "early", "crop": "0,24,48,48"}
    assert events[-1]["found"] == 3


def test_the_recordings_own_pixels_are_looked_at(run, folder):
    run("early,recording.mkv,0,0.9,,16x16", size=64)
    assert parts(folder)["early"] == VideoPart(0.0, 0.9, Crop(0, 24, 48, 48), (16, 16))


def test_a_few_evenly_spaced_frames_are_looked_at(run):
    seen = []
    run(
        "all,recording.mkv,,,,",
        samples=5,
        detect=lambda image: seen.append(1) or bright_people(image),
    )
    assert len(seen) == 5


def test_crops_that_are_there_stay(run, folder):
    def never(_image):
        raise AssertionError("nothing is left to look for")

    code, events = run('early,recording.mkv,0,0.9,"1,2,30,40",', detect=never)
    assert (code, events[-1]["cropped_before"]) == (0, 1)
    assert parts(folder)["early"] == VideoPart(0.0, 0.9, Crop(1, 2, 30, 40))


def test_who_cannot_be_found_is_named_and_left_uncropped(run, folder):
    code, events = run(
        "nobody,nobody.mkv,,,,",
        "gone,gone.mkv,,,,",
        "beyond,recording.mkv,9,10,,",
        "early,recording.mkv,0,0.9,,",
    )
    assert code == 3
    assert events[-1]["failed"] == {
        "nobody": "no person was found in it",
        "gone": "does not exist",
        "beyond": "the part begins at 9 s, the recording has 50 frames, 2.00 s",
    }
    assert [video_id for video_id, part in parts(folder).items() if part.crop] == ["early"]


def test_the_pipeline_says_who_of_several_is_the_signer(run, folder):
    picture = np.maximum(person(0, 0, 40, 90), person(66, 40, 10, 10))
    lossless = {"codec": "ffv1", "pixel_format": "bgr0"}
    write_video(folder / "two.mkv", [picture] * 5, **lossless)
    run("two,two.mkv,,,,")
    assert parts(folder)["two"].crop == Crop(64, 38, 15, 15)


def test_an_untrained_torchvision_detector_finds_a_person_or_none(run):
    torch.manual_seed(0)
    network = empty_detector("ssdlite320_mobilenet_v3_large").eval()
    detect = TorchvisionPersonDetector(network, 0.5, torch.device("cpu"))
    code, events = run("early,recording.mkv,0,0.9,,", detect=detect, samples=1)
    assert (code, events[-1]["found"]) in ((0, 1), (3, 0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"margin": -0.1}, "--margin -0.1"),
        ({"samples": 0}, "--samples 0"),
        ({"size": 0}, "--size 0"),
    ],
)
def test_what_makes_no_sense_is_refused(run, change, message):
    with pytest.raises(UsageError, match=message):
        run("early,recording.mkv,0,0.9,,", **change)


def test_a_folder_that_is_missing_is_named_before_the_work(run, folder):
    with pytest.raises(UsageError, match=r"folder .*/missing does not exist"):
        run("early,recording.mkv,0,0.9,,", out=folder / "missing" / "cropped.csv")


def square(*boxes, margin=0.0, width=1280, height=720):
    return signer_square(np.array(boxes, np.float32), margin, width, height)


def test_is_as_large_as_the_longer_side_around_the_middle():
    assert square([400, 100, 600, 500]) == Crop(300, 100, 400, 400)
    assert square([400, 100, 800, 300]) == Crop(400, 0, 400, 400)


def test_a_margin_is_added_on_both_ends():
    assert square([400, 200, 600, 500], margin=0.2) == Crop(290, 140, 420, 420)


def test_the_median_box_counts():
    usual, wrong = [400, 100, 600, 500], [0, 0, 1280, 720]
    assert square(usual, usual, wrong) == square(usual)
    assert square([300, 100, 500, 500], usual, [500, 100, 700, 500]) == square(usual)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([-20, 300, 80, 500], Crop(0, 300, 200, 200)),
        ([1200, 600, 1280, 720], Crop(1160, 600, 120, 120)),
        ([500, 0, 900, 720], Crop(340, 0, 720, 720)),
        ([0, 0, 1280, 720], Crop(280, 0, 720, 720)),
        ([10.2, 10.2, 10.3, 10.3], Crop(10, 10, 1, 1)),
    ],
)
def test_lies_inside_the_frame(box, expected):
    assert square(box) == expected


def test_a_frame_on_its_side():
    assert square([100, 500, 400, 1100], width=720, height=1280) == Crop(0, 500, 600, 600)


INDEX = (
    "\ufeffvideo_id,signer,path,crop,text\n"
    'a,1,videos/a.mp4,,"Hello, you"\n'
    'b,2,videos/b.mp4,"1,2,3,4",\n'
    "c,3,/far/c.mp4,,ünï\n"
)


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "index.csv"
    path.write_text(INDEX, encoding="utf-8")
    return path


def test_only_crops_and_sizes_are_filled_in(source, tmp_path):
    target = tmp_path / "cropped.csv"
    write_cropped_index(source, target, {"a": Crop(10, 0, 700, 700)}, 256)
    assert target.read_text(encoding="utf-8").splitlines() == [
        "video_id,signer,path,crop,text,size",
        'a,1,videos/a.mp4,"10,0,700,700","Hello, you",256x256',
        'b,2,videos/b.mp4,"1,2,3,4",,',
        "c,3,/far/c.mp4,,ünï,",
    ]
    assert source.read_text(encoding="utf-8") == INDEX


def test_may_replace_the_index_and_keeps_sizes(source):
    write_cropped_index(source, source, {"a": Crop(0, 0, 9, 9)}, 256)
    write_cropped_index(source, source, {"a": Crop(1, 1, 8, 8)}, 64)
    assert 'a,1,videos/a.mp4,"1,1,8,8","Hello, you",256x256' in source.read_text(encoding="utf-8")
    assert list(source.parent.iterdir()) == [source]


def test_paths_stay_right_in_another_folder(source, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "cropped.csv"
    write_cropped_index(source, target, {}, 256)
    paths = [line.split(",")[2] for line in target.read_text(encoding="utf-8").splitlines()[1:]]
    assert paths == [f"{tmp_path}/videos/a.mp4", f"{tmp_path}/videos/b.mp4", "/far/c.mp4"]
