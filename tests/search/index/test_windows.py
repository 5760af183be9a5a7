"""Windows of a recording have the tokens of videos that were cut out of it."""

from dataclasses import replace

import numpy as np
import pytest

from reference.small_indexes import small_run
from reference.small_stores import (
    CLIPS,
    FRAMES,
    HANDS_RGB,
    POSE,
    RGB,
    RGB_DIM,
    WHOLE_POSE,
    resting,
    signer,
    source,
    write_index,
    write_store,
)
from search.index.build import build_index, windows_from
from search.index.identity import OtherModelError, Windows
from search.index.part import Part
from search.index.windows import windows_of
from search.results import Span
from seds_core.clip_plan import clip_frames, clip_starts
from seds_core.errors import UsageError
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.records import FinishedVideo
from train.data.encoder_input import encoder_input

NUM_FRAMES = 100
WITHOUT_HANDS = [3, 4, 33, 50, 51, 52]
LENGTH, STEP = 30, 15
"""Frames of the windows, at 25 frames a second."""
WINDOWS = Windows(LENGTH / 25, STEP / 25)

LONG_POSE = WHOLE_POSE
LONG_RGB = replace(RGB, timeline=replace(FRAMES, max_frames=None), rgb=replace(CLIPS, clips="all"))
LONG_HANDS_RGB = replace(
    HANDS_RGB, timeline=replace(FRAMES, max_frames=None), rgb=replace(HANDS_RGB.rgb, clips="all")
)


def keypoints(frames="all"):
    found = signer(NUM_FRAMES, np.random.default_rng(5))
    return resting(found, WITHOUT_HANDS) if frames == "hands" else found


def features(clips):
    """Vectors that tell which frames of the recording a clip shows."""
    seeds = [int(np.dot(clip, np.arange(1, len(clip) + 1))) for clip in clips]
    return np.stack([np.random.default_rng(s).normal(size=RGB_DIM) for s in seeds]).astype("f4")


def pose_rows(found):
    length = len(found)
    return {
        "keypoints": found,
        "person_found": np.ones(length, bool),
        "person_box": np.zeros((length, 4), np.float32),
        "frame": np.arange(length, dtype=np.int32),
    }


def rgb_rows(numbers, offset, max_clips, frames):
    """Of clips over some frames of the recording, numbered from an offset."""
    starts = clip_starts(len(numbers), CLIPS.clip_length, max_clips)
    clips = clip_frames(numbers, starts, CLIPS.clip_length)
    rows = {
        "features": features(clips),
        "first_frame": clips[:, 0] - np.int32(offset),
        "frame_step": np.full(len(clips), frames == "all", np.int32),
    }
    return rows | ({"frames": clips - np.int32(offset)} if frames == "hands" else {})


def kept(first, stop, frames):
    numbers = np.arange(first, stop, dtype=np.int32)
    return numbers if frames == "all" else numbers[~np.isin(numbers, WITHOUT_HANDS)]


def whole(video_id, num_frames):
    return replace(source(video_id, num_frames), frame_step=1, duration=num_frames / 25)


def make_stores(folder, frames):
    """Stores of one long recording, and of its windows cut out, with a run on the latter."""
    rgb, long_rgb = (RGB, LONG_RGB) if frames == "all" else (HANDS_RGB, LONG_HANDS_RGB)
    found = keypoints(frames)
    rows = rgb_rows(kept(0, NUM_FRAMES, frames), 0, None, frames)
    recording = whole("long", NUM_FRAMES)
    write_store(folder / "long_rgb.zarr", long_rgb, [FinishedVideo(recording, rows)])
    video = FinishedVideo(recording, pose_rows(found))
    write_store(folder / "long_pose.zarr", LONG_POSE, [video])
    cuts = [(first, first + LENGTH) for first in (0, 15, 30, 45, 60)] + [(70, NUM_FRAMES)]
    videos = {"rgb": [], "pose": []}
    for first, stop in cuts:
        cut = whole(f"cut{first}", stop - first)
        rows = rgb_rows(kept(first, stop, frames), first, CLIPS.max_clips, frames)
        videos["rgb"].append(FinishedVideo(cut, rows))
        videos["pose"].append(FinishedVideo(cut, pose_rows(found[first:stop])))
    write_index(folder / "index.csv", [(f"cut{f}", "train", "x") for f, _ in cuts])
    write_index(folder / "long.csv", [("long", "", "all of it")])
    data = {
        "index": folder / "index.csv",
        "rgb": write_store(folder / "rgb.zarr", rgb, videos["rgb"]),
        "pose": write_store(folder / "pose.zarr", POSE, videos["pose"]),
    }
    return data, cuts


def build_windows(folder, run, **changes):
    options = {
        "rgb": [folder / "long_rgb.zarr"],
        "pose": folder / "long_pose.zarr",
        "index": folder / "long.csv",
        "windows": WINDOWS,
    }
    return build_index(folder / "windows", run=run, devices="cpu", **options | changes)


