"""Measures the training loader against per-frame Python over published pickles.

    python benchmarks/loader.py

Both give the batches of an epoch of the fusion stage: keypoints as the encoder sees them, features,
clips, sentences. Ours reads two stores. The published way loads two pickles a video and crops the
hands frame by frame, by the plain rules that the tests compare ours with
(``reference/keypoint_rules.py``): once with a frame's numbers as lists, and once, as one
would write it first, on rows of NumPy arrays. Every sign of every batch is compared, to the bit,
before anything is timed. A turn is an epoch; all ways take turns in one process.
"""

import argparse
import pickle
import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from measurement import OURS, print_conditions, print_table, take_turns

from reference.keypoint_rules import slow_frame
from reference.small_stores import POSE, RGB, SIZE, resting, signer, write_index
from seds_core.clip_plan import plan_clips
from seds_core.store.provenance import ClipRules, TimelineRules
from seds_core.store.records import FinishedVideo, VideoSource
from seds_core.store.writer import BulkWriter
from train.batches import PoseBatch, SignBatch, TrainingBatch, tensors_of
from train.data.collation import FRAMES_AFTER_A_VIDEO
from train.data.loading import TrainingBatches
from train.data.retrieval_data import RetrievalData, open_data
from train.data.sampler import EpochBatches
from train.settings import AugmentationSettings, TrainSettings
from train.text.openai_clip import OpenAIClipTokenizer

NUM_FRAMES, CLIP_LENGTH, MAX_CLIPS, RGB_DIM = 120, 16, 64, 1024
CLIPS = plan_clips(NUM_FRAMES, max_frames=300, clip_length=CLIP_LENGTH, max_clips=MAX_CLIPS)
SENTENCE = "in the north rain falls from the evening on and it stays cold"
PARTS = {"right": 21, "left": 21, "body": 7}


