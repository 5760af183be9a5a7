"""Rows of stores become a video's streams."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
import zarr
from shared_data import golden_path

from reference.small_stores import (
    HANDS_RGB,
    LENGTHS,
    POSE,
    RGB,
    WHOLE_POSE,
    hands_rgb_video,
    kept_frames,
    plan,
    pose_video,
    rgb_video,
    signer,
    source,
    whole_pose_video,
    write_store,
)
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from seds_core.store.records import FinishedVideo
from train.batches import ClipLayout
from train.data.sign_reader import SignReader, StoreRows, locate
from train.settings import KeypointSettings


def test_rows_of_a_video_here_and_in_another_process(tmp_path):
    videos = {video_id: rgb_video(video_id, length) for video_id, length in LENGTHS.items()}
    rows = StoreRows.of(StoreReader(write_store(tmp_path / "rgb.zarr", RGB, list(videos.values()))))
    for video_id, video in videos.items():
        np.testing.assert_array_equal(
            rows.read(locate(video_id, [rows]), "features"), video.rows["features"]
        )
    sent = pickle.loads(pickle.dumps(rows))
    assert sent.videos is None
    assert "_arrays" in vars(rows)
    assert "_arrays" not in vars(sent)
    np.testing.assert_array_equal(
        sent.read(locate("c", [rows]), "features"), videos["c"].rows["features"]
    )


def test_a_store_that_grows_stays_as_it_was(tmp_path):
    path = write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("a", 30)])
    rows = StoreRows.of(StoreReader(path))
    video = locate("a", [rows])
    before = rows.read(video, "features")
    write_store(path, RGB, [rgb_video("a", 21, content="c1")])
    again = pickle.loads(pickle.dumps(rows))
    np.testing.assert_array_equal(again.read(video, "features"), before)


def test_arrays_in_memory_give_the_same_rows(tmp_path):
    path = write_store(tmp_path / "rgb.zarr", RGB, [rgb_video(v, n) for v, n in LENGTHS.items()])
    store = StoreReader(path)
    held, read = StoreRows.of(store, "first_frame"), StoreRows.of(store)
    for video_id in LENGTHS:
        video = locate(video_id, [read])
        expected = read.read(video, "first_frame")
        np.testing.assert_array_equal(held.read(video, "first_frame"), expected)
    # What is in memory is what is used, so that it is what has to be right.
    damaged = StoreRows.of(store, "first_frame")
    damaged.in_memory["first_frame"] += 1
    with pytest.raises(DamagedStoreError, match="'c': its rows are not those"):
        damaged.read(locate("c", [read]), "first_frame")


@pytest.mark.parametrize("array", ["features", "first_frame"])
def test_a_flipped_bit_that_decodes_is_not_read(tmp_path, array):
    path = write_store(tmp_path / "rgb.zarr", RGB, [rgb_video(v, n) for v, n in LENGTHS.items()])
    rows = StoreRows.of(StoreReader(path))
    entry = StoreReader(path).videos["c"]
    zarr.open_array(path / "rows" / array)[entry.first_row] += 1
    for _ in range(2):
        with pytest.raises(DamagedStoreError, match="'c': its rows are not those"):
            rows.read(locate("c", [rows]), "features")
    assert len(rows.read(locate("a", [rows]), "features"))


ALL = KeypointSettings()
HANDS = KeypointSettings(frames="hands")


def sign_reader(rgb, pose, layout, settings, **options):
    """A reader of one store of features, of one of keypoints, or of both."""
    return SignReader(() if rgb is None else (rgb,), pose, layout, settings, **options)


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
    example = read(sign_reader(*stores, ClipLayout(6, 16, 8), ALL), video_id)
    clips = plan(LENGTHS[video_id])
    np.testing.assert_array_equal(example.clip_starts, clips.starts)
    np.testing.assert_array_equal(example.rgb[:, 1], clips.first_frames)
    assert example.pose.num_frames == max(16, clips.num_timeline_frames)
    assert example.num_clips == len(clips.starts)


def test_a_stage_without_features_reads_none(stores):
    example = read(sign_reader(*stores, ClipLayout(6, 16, None), ALL), "c")
    assert example.rgb is None
    np.testing.assert_array_equal(example.clip_starts, plan(LENGTHS["c"]).starts)


def test_rgb_alone(stores):
    example = read(sign_reader(stores[0], None, ClipLayout(6, 16, 8), ALL), "c")
    assert example.pose is None
    assert example.num_clips == 6


def test_pose_alone_plans_its_clips(stores):
    example = read(sign_reader(None, stores[1], ClipLayout(4, 20, None), ALL), "a")
    assert example.clip_starts.tolist() == [0, 3, 6, 10]  # 11 windows of 30 frames
    assert example.clip_starts.dtype == np.int64


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
    example = read(sign_reader(None, pose, ClipLayout(99, 16, None), settings), "a")
    assert example.pose.num_frames == num_frames
    assert example.num_clips == num_clips
    assert example.pose.body.any() == (from_frame > 0)
    if settings is HANDS and from_frame == 5:
        np.testing.assert_array_equal(example.pose.body[5:], example.pose.body[[4] * 11])


def test_half_precision_features_become_float32(tmp_path):
    video = rgb_video("a", 30)
    video.rows["features"] = video.rows["features"].astype(np.float16)
    half = replace(RGB, feature_dtype="float16")
    rgb = StoreRows.of(StoreReader(write_store(tmp_path / "rgb.zarr", half, [video])))
    example = read(sign_reader(rgb, None, ClipLayout(6, 16, 8), ALL), "a")
    assert example.rgb.dtype == np.float32


def test_clips_beyond_the_keypoints_are_refused(tmp_path, stores):
    short = pose_video("a", 30)
    short.rows.update({name: rows[:20] for name, rows in short.rows.items()})
    pose = StoreRows.of(StoreReader(write_store(tmp_path / "pose.zarr", POSE, [short])))
    reader = sign_reader(stores[0], pose, ClipLayout(6, 16, 8), ALL)
    with pytest.raises(StoreMismatchError, match=r"lacks keypoints of the video 'a': every 1\. of"):
        read(reader, "a")


def read(reader, video_id):
    return reader.read(reader.locate(video_id))


def rows_of(path, provenance, *videos):
    in_memory = "frame" if provenance.kind == "pose" else "first_frame"
    return StoreRows.of(StoreReader(write_store(path, provenance, videos)), in_memory)


RESTING = (0, 1, 30, 31, 60, 93)
"""Frames of "c" in which no hand can be seen."""


def hands_reader(folder, features, rgb_dim=8):
    rgb = rows_of(folder / "rgb.zarr", HANDS_RGB, features)
    pose = rows_of(folder / "pose.zarr", WHOLE_POSE, whole_pose_video("c", 95, RESTING))
    settings = KeypointSettings(frames="hands", max_frames=40)
    return sign_reader(rgb, pose, ClipLayout(6, 16, rgb_dim), settings, names_clip_frames=True)


def test_both_streams_leave_out_the_same_frames(tmp_path):
    features = hands_rgb_video("c", 95, RESTING)
    example = read(hands_reader(tmp_path, features), "c")
    kept = kept_frames(95, RESTING)
    assert example.pose.num_frames == len(kept) == 28
    np.testing.assert_array_equal(
        kept[example.clip_starts[:, None] + np.arange(16)], features.rows["frames"]
    )
    np.testing.assert_array_equal(example.rgb, features.rows["features"])
    assert example.pose.has_hand.all()


def test_features_of_all_frames_take_every_kth_of_a_whole_pose_store(tmp_path):
    rgb = rows_of(tmp_path / "rgb.zarr", RGB, rgb_video("c", 95))
    whole = rows_of(tmp_path / "whole.zarr", WHOLE_POSE, whole_pose_video("c", 95))
    keypoints = whole.read(locate("c", [whole]), "keypoints")[::3]
    sparse = rows_of(tmp_path / "sparse.zarr", POSE, pose_video("c", 95, keypoints))
    of_whole, of_sparse = (
        read(sign_reader(rgb, pose, ClipLayout(6, 16, 8), ALL), "c") for pose in (whole, sparse)
    )
    np.testing.assert_array_equal(of_whole.clip_starts, of_sparse.clip_starts)
    for part in ("right", "left", "body"):
        ours, theirs = (getattr(example.pose, part) for example in (of_whole, of_sparse))
        np.testing.assert_array_equal(ours, theirs)


def moved_start(rows):
    rows["first_frame"] = rows["first_frame"].copy()
    rows["first_frame"][2] = 30  # a frame without hands


def moved_inside(rows):
    rows["frames"] = rows["frames"].copy()
    rows["frames"][2, 7] += 1


def beyond_the_end(rows):
    rows["first_frame"] = rows["first_frame"].copy()
    rows["first_frame"][-1] = 87


@pytest.mark.parametrize("damage", [moved_start, moved_inside, beyond_the_end])
def test_clips_of_other_frames_are_refused(tmp_path, damage):
    features = hands_rgb_video("c", 95, RESTING)
    damage(features.rows)
    with pytest.raises(StoreMismatchError, match=r"clips of the video 'c' are not made of.*pose"):
        read(hands_reader(tmp_path, features), "c")


PUBLISHED_RULES = {
    "phoenix": "phoenix-2014t",
    "phoenix_long": "phoenix-2014t",
    "csl": "csl-daily",
    "how2sign": "how2sign",
    "how2sign_long": "how2sign",
    "short": "phoenix-2014t",
}


@pytest.mark.golden
@pytest.mark.parametrize("case", PUBLISHED_RULES)
def test_a_whole_pose_store_gives_the_published_input(tmp_path, case):
    from train.data.stage_stores import open_stage_stores

    with np.load(golden_path("pose_preprocess.npz")) as golden:
        fields = ("keypoints", "size", "kept", "right", "left", "body")
        published = {field: golden[f"{case}_{field}"] for field in fields}
    keypoints = published["keypoints"].astype(np.float32)
    width, height = map(int, published["size"])
    video = whole_pose_video("a", len(keypoints))
    where = replace(source("a", len(keypoints)), frame_step=1, width=width, height=height)
    video = FinishedVideo(where, video.rows | {"keypoints": keypoints})
    path = write_store(tmp_path / "pose.zarr", WHOLE_POSE, [video])
    settings = KeypointSettings(frames="hands", rules=PUBLISHED_RULES[case])
    stores = open_stage_stores("pose", settings, rgb=None, pose=path)
    pose = StoreRows.of(stores.pose, "frame")
    reader = sign_reader(None, pose, stores.layout, stores.keypoints)
    frames = read(reader, "a").pose
    num_kept = len(published["kept"])
    assert frames.num_frames == max(16, num_kept)
    for part in ("right", "left", "body"):
        found, expected = getattr(frames, part), published[part]
        np.testing.assert_allclose(found[:num_kept], expected, atol=1e-3, rtol=0)