@pytest.mark.parametrize("frames", ["all", "hands"])
@pytest.mark.parametrize("stage", ["fusion", "pose", "rgb"])
def test_a_window_has_the_tokens_of_a_video_cut_there(tmp_path, stage, frames):
    data, cuts = make_stores(tmp_path, frames)
    run = small_run(tmp_path, stage=stage, data=data, frames=frames)
    build_index(tmp_path / "cuts", run=run, devices="cpu")
    result = build_windows(tmp_path, run)
    assert (result.failed, result.num_entries, result.num_unsigned) == ((), len(cuts), 0)
    expected = Part.open(tmp_path / "cuts").snapshot()
    found = Part.open(tmp_path / "windows").snapshot()
    records = found.records(found.entries_of("long"))
    assert [r.span for r in records] == [Span(first / 25, stop / 25) for first, stop in cuts]
    for (first, _), entry, record in zip(cuts, found.entries_of("long"), records, strict=True):
        (of_cut,) = expected.entries_of(f"cut{first}")
        assert np.allclose(found.signs.of(entry), expected.signs.of(of_cut), atol=2e-3)
        spans = expected.records([of_cut])[0].clip_spans + np.float32(first / 25)
        assert np.allclose(record.clip_spans, spans, atol=1e-5)
        assert (record.text, record.duration) == ("all of it", NUM_FRAMES / 25)


def test_arms_are_measured_as_the_run_has_learned_them(tmp_path, monkeypatch):
    measures = []

    def noting(*arguments):
        measures.append(arguments[-1])
        return encoder_input(*arguments)

    monkeypatch.setattr("search.index.windows.encoder_input", noting)
    data, cuts = make_stores(tmp_path, "all")
    build_windows(tmp_path, small_run(tmp_path, data=data, body="signer"))
    assert measures == ["signer"] * len(cuts)


def test_windows_differ(tmp_path):
    data, cuts = make_stores(tmp_path, "all")
    build_windows(tmp_path, small_run(tmp_path, data=data))
    signs = Part.open(tmp_path / "windows").snapshot().signs
    assert len({signs.of(entry).tobytes() for entry in range(len(signs))}) == len(cuts)


def test_windows_in_which_nobody_signs_are_left_out(tmp_path):
    data, cuts = make_stores(tmp_path, "hands")
    run = small_run(tmp_path, data=data, frames="hands")
    found = resting(keypoints("hands"), list(range(55, NUM_FRAMES)))
    quiet = FinishedVideo(replace(whole("long", NUM_FRAMES), content_hash="c1"), pose_rows(found))
    numbers = kept(0, 55, "hands")
    rows = rgb_rows(numbers, 0, None, "hands")
    rgb = FinishedVideo(replace(whole("long", NUM_FRAMES), content_hash="c1"), rows)
    write_store(tmp_path / "long_pose.zarr", LONG_POSE, [quiet])
    write_store(tmp_path / "long_rgb.zarr", LONG_HANDS_RGB, [rgb])
    result = build_windows(tmp_path, run)
    assert result.failed == ()
    assert (result.num_entries, result.num_unsigned) == (3, len(cuts) - 3)


def test_the_same_call_again_encodes_nothing(tmp_path):
    data, _ = make_stores(tmp_path, "all")
    run = small_run(tmp_path, data=data)
    build_windows(tmp_path, run)
    result = build_windows(tmp_path, run)
    assert (result.num_unchanged, result.num_entries) == (1, 0)
    with pytest.raises(OtherModelError, match=r"windows: 1\.2 s, every 0\.6 s / none"):
        build_windows(tmp_path, run, windows=None)


def test_stores_that_lack_frames_or_clips_are_refused(tmp_path):
    data, _ = make_stores(tmp_path, "all")
    run = small_run(tmp_path, data=data)
    with pytest.raises(StoreMismatchError, match=r"rgb\.zarr lacks clips.*--clips all"):
        build_windows(tmp_path, run, rgb=[data["rgb"]])
    with pytest.raises(StoreMismatchError, match=r"pose\.zarr lacks frames.*max_frames: null"):
        build_windows(tmp_path, run, pose=data["pose"])
    other = replace(LONG_RGB, weights=replace(RGB.weights, sha256="1" * 64))
    rows = rgb_rows(kept(0, NUM_FRAMES, "all"), 0, None, "all")
    video = FinishedVideo(whole("long", NUM_FRAMES), rows)
    path = write_store(tmp_path / "other.zarr", other, [video])
    with pytest.raises(UsageError, match=r"weights\.sha256"):
        build_windows(tmp_path, run, rgb=[path])


def test_windows_that_the_model_cannot_take_are_told_video_by_video(tmp_path):
    data, _ = make_stores(tmp_path, "all")
    run = small_run(tmp_path, data=data)
    (failed,) = build_windows(tmp_path, run, windows=Windows(2.0, 1.0)).failed
    assert "50 frames" in failed.reason
    assert "1.6 s" in failed.reason


def test_windows_cover_a_recording_to_its_end():
    def firsts(num_frames, **limits):
        limits = {"clip_length": 16, "max_frames": 300} | limits
        found = windows_of(num_frames, 25.0, Windows(4.0, 2.0), **limits)
        return [(window.start, window.stop) for window in found]

    assert firsts(230) == [(0, 100), (50, 150), (100, 200), (130, 230)]
    assert firsts(100) == [(0, 100)]
    assert firsts(9) == [(0, 9)]
    with pytest.raises(ValueError, match="100 frames"):
        firsts(230, max_frames=99)
    with pytest.raises(ValueError, match="a clip 101"):
        firsts(230, clip_length=101)


def test_windows_leave_no_gaps():
    assert windows_from(4.0, None) == Windows(4.0, 2.0)
    assert windows_from(None, None) is None
    with pytest.raises(UsageError, match="leave parts"):
        windows_from(2.0, 3.0)
    with pytest.raises(UsageError, match="--windows"):
        windows_from(None, 3.0)