def main() -> None:
    """Prints one row a way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=int, default=48)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_videos(folder, options.videos)
        epochs = ways(folder, options.batch)
        compare_all(epochs)
        turns = {name: partial(go_through, epoch) for name, epoch in epochs.items()}
        seconds = take_turns(turns, options.turns, warm_up=False)  # comparing has warmed up
    sample = {n: f"{1e3 * statistics.median(s) / options.videos:.2f}" for n, s in seconds.items()}
    print_table(seconds, amount=options.videos, unit="samples", more={"ms a sample": sample})


def write_videos(folder: Path, num_videos: int) -> None:
    """The same made-up videos as stores with their index, and as published pickles."""
    timeline = TimelineRules(max_frames=300, folder_fps=25.0)
    clips = ClipRules(clip_length=CLIP_LENGTH, clips="planned", max_clips=MAX_CLIPS)
    features = replace(RGB, timeline=timeline, rgb=clips, feature_dim=RGB_DIM)
    keypoints = replace(POSE, timeline=timeline)
    video_ids = [f"video{number:05}" for number in range(num_videos)]
    write_index(folder / "index.csv", [(video, "train", SENTENCE) for video in video_ids])
    generator = np.random.default_rng(0)
    with (
        BulkWriter(folder / "rgb.zarr", features) as rgb,
        BulkWriter(folder / "pose.zarr", keypoints) as pose,
    ):
        for video_id in video_ids:
            video = MadeUpVideo.of(video_id, generator)
            rgb.add(FinishedVideo(video.source, video.rgb_rows))
            pose.add(FinishedVideo(video.source, video.pose_rows))
            video.write_pickles(folder)


@dataclass(frozen=True)
class MadeUpVideo:
    """A signer whose hands rest now and then, and features of no meaning."""

    source: VideoSource
    keypoints: np.ndarray
    features: np.ndarray

    @classmethod
    def of(cls, video_id: str, generator: np.random.Generator) -> "MadeUpVideo":
        """A video that no other equals."""
        source = VideoSource(
            video_id, f"{video_id}.mp4", 1, 1, video_id, NUM_FRAMES, 1, 25.0, 4.8, *SIZE
        )
        resting_frames = np.flatnonzero(generator.random(NUM_FRAMES) < 0.1)
        keypoints = resting(signer(NUM_FRAMES, generator), resting_frames)
        features = generator.normal(size=(len(CLIPS.starts), RGB_DIM)).astype(np.float32)
        return cls(source, keypoints, features)

    @property
    def rgb_rows(self) -> dict[str, np.ndarray]:
        """As an RGB store holds them."""
        steps = np.ones(len(CLIPS.starts), np.int32)
        return {"features": self.features, "first_frame": CLIPS.first_frames, "frame_step": steps}

    @property
    def pose_rows(self) -> dict[str, np.ndarray]:
        """As a pose store holds them."""
        return {
            "keypoints": self.keypoints,
            "person_found": np.ones(NUM_FRAMES, bool),
            "person_box": np.zeros((NUM_FRAMES, 4), np.float32),
            "frame": np.arange(NUM_FRAMES, dtype=np.int32),
        }

    def write_pickles(self, folder: Path) -> None:
        """One of features and one of keypoints."""
        name = self.source.video_id
        images = [f"images{number:04}.png" for number in range(1, NUM_FRAMES + 1)]
        values = {
            "I3D_features": {"name": name, "feature": self.features},
            "RTMpose": {"keypoints": self.keypoints, "img_list": images},
        }
        for part, value in values.items():
            path = folder / part / f"{name}.pkl"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(pickle.dumps(value))


Epoch = Callable[[], Iterator[TrainingBatch]]


def ways(folder: Path, batch_size: int) -> dict[str, Epoch]:
    """The first epoch of each way, by name."""
    data, sampler = opened(folder, batch_size)
    split, tokenizer = data.split("train"), OpenAIClipTokenizer(32)
    ours = our_loader(data, sampler, tokenizer)
    video_ids = [[split[place].video_id for place in batch] for batch in sampler.batches(0)]
    return {
        "published, NumPy rows": lambda: published_epoch(folder, video_ids, tokenizer, list),
        "published, lists": lambda: published_epoch(
            folder, video_ids, tokenizer, np.ndarray.tolist
        ),
        OURS: lambda: ours.epoch(0),
    }


def opened(folder: Path, batch_size: int) -> tuple[RetrievalData, EpochBatches]:
    """What :func:`write_videos` wrote, and how it is dealt into batches."""
    rgb, pose = folder / "rgb.zarr", folder / "pose.zarr"
    data = open_data(TrainSettings(), "fusion", index=folder / "index.csv", rgb=rgb, pose=pose)
    sentences = tuple(video.text for video in data.split("train"))
    return data, EpochBatches(sentences, batch_size, seed=0)


def our_loader(
    data: RetrievalData,
    sampler: EpochBatches,
    tokenizer: OpenAIClipTokenizer,
    *,
    workers: int = 0,
    pin_memory: bool = False,
) -> TrainingBatches:
    """As a training run makes it; here without processes of its own."""
    settings = AugmentationSettings()
    split = data.split("train")
    return TrainingBatches(
        data, split, tokenizer, settings=settings, sampler=sampler, seed=0, workers=workers,
        pin_memory=pin_memory,
    )  # fmt: skip


def published_epoch(
    folder: Path,
    batches: list[list[str]],
    tokenizer: OpenAIClipTokenizer,
    rows_of: Callable[[np.ndarray], list],
) -> Iterator[TrainingBatch]:
    """The same videos from pickles; ``rows_of`` makes an array a list of its frames."""
    for video_ids in batches:
        videos = [published_video(folder, video_id, rows_of) for video_id in video_ids]
        poses, features = zip(*videos, strict=True)
        shape = len(videos), NUM_FRAMES + FRAMES_AFTER_A_VIDEO
        pose = {part: torch.zeros(*shape, points, 2) for part, points in PARTS.items()}
        rgb = torch.zeros(len(videos), MAX_CLIPS, RGB_DIM)
        for row, video in enumerate(poses):
            rgb[row] = torch.from_numpy(features[row])
            for part, points in video.items():
                pose[part][row, :NUM_FRAMES] = torch.tensor(points)
        starts = torch.tensor([CLIPS.starts.tolist()] * len(videos))
        is_real = torch.ones(len(videos), MAX_CLIPS, dtype=torch.bool)
        signs = SignBatch(is_real, PoseBatch(**pose, clip_starts=starts), rgb)
        text, augmented = (tokenizer([SENTENCE] * len(videos)) for _ in range(2))
        yield TrainingBatch(signs, text, augmented)


def published_video(
    folder: Path, video_id: str, rows_of: Callable[[np.ndarray], list]
) -> tuple[dict[str, list], np.ndarray]:
    """What the encoder sees of each part, frame by frame, and the features."""
    with (folder / "RTMpose" / f"{video_id}.pkl").open("rb") as file:
        keypoints = pickle.load(file)["keypoints"]
    with (folder / "I3D_features" / f"{video_id}.pkl").open("rb") as file:
        features = pickle.load(file)["feature"]
    parts: dict[str, list] = {part: [] for part in PARTS}
    for frame in rows_of(keypoints):
        found = slow_frame(frame, SIZE, "custom")
        seen = found or [[(0.0, 0.0)] * points for points in PARTS.values()]
        for part, points in zip(parts.values(), seen, strict=True):
            part.append(points)
    return parts, features


def compare_all(epochs: dict[str, Epoch]) -> None:
    """Ends the benchmark where a batch of any way is not that of ours."""
    for batches in zip(*(epoch() for epoch in epochs.values()), strict=True):
        found = dict(zip(epochs, batches, strict=True))
        for name in epochs.keys() - {OURS}:
            compare(found[name].signs, found[OURS].signs)
    print("The batches of all ways are equal, to the bit.\n")


def go_through(epoch: Epoch) -> None:
    """Makes all batches."""
    for _batch in epoch():
        pass


def compare(expected: SignBatch, found: SignBatch) -> None:
    """Ends the benchmark where two batches differ in any number, and says how much."""
    for number, (first, second) in enumerate(
        zip(tensors_of(expected), tensors_of(found), strict=True)
    ):
        if not torch.equal(first, second):
            places = (first != second).nonzero().tolist()
            raise SystemExit(
                f"tensor {number} of the batches differs at {len(places)} places, as {places[0]}"
            )


if __name__ == "__main__":
    main()
