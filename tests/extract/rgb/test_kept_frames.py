import numpy as np
import pytest
from shared_data import golden_path

from extract.rgb.provenance import KeptFrames, KeptTimeline
from reference.small_stores import (
    POSE,
    RGB,
    WHOLE_POSE,
    kept_frames,
    pose_video,
    rgb_video,
    whole_pose_video,
    write_store,
)
from seds_core.keypoints import LEFT_HAND
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import VideoNotInStoreError
from seds_core.store.records import FinishedVideo

RULES = {
    "phoenix": "phoenix-2014t",
    "phoenix_long": "phoenix-2014t",
    "csl": "csl-daily",
    "how2sign": "how2sign",
    "how2sign_long": "how2sign",
    "short": "phoenix-2014t",
}
RESTING = (0, 1, 7, 50, 51, 52, 94)


@pytest.fixture
def kept(tmp_path):
    videos = [whole_pose_video("a", 95, RESTING), whole_pose_video("never", 20, range(20))]
    return KeptFrames.open(write_store(tmp_path / "pose.zarr", WHOLE_POSE, videos), "custom")


@pytest.mark.parametrize("max_frames", [None, 300, 40])
def test_frames_without_hands_are_left_out_after_every_kth_is_taken(kept, max_frames):
    timeline = kept.of("a", max_frames)
    step = 3 if max_frames == 40 else 1
    assert (timeline.num_frames, timeline.frame_step) == (95, step)
    assert timeline.frames.tolist() == [f for f in range(0, 95, step) if f not in RESTING]
    assert timeline.frames.dtype == np.int32


@pytest.mark.golden
@pytest.mark.parametrize("case", RULES)
def test_published_frames_are_kept(tmp_path, case):
    with np.load(golden_path("pose_preprocess.npz")) as golden:
        keypoints, size = golden[f"{case}_keypoints"], golden[f"{case}_size"]
        published = golden[f"{case}_kept"]
    video = whole_pose_video("a", len(keypoints))
    values = vars(video.source) | {"width": int(size[0]), "height": int(size[1])}
    rows = video.rows | {"keypoints": keypoints.astype(np.float32)}
    video = FinishedVideo(type(video.source)(**values), rows)
    store = write_store(tmp_path / "pose.zarr", WHOLE_POSE, [video])
    kept = KeptFrames.open(store, RULES[case])
    np.testing.assert_array_equal(kept.of("a", 300).frames, published)


def test_an_arm_without_a_hand_is_at_rest_by_the_rules_seen(tmp_path):
    video = whole_pose_video("a", 40)
    keypoints = video.rows["keypoints"].copy()
    # The arms stay where they are, whole; of one hand a few points are left.
    keypoints[[0, 1, 20, 39], LEFT_HAND.start :, 2] = 0
    keypoints[20, LEFT_HAND.start : LEFT_HAND.start + 9, 2] = 0.9
    keypoints[:, [5, 6, 7, 8, 9, 10], 2] = 0.9
    video = FinishedVideo(video.source, video.rows | {"keypoints": keypoints})
    store = write_store(tmp_path / "pose.zarr", WHOLE_POSE, [video])
    assert KeptFrames.open(store, "custom").of("a", None).frames.tolist() == list(range(40))
    seen = [frame for frame in range(40) if frame not in (0, 1, 20, 39)]
    assert KeptFrames.open(store, "seen").of("a", None).frames.tolist() == seen


def test_a_store_of_every_kth_frame_serves_the_same_timeline(tmp_path):
    store = write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", 95)])
    kept = KeptFrames.open(store, "custom")
    assert kept.of("a", 40).frames.tolist() == list(range(0, 95, 3))
    message = r"lacks frames of the video 'a'.*frames.max_frames 40, and None is asked"
    with pytest.raises(VideoNotInStoreError, match=message):
        kept.of("a", None)


def test_missing_videos_and_other_stores_are_named(kept, tmp_path):
    with pytest.raises(VideoNotInStoreError, match="has no video 'x': it was never extracted"):
        kept.of("x", 300)
    rgb = write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("a", 30)])
    with pytest.raises(StoreMismatchError, match="store of kind rgb"):
        KeptFrames.open(rgb, "custom")


def test_the_identity_is_of_what_decides_the_keypoints(kept, tmp_path):
    from dataclasses import replace

    elsewhere = replace(WHOLE_POSE, weights=replace(WHOLE_POSE.weights, source="moved"))
    moved = replace(WHOLE_POSE, device="cuda")
    other = replace(WHOLE_POSE, weights=replace(WHOLE_POSE.weights, sha256="1" * 64))
    model = replace(WHOLE_POSE, weights=replace(WHOLE_POSE.weights, config_sha256="2" * 64))
    made = enumerate((elsewhere, moved, other, model))
    stores = [write_store(tmp_path / f"{number}.zarr", each, []) for number, each in made]
    same, same_too, *changed = (KeptFrames.open(store, "custom").identity for store in stores)
    assert kept.identity == same == same_too
    assert len({kept.identity, *changed}) == 3


def test_the_identity_of_a_store_that_records_less_stays_what_rgb_stores_remember(kept):
    assert kept.identity.startswith("28d26cdb55d17c04")


def test_clips_are_windows_over_what_is_left():
    frames = np.array([0, 3, 9, 12, 15], np.int32)
    timeline = KeptTimeline(20, 3, frames)
    assert timeline.clips(3, None).tolist() == [[0, 3, 9], [3, 9, 12], [9, 12, 15]]
    assert timeline.clips(3, 2).tolist() == [[0, 3, 9], [9, 12, 15]]
    assert timeline.clips(7, 64).tolist() == [[0, 3, 9, 12, 15, 15, 15]]
    assert timeline.clips(3, None).dtype == np.int32


def test_no_kept_frame_makes_no_clip(kept):
    assert kept.of("never", 300).clips(16, 64).shape == (0, 16)


@pytest.mark.parametrize("chunk", [1, 4, 7, 32])
def test_pictures_are_selected_in_chunks_of_any_length(chunk):
    frames = kept_frames(95, RESTING)
    timeline = KeptTimeline(95, 3, frames)
    pictures = np.arange(32, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    chunks = np.split(pictures, range(chunk, 32, chunk))
    selected = list(timeline.select(chunks))
    assert all(len(part) for part in selected)
    np.testing.assert_array_equal(np.concatenate(selected)[:, 0, 0, 0] * 3, frames)


def test_frames_beyond_the_expected_length_are_passed_over():
    timeline = KeptTimeline(2, 1, np.array([0, 1], np.int32))
    pictures = np.zeros((5, 1, 1, 3), np.uint8)
    assert sum(map(len, timeline.select([pictures[:3], pictures[3:]]))) == 2
