"""Folders of ``.npy`` features with a frame map become rows of an RGB store."""

import io
import pickle
from pathlib import Path

import numpy as np
import pytest

from extract.interchange.imported import ImportItem, VideoFacts
from extract.interchange.npy_features import (
    FrameMapError,
    MappedClips,
    check_clips,
    open_npy,
    read_frame_map,
)
from extract.settings import RgbSettings
from seds_core.clip_plan import plan_clips
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.layout import row_arrays

EVEN = (
    "video_id,clip,first_frame,frame_step,num_frames\n"
    "a,0,0,1,20\na,1,4,1,20\nx/b,0,0,2,40\ngone,0,0,1,16\n"
)
NAMED = "video_id,clip,frames,num_frames\na,0,0 1 5,20\na,1,1 5 19,20\nx/b,0,7 7 7,8\n"
FACTS = VideoFacts(210, 260, 25.0)


def random(rows, dtype="float32", width=6):
    return np.random.default_rng(rows).normal(size=(rows, width)).astype(dtype)


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "features"
    (folder / "train").mkdir(parents=True)
    (folder / "x").mkdir()
    np.save(folder / "train" / "a.npy", random(2))
    np.save(folder / "x" / "b.npy", random(1, "float16"))
    return folder


def opened(source, text=EVEN, **settings):
    path = source.parent / "map.csv"
    path.write_text(text)
    rgb = RgbSettings(**settings)
    return open_npy(source, path, lambda _: FACTS, rgb, folder_fps=25.0)


def read(features, video_id):
    return features.read(next(i for i in features.items if i.video_id == video_id))


def test_ids_are_names_or_paths_as_the_map_has_them(source):
    features = opened(source)
    found = {item.video_id: item.path.relative_to(source).as_posix() for item in features.items}
    assert found == {"a": "train/a.npy", "gone": "gone.npy", "x/b": "x/b.npy"}


def test_evenly_spaced_clips(source):
    features = opened(source)
    video = read(features, "a")
    assert video.rows["features"].tobytes() == random(2).tobytes()
    assert video.rows["first_frame"].tolist() == [0, 4]
    assert video.rows["frame_step"].tolist() == [1, 1]
    assert (video.num_frames, video.frame_step, video.width, video.fps) == (20, 1, 210, 25.0)
    assert read(features, "x/b").frame_step == 2
    assert read(features, "x/b").rows["features"].dtype == np.float32
    settings = features.provenance.recorded_settings
    assert settings["imported"] == {"format": "npy"}
    assert settings["frames"] == {"max_frames": None, "folder_fps": 25.0}
    assert settings["rgb"] == {
        "clips": "planned", "max_clips": 64, "clip_length": 16,
        "frames": "all", "hand_rules": "custom",
    }  # fmt: skip


def test_named_frames(source):
    features = opened(source, NAMED, frames="hands", hand_rules="how2sign")
    video = read(features, "a")
    assert video.rows["frames"].tolist() == [[0, 1, 5], [1, 5, 19]]
    assert video.rows["first_frame"].tolist() == [0, 1]
    assert video.rows["frame_step"].tolist() == [0, 0]
    assert video.frame_step == 1
    clips = features.provenance.clips
    assert (clips.clip_length, clips.frames, clips.hand_rules) == (3, "hands", "how2sign")


@pytest.mark.parametrize("text", [EVEN, NAMED])
def test_rows_fit_the_layout(source, text):
    features = opened(source, text)
    provenance = features.provenance
    specs = row_arrays(
        "rgb",
        feature_dim=provenance.feature_dim,
        feature_dtype=provenance.feature_dtype,
        clip_frames=provenance.clip_frames,
    )
    rows = read(features, "a").rows
    assert rows.keys() == {spec.name for spec in specs}
    for spec in specs:
        assert rows[spec.name].shape == (2, *spec.sizes)
        assert rows[spec.name].dtype == spec.dtype


def test_every_precision_becomes_float32(source):
    values = random(2, "float64")
    np.save(source / "train" / "a.npy", np.asfortranarray(values))
    video = read(opened(source), "a")
    assert video.rows["features"].tolist() == values.astype("f4").tolist()
    assert video.num_rounded == 12
    np.save(source / "train" / "a.npy", values.astype(">f4"))
    video = read(opened(source), "a")
    assert video.rows["features"].tolist() == values.astype("f4").tolist()
    assert video.rows["features"].dtype == np.float32
    assert video.num_rounded == 0


