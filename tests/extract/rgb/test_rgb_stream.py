"""The published timeline: what the stream streams equals what gathering everything gives."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from extract.rgb.backbones import PUBLISHED, Backbone
from extract.rgb.i3d_network import VideoNetwork
from extract.rgb.provenance import KeptFrames
from extract.rgb.rgb_stream import RgbStream
from extract.settings import ExtractSettings
from extract.stream import rows_of
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodeJob
from extract.videos.part import FrameCountChanged, VideoError
from extract.videos.video_writing import write_video
from reference.small_stores import POSE, WHOLE_POSE, pose_video, whole_pose_video, write_store
from seds_core.store.provenance import WeightsRecord

CLIP = 9
NUM_FRAMES = 95
RESTING = (0, 1, 2, 30, 31, 60, 93, 94)


class StripNetwork(VideoNetwork):
    """Sums that tell every frame of a clip, in an order that rounding depends on."""

    def features(self, clips):
        return clips.mean(dim=(3, 4)).flatten(1) * torch.linspace(0.1, 1, 3 * CLIP)


def settings(*, max_frames=40, max_clips=4, **rgb):
    return ExtractSettings.model_validate(
        {
            "frames": {"max_frames": max_frames},
            "rgb": {"clip_length": CLIP, "max_clips": max_clips, **rgb},
            "run": {"rgb_batch": 3},
        }
    )


def stream(settings, kept=None):
    weights = WeightsRecord(name="random", source="test", sha256="0", is_random=True)
    device = torch.device("cpu")
    backbone = Backbone("strip", StripNetwork(), device, PUBLISHED, CLIP, 3 * CLIP, weights)
    return RgbStream(backbone, settings, kept)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("videos") / "a.mp4"
    coarse = np.random.default_rng(0).integers(0, 255, (NUM_FRAMES, 6, 8, 3), np.uint8)
    write_video(path, coarse.repeat(8, axis=1).repeat(8, axis=2), 25.0)
    return path


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    videos = [
        whole_pose_video("a", NUM_FRAMES, RESTING),
        whole_pose_video("short", NUM_FRAMES, [f for f in range(NUM_FRAMES) if f not in (6, 12)]),
        whole_pose_video("never", NUM_FRAMES, range(NUM_FRAMES)),
        whole_pose_video("longer", NUM_FRAMES + 1),
    ]
    path = tmp_path_factory.mktemp("stores") / "pose.zarr"
    return KeptFrames.open(write_store(path, WHOLE_POSE, videos), "custom")


def decode(path, video_id="a", **job):
    with DecodePool(num_workers=0) as pool:
        return pool.decode(DecodeJob(video_id, path, cut=PUBLISHED.fit, chunk_frames=7, **job))


def slow_rows(path, made_by, kept_frames):
    """All frames decoded, the kept ones picked, every window cut out, then chosen."""
    chunks = decode(path, max_frames=None).chunks()
    frames = np.concatenate([chunk.frames.copy() for chunk in chunks])
    timeline = [frame for frame in kept_frames if frame < len(frames)]
    timeline += [timeline[-1]] * max(0, CLIP - len(timeline))
    windows = [timeline[i : i + CLIP] for i in range(len(timeline) - CLIP + 1)]
    chosen = windows
    if len(windows) > made_by.settings.rgb.max_clips:
        indices = np.linspace(0, len(windows) - 1, made_by.settings.rgb.max_clips, dtype=int)
        chosen = [windows[index] for index in indices]
    clips = [
        made_by.backbone.prepare(torch.from_numpy(np.stack([frames[i] for i in window])))
        for window in chosen
    ]
    batches = [torch.stack(clips[i : i + 3]) for i in range(0, len(clips), 3)]
    with torch.inference_mode():
        features = torch.cat([made_by.backbone.features(batch) for batch in batches])
    return features.numpy(), np.array(chosen, np.int32)


@pytest.mark.parametrize(
    ("video_id", "max_frames", "resting"),
    [
        ("a", 40, RESTING),
        ("a", None, RESTING),
        ("short", 40, [f for f in range(NUM_FRAMES) if f not in (6, 12)]),
    ],
)
def test_features_of_kept_frames_equal_the_slow_way(video, kept, video_id, max_frames, resting):
    made_by = stream(settings(max_frames=max_frames, frames="hands"), kept)
    rows = rows_of(made_by, decode(video, video_id, max_frames=max_frames))
    step = 1 if max_frames is None else 3
    kept_frames = [frame for frame in range(0, NUM_FRAMES, step) if frame not in resting]
    features, frames = slow_rows(video, made_by, kept_frames)
    np.testing.assert_array_equal(rows["features"], features)
    np.testing.assert_array_equal(rows["frames"], frames)
    np.testing.assert_array_equal(rows["first_frame"], frames[:, 0])
    assert not rows["frame_step"].any()
    assert {name: array.dtype for name, array in rows.items()} == {
        "features": np.float32, "first_frame": np.int32, "frame_step": np.int32, "frames": np.int32,
    }  # fmt: skip
    assert made_by.num_rows(decode(video, video_id, max_frames=max_frames)) == len(frames)


def test_where_every_frame_has_a_hand_nothing_changes(video, tmp_path):
    poses = write_store(tmp_path / "pose.zarr", POSE, [pose_video("a", NUM_FRAMES)])
    of_all = rows_of(stream(settings()), decode(video, max_frames=40))
    hands = stream(settings(frames="hands"), KeptFrames.open(poses, "custom"))
    of_hands = rows_of(hands, decode(video, max_frames=40))
    np.testing.assert_array_equal(of_hands["features"], of_all["features"])
    np.testing.assert_array_equal(of_hands["first_frame"], of_all["first_frame"])
    assert of_all.keys() == {"features", "first_frame", "frame_step"}


@pytest.mark.parametrize(
    ("video_id", "reason"),
    [
        ("unknown", "which frames show a hand is not known: .*no video 'unknown'"),
        ("never", "no frame shows a usable hand, by .*pose.zarr and the rules 'custom'"),
        ("longer", "decoding gave 95 frames, but .*pose.zarr was made of 96"),
    ],
)
def test_a_video_without_kept_frames_fails_with_a_reason(video, kept, video_id, reason):
    with pytest.raises(VideoError, match=reason) as error:
        rows_of(stream(settings(frames="hands"), kept), decode(video, video_id, max_frames=40))
    assert error.value.path == video


def test_a_container_that_errs_is_decoded_again(video, kept):
    lying = decode(video, max_frames=40)
    lying.properties  # noqa: B018 - opens the video
    lying._opened = replace(
        lying._opened, properties=replace(lying.properties, num_frames=NUM_FRAMES + 30)
    )
    made_by = stream(settings(frames="hands"), kept)
    with pytest.raises(FrameCountChanged) as change:
        rows_of(made_by, lying)
    assert change.value.num_frames == NUM_FRAMES
    again = rows_of(made_by, decode(video, max_frames=40, num_frames=NUM_FRAMES))
    np.testing.assert_array_equal(
        again["features"], rows_of(made_by, decode(video, max_frames=40))["features"]
    )


def test_what_a_store_of_all_frames_remembers_has_not_changed():
    made = stream(settings()).provenance
    assert made.clip_frames == 0
    assert made.recorded_settings == {
        "frames": {"max_frames": 40, "folder_fps": 25.0},
        "rgb": {
            "backbone": "i3d",
            "weights": "kinetics400",
            "clip_length": CLIP,
            "clips": "planned",
            "max_clips": 4,
            "store_dtype": "float32",
            "precision": "float32",
        },
    }
    assert made.weights.recorded().keys() == {"name", "source", "sha256", "is_random"}


def test_a_store_of_kept_frames_remembers_rules_and_poses(kept):
    made_by = stream(settings(frames="hands", hand_rules="csl-daily"), kept)
    made = made_by.provenance
    assert (made.clips.frames, made.clips.hand_rules) == ("hands", "csl-daily")
    assert made.weights.pose_store_sha256 == kept.identity
    assert made.clip_frames == CLIP
    assert ExtractSettings.model_validate(made.recorded_settings).rgb == made_by.settings.rgb
    assert any("rgb.frames" in text for text in made.differences(stream(settings()).provenance))


def test_without_memory_fewer_clips_go_through_at_once(video, monkeypatch):
    made_by = stream(settings(max_frames=None))
    expected = rows_of(made_by, decode(video, max_frames=None))
    sizes = []
    features = StripNetwork.features

    def features_of_one_clip(self, clips):
        sizes.append(len(clips))
        if len(clips) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return features(self, clips)

    monkeypatch.setattr(StripNetwork, "features", features_of_one_clip)
    found = rows_of(made_by, decode(video, max_frames=None))
    assert sizes == [3, 1, 1, 1, 1]
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-6)
