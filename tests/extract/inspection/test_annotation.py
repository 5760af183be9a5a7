from dataclasses import replace

import numpy as np
from small_stores import CLIPS, RGB, rgb_video, write_store

from extract.inspection.pictures import read_annotation
from seds_core.store.reader import StoreReader


def clips_of(path):
    return read_annotation([StoreReader(path)], "a").clips


def test_evenly_spaced_clips_end_after_their_last_frame(tmp_path):
    clips = clips_of(write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("a", 95)]))
    np.testing.assert_array_equal(clips.end_frames - clips.first_frames, CLIPS.clip_length * 3)


def test_clips_of_named_frames_end_after_the_last_of_these(tmp_path):
    video = rgb_video("a", 40)
    frames = video.rows["first_frame"][:, None] + 2 * np.arange(16, dtype=np.int32)
    steps = np.zeros_like(video.rows["frame_step"])
    video = replace(video, rows=video.rows | {"frames": frames, "frame_step": steps})
    path = write_store(tmp_path / "rgb.zarr", replace(RGB, clip_frames=16), [video])
    clips = clips_of(path)
    np.testing.assert_array_equal(clips.end_frames, clips.first_frames + 31)


def test_clips_of_unknown_frames_are_not_drawn(tmp_path):
    video = rgb_video("a", 40)
    unknown = np.full_like(video.rows["first_frame"], -1)
    video = replace(video, rows=video.rows | {"first_frame": unknown})
    assert clips_of(write_store(tmp_path / "rgb.zarr", RGB, [video])) is None