def test_features_need_no_size(source):
    def unknown(video_id):
        raise LookupError(video_id)

    (source.parent / "map.csv").write_text(EVEN)
    features = open_npy(source, source.parent / "map.csv", unknown, RgbSettings(), folder_fps=12.5)
    video = read(features, "a")
    assert (video.width, video.height, video.fps) == (0, 0, 12.5)


def test_a_map_is_needed(source):
    with pytest.raises(UsageError, match=r"give --frame-map FILE, a CSV file .* video_id, clip"):
        open_npy(source, None, lambda _: FACTS, RgbSettings(), folder_fps=25.0)


def test_settings_that_the_map_contradicts_are_refused(source):
    with pytest.raises(UsageError, match=r"2 clips, and the pipeline allows 1: set .* to 2"):
        opened(source, max_clips=1)
    with pytest.raises(UsageError, match=r"'hands'.* in the column frames"):
        opened(source, frames="hands")


def test_two_files_of_one_video_are_refused(source):
    np.save(source / "a.npy", random(2))
    with pytest.raises(UsageError, match=r"a\.npy are both of the video 'a'"):
        opened(source)


def test_videos_that_are_not_in_both_are_failures(source):
    np.save(source / "extra.npy", random(2))
    features = opened(source)
    with pytest.raises(ImportedFileError, match=r"gone\.npy: .* there is no file"):
        read(features, "gone")
    with pytest.raises(ImportedFileError, match="the frame map has no video 'extra'"):
        read(features, "extra")


class Harmful:
    def __reduce__(self):
        return pytest.fail, ("code of the file was run",)


def written(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def huge():
    stream = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (2**40, 1024)}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no .npy file"),
        (b"\x93NUMPY", "is no .npy file"),
        (b"PK\x03\x04", "is no .npy file"),
        (pickle.dumps(Harmful()), "is no .npy file"),
        (written(np.array([[Harmful()]], object)), "is no .npy file"),
        (written(random(2))[:-1], "is no .npy file"),
        (huge(), "is no .npy file"),
        (written(np.zeros((2, 6), int)), "int64 of shape .2, 6."),
        (written(np.zeros((2, 3, 2), "f4")), "float32 of shape .2, 3, 2."),
        (written(np.zeros(6, "f4")), "float32 of shape .6,."),
        (written(np.zeros((2, 6), "c8")), "complex64"),
        (written(np.full((2, 6), np.nan, "f4")), "NaN or infinite"),
        (written(np.full((2, 6), 1e300)), "beyond float32"),
        (written(random(2, width=7)), "has features of 7 numbers, others have 6"),
        (written(random(3)), "has 3 rows, and the frame map has 2 clips"),
    ],
)
def test_files_that_are_no_features_are_refused(source, content, reason):
    features = opened(source)
    assert features.provenance.feature_dim == 6
    (source / "train" / "a.npy").write_bytes(content)
    with pytest.raises(ImportedFileError, match=reason):
        features.read(ImportItem("a", source / "train" / "a.npy"))


def test_the_width_is_that_of_the_first_good_file(source):
    (source / "train" / "a.npy").write_bytes(b"")
    assert opened(source).provenance.feature_dim == 6
    (source / "x" / "b.npy").write_bytes(b"")
    with pytest.raises(UsageError, match=r"none of the \.npy files"):
        opened(source)


def read_map(tmp_path, text):
    path = tmp_path / "map.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_frame_map(path)


def test_a_map_of_evenly_spaced_clips(tmp_path):
    found = read_map(
        tmp_path,
        "\ufeffclip,video_id,first_frame,frame_step,num_frames,note\n"
        "0,a,0,2,60,x\n0,b,0,1,20,\n1,a,8,2,60,\n2,a,20,2,60,\n",
    )
    assert found.keys() == {"a", "b"}
    clips = found["a"]
    assert clips.clip.tolist() == [0, 1, 2]
    assert clips.num_frames.tolist() == [60, 60, 60]
    assert clips.first_frame.tolist() == [0, 8, 20]
    assert clips.frame_step.tolist() == [2, 2, 2]
    assert clips.frames.shape == (3, 0)


def test_a_map_of_named_frames(tmp_path):
    found = read_map(tmp_path, "video_id,clip,frames,num_frames\na,0,0 3 4,9\na,1,3  4 8,9\n")
    clips = found["a"]
    assert clips.frames.tolist() == [[0, 3, 4], [3, 4, 8]]
    assert clips.first_frame.tolist() == [0, 3]
    assert clips.frame_step.tolist() == [0, 0]


