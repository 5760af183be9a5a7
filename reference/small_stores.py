"""A small RGB and pose store of made-up signers with their index, for tests of training."""

import csv
from dataclasses import replace

import numpy as np

from seds_core.clip_plan import clip_frames, clip_starts, plan_clips, timeline_step
from seds_core.store.provenance import ClipRules, Provenance, TimelineRules, WeightsRecord
from seds_core.store.records import FinishedVideo, VideoSource
from seds_core.store.writer import StoreWriter

FRAMES = TimelineRules(max_frames=40, folder_fps=25.0)
CLIPS = ClipRules(clip_length=16, clips="planned", max_clips=6)
RGB_DIM = 8
SIZE = (320, 240)

RGB = Provenance(
    kind="rgb",
    timeline=FRAMES,
    rgb=CLIPS,
    weights=WeightsRecord(name="test", source="here", sha256="0" * 64, is_random=False),
    feature_dim=RGB_DIM,
)
POSE = replace(RGB, kind="pose", rgb=None, pose={}, feature_dim=0)

WHOLE_POSE = replace(POSE, timeline=replace(FRAMES, max_frames=None))
"""Of a store that holds every frame, as imported ones do."""

HANDS_RGB = replace(
    RGB,
    rgb=replace(CLIPS, frames="hands", hand_rules="custom"),
    clip_frames=CLIPS.clip_length,
)
"""Of a store whose clips are windows over the frames with a usable hand."""


def signer(num_frames, generator):
    """Keypoints (frame, 133, 3) of somebody whose arms and hands are seen in every frame."""
    keypoints = np.zeros((num_frames, 133, 3), np.float32)
    body = [(160, 60), (200, 100), (120, 100), (220, 150), (100, 150), (190, 120), (130, 120)]
    keypoints[:, [0, 5, 6, 7, 8, 9, 10], :2] = body
    for first, wrist in ((91, (190, 120)), (112, (130, 120))):
        shape = generator.uniform(-15, 15, (21, 2))
        drift = np.cumsum(generator.normal(0, 1, (num_frames, 1, 2)), axis=0)
        keypoints[:, first : first + 21, :2] = np.array(wrist) + shape + drift
    keypoints[..., :2] += generator.normal(0, 0.3, (num_frames, 133, 2))
    keypoints[..., 2] = generator.uniform(0.5, 1, (num_frames, 133))
    return keypoints


def resting(keypoints, frames):
    """The same signer, whose hands and arms cannot be seen in some frames."""
    keypoints = keypoints.copy()
    keypoints[frames, 5:11, 2] = 0
    keypoints[frames, 91:, 2] = 0
    return keypoints


def source(video_id, num_frames, content="c0"):
    step = plan(num_frames).frame_step
    return VideoSource(
        video_id, f"{video_id}.mp4", 10, 20, content, num_frames, step, 25.0, 1.0, *SIZE
    )


def plan(num_frames):
    return plan_clips(
        num_frames,
        max_frames=FRAMES.max_frames,
        clip_length=CLIPS.clip_length,
        max_clips=CLIPS.max_clips,
    )


def rgb_video(video_id, num_frames, content="c0"):
    """Feature vectors that tell video and clip: [number of frames, first frame, noise ...]."""
    clips = plan(num_frames)
    features = np.random.default_rng(num_frames).normal(size=(len(clips.starts), RGB_DIM))
    features[:, 0], features[:, 1] = num_frames, clips.first_frames
    rows = {
        "features": features.astype(np.float32),
        "first_frame": clips.first_frames,
        "frame_step": np.full(len(clips.starts), clips.frame_step, np.int32),
    }
    return FinishedVideo(source(video_id, num_frames, content), rows)


def pose_video(video_id, num_frames, keypoints=None, content="c0"):
    clips = plan(num_frames)
    length = clips.num_timeline_frames
    if keypoints is None:
        keypoints = signer(length, np.random.default_rng(num_frames))
    rows = {
        "keypoints": keypoints,
        "person_found": np.ones(length, bool),
        "person_box": np.zeros((length, 4), np.float32),
        "frame": np.arange(length, dtype=np.int32) * np.int32(clips.frame_step),
    }
    return FinishedVideo(source(video_id, num_frames, content), rows)


def whole_pose_video(video_id, num_frames, without_hands=(), content="c0"):
    """Every frame's keypoints; the hands rest in some."""
    keypoints = signer(num_frames, np.random.default_rng(num_frames))
    rows = {
        "keypoints": resting(keypoints, list(without_hands)),
        "person_found": np.ones(num_frames, bool),
        "person_box": np.zeros((num_frames, 4), np.float32),
        "frame": np.arange(num_frames, dtype=np.int32),
    }
    return FinishedVideo(replace(source(video_id, num_frames, content), frame_step=1), rows)


def kept_frames(num_frames, without_hands=()):
    """The published timeline of such a video."""
    step = timeline_step(num_frames, FRAMES.max_frames)
    kept = [frame for frame in range(0, num_frames, step) if frame not in set(without_hands)]
    return np.array(kept, np.int32)


def hands_rgb_video(video_id, num_frames, without_hands=(), content="c0"):
    """Like :func:`rgb_video`, over the frames with a usable hand."""
    kept = kept_frames(num_frames, without_hands)
    starts = clip_starts(len(kept), CLIPS.clip_length, CLIPS.max_clips)
    frames = clip_frames(kept, starts, CLIPS.clip_length)
    features = np.random.default_rng(num_frames).normal(size=(len(starts), RGB_DIM))
    rows = {
        "features": features.astype(np.float32),
        "first_frame": frames[:, 0],
        "frame_step": np.zeros(len(starts), np.int32),
        "frames": frames,
    }
    return FinishedVideo(source(video_id, num_frames, content), rows)


def write_store(path, provenance, videos):
    with StoreWriter(path, provenance) as writer:
        writer.want(video.source.video_id for video in videos)
        for video in videos:
            writer.claim()
            writer.finish(video)
    return path


def write_index(path, lines):
    """Lines of video_id, split, text."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["video_id", "path", "split", "text"])
        writer.writerows(
            [video_id, f"{video_id}.mp4", split, text] for video_id, split, text in lines
        )
    return path


LENGTHS = {"a": 30, "b": 9, "c": 95, "d": 21, "e": 16, "f": 40, "g": 17, "h": 25}
"""Frames of each video: shorter than a clip, as long as one, longer than the timeline."""

SENTENCES = [
    "good morning", "rain in the north", "rain in the north", "the sun", "wind",
    "it is cold today", "rain in the north", "see you tomorrow",
]  # fmt: skip


def small_data_set(folder):
    """Paths of an index, an RGB store and a pose store; six videos train, two are the dev split."""
    splits = ["train"] * 6 + ["dev"] * 2
    index = write_index(folder / "index.csv", zip(LENGTHS, splits, SENTENCES, strict=True))
    rgb = write_store(folder / "rgb.zarr", RGB, [rgb_video(v, n) for v, n in LENGTHS.items()])
    pose = write_store(folder / "pose.zarr", POSE, [pose_video(v, n) for v, n in LENGTHS.items()])
    return {"index": index, "rgb": rgb, "pose": pose}
