import numpy as np
import pytest
from small_stores import LENGTHS, POSE, RGB, plan, pose_video, rgb_video, signer, write_store

from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from train.batches import ClipLayout
from train.data.sign_reader import SignReader
from train.data.store_rows import StoreRows
from train.settings import KeypointSettings

ALL = KeypointSettings()
HANDS = KeypointSettings(frames="hands")


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stores")
    rgb = [rgb_video(v, n) for v, n in LENGTHS.items()]
    pose = [pose_video(v, n) for v, n in LENGTHS.items()]
    return (
        StoreRows.of(StoreReader(write_store(folder / "rgb.zarr", RGB, rgb))),
        StoreRows.of(StoreReader(write_store(folder / "pose.zarr", POSE, pose))),
    )


@pytest.mark.parametrize("video_id", LENGTHS)
def test_both_streams_have_the_clips_of_the_rgb_store(stores, video_id):
    example = SignReader(*stores, ClipLayout(6, 16, 8), ALL).read(video_id)
    clips = plan(LENGTHS[video_id])
    np.testing.assert_array_equal(example.pose.clip_starts, clips.starts)
    np.testing.assert_array_equal(example.rgb[:, 1], clips.first_frames)
    assert example.pose.frames.num_frames == max(16, clips.num_timeline_frames)
    assert example.num_clips == len(clips.starts)


def test_a_stage_without_features_reads_none(stores):
    example = SignReader(*stores, ClipLayout(6, 16, None), ALL).read("c")
    assert example.rgb is None
    np.testing.assert_array_equal(example.pose.clip_starts, plan(LENGTHS["c"]).starts)


def test_rgb_alone(stores):
    example = SignReader(stores[0], None, ClipLayout(6, 16, 8), ALL).read("c")
    assert example.pose is None
    assert example.num_clips == 6


def test_pose_alone_plans_its_clips(stores):
    example = SignReader(None, stores[1], ClipLayout(4, 20, None), ALL).read("a")
    assert example.pose.clip_starts.tolist() == [0, 3, 6, 10]  # 11 windows of 30 frames
    assert example.pose.clip_starts.dtype == np.int64


def without_hands(num_frames, from_frame):
    keypoints = signer(num_frames, np.random.default_rng(0))
    keypoints[from_frame:] = (np.nan, np.nan, 0)
    return keypoints


@pytest.mark.parametrize(
    ("from_frame", "settings", "num_frames", "num_clips"),
    [
        (25, ALL, 30, 15),
        (25, HANDS, 25, 10),
        (5, HANDS, 16, 1),
        (0, HANDS, 16, 1),
        (0, ALL, 30, 15),
    ],
)
def test_frames_without_hands(tmp_path, from_frame, settings, num_frames, num_clips):
    video = pose_video("a", 30, without_hands(30, from_frame))
    pose = StoreRows.of(StoreReader(write_store(tmp_path / "pose.zarr", POSE, [video])))
    example = SignReader(None, pose, ClipLayout(99, 16, None), settings).read("a")
    assert example.pose.frames.num_frames == num_frames
    assert example.num_clips == num_clips
    assert example.pose.frames.body.any() == (from_frame > 0)
    if settings is HANDS and from_frame == 5:
        np.testing.assert_array_equal(
            example.pose.frames.body[5:], example.pose.frames.body[[4] * 11]
        )


def test_half_precision_features_become_float32(tmp_path):
    from dataclasses import replace

    video = rgb_video("a", 30)
    video.rows["features"] = video.rows["features"].astype(np.float16)
    half = replace(RGB, feature_dtype="float16")
    rgb = StoreRows.of(StoreReader(write_store(tmp_path / "rgb.zarr", half, [video])))
    example = SignReader(rgb, None, ClipLayout(6, 16, 8), ALL).read("a")
    assert example.rgb.dtype == np.float32


def test_clips_beyond_the_keypoints_are_refused(tmp_path, stores):
    short = pose_video("a", 30)
    short.rows.update({name: rows[:20] for name, rows in short.rows.items()})
    pose = StoreRows.of(StoreReader(write_store(tmp_path / "pose.zarr", POSE, [short])))
    reader = SignReader(stores[0], pose, ClipLayout(6, 16, 8), ALL)
    with pytest.raises(StoreMismatchError, match=r"frame 14, but .* holds 20 frames"):
        reader.read("a")