EVEN_HEADER = "video_id,clip,first_frame,frame_step,num_frames\n"
NAMED_HEADER = "video_id,clip,frames,num_frames\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "lacks the columns video_id, clip, num_frames, first_frame, frame_step"),
        ("video_id,clip,frames\n", "lacks the columns num_frames: it must be a CSV file"),
        (EVEN_HEADER, "lists no clips"),
        (EVEN_HEADER + "a,0,0,1,9\na,1,x,1,9\n", r"map\.csv, line 3: .* no numbers"),
        (EVEN_HEADER + "a,0,0,1\n", "line 2: 4 fields, expected 5"),
        (EVEN_HEADER + "a,0,0,1,99999999999\n", "line 2: .* no numbers"),
        (NAMED_HEADER + "a,0,,9\n", "line 2: .* no numbers"),
        (NAMED_HEADER + "a,0,0 1,9\na,1,1,9\n", "line 3: the clip has 1 frames, others have 2"),
        (b"video_id\xff", "not UTF-8"),
        (EVEN_HEADER + '"' + "a" * 200_000 + '",0,0,1,9\n', "line 2: a quotation mark"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, reason):
    with pytest.raises(FrameMapError, match=reason):
        read_map(tmp_path, text)


def test_a_missing_map_is_named(tmp_path):
    with pytest.raises(FrameMapError, match="cannot be read: No such file"):
        read_frame_map(tmp_path / "map.csv")


def column(numbers):
    return np.array(numbers, np.int32)


def even(first_frame, *, step=1, num_frames=100, clip=None):
    count = len(first_frame)
    steps = [step] * count if isinstance(step, int) else step
    frames = [num_frames] * count if isinstance(num_frames, int) else num_frames
    clip = list(range(count)) if clip is None else clip
    no_names = np.empty((count, 0), np.int32)
    return MappedClips(column(clip), column(frames), column(first_frame), column(steps), no_names)


def named(frames, num_frames=100):
    frames = column(frames)
    count = len(frames)
    return MappedClips(
        np.arange(count, dtype=np.int32), column([num_frames] * count), frames[:, 0],
        column([0] * count), frames,
    )  # fmt: skip


def check(clips, num_rows=None, clip_length=16):
    rows = len(clips.clip) if num_rows is None else num_rows
    check_clips(Path("v.npy"), clips, rows, clip_length)


@pytest.mark.parametrize("num_frames", [1, 15, 16, 17, 100, 301, 1000])
def test_the_clips_of_every_plan_are_right(num_frames):
    plan = plan_clips(num_frames, max_frames=300, clip_length=16, max_clips=64)
    clips = even(plan.first_frames.tolist(), step=plan.frame_step, num_frames=num_frames)
    check(clips)


def test_named_frames_may_leave_some_out_and_repeat_the_last():
    check(named([[0, 3, 4, 9], [3, 4, 9, 99]]), clip_length=4)
    check(named([[5, 6, 6, 6]], num_frames=7), clip_length=4)


@pytest.mark.parametrize(
    ("clips", "reason"),
    [
        (even([0, 1], clip=[0, 2]), "not numbered 0, 1, ..."),
        (even([0, 1], clip=[1, 0]), "not numbered 0, 1, ..."),
        (even([0, 1], num_frames=[99, 100]), "several num_frames"),
        (even([0, 5, 5]), "begin later"),
        (even([5, 0]), "begin later"),
        (even([-1, 5]), "before frame 0"),
        (even([0, 4], step=[2, 4]), "frame_step is not one number"),
        (even([0], step=0), "frame_step is not one number"),
        (even([0, 3], step=2), "no multiple of its frame_step 2"),
        (even([0, 85]), "16 frames from frame 85 on, ends after its 100 frames"),
        (even([0, 70], step=2), "from frame 70 on, ends after"),
        (even([1], num_frames=16), "ends after its 16 frames"),
        (even([0], num_frames=0), "ends after its 0 frames"),
        (named([[0, 2, 1]]), "do not ascend"),
        (named([[0, 1, 100]]), "names frame 100 of 100"),
        (named([[-1, 0, 1]]), "before frame 0"),
    ],
)
def test_contradictions_are_named(clips, reason):
    with pytest.raises(ImportedFileError, match=rf"v\.npy: .*{reason}"):
        check(clips)


def test_there_are_as_many_clips_as_rows():
    check(even([0, 84]))
    with pytest.raises(ImportedFileError, match="has 3 rows, and the frame map has 2 clips"):
        check(even([0, 84]), num_rows=3)
