"""What can be found without this project's model: the rows that a trained one has to beat.

    python benchmarks/sign_baselines.py DATA/asl78/index.csv --rgb rgb.zarr --pose pose.zarr

Each baseline scores every test clip against every sign, from the features and keypoints that the
model reads, and from nothing of the test split but what is asked. Its scores are ranked and counted
as those of a model are (``train.evaluation``).
"""

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float64, Int64

from seds_core.dataset_index import IndexedVideo, read_index
from seds_core.hands import only_finite
from seds_core.keypoints import LEFT_HAND, RIGHT_HAND
from seds_core.store.reader import StoreReader
from train.evaluation.metrics import Gallery, Metrics, SplitScores, build_gallery
from train.evaluation.ranks import DIRECTIONS
from train.evaluation.takes import Motion, motion_of, take_scores

Scores = Float64[np.ndarray, "video text"]

PROBE_STEPS = 300
PROBE_DECAY = 1e-2
"""L2 weight of the linear probe, of the mean cross-entropy; chosen once, on none of the tasks."""


class Rows(Protocol):
    """What is read of a store."""

    def rows(self, video_id: str) -> dict[str, np.ndarray]:
        """Array name -> values of all rows of a video."""


@dataclass(frozen=True)
class SignTask:
    """Clips of single signs to learn from, and others to find."""

    train: Sequence[IndexedVideo]
    test: Sequence[IndexedVideo]
    rgb: Rows
    pose: Rows

    @cached_property
    def gallery(self) -> Gallery:
        """The test clips and their signs."""
        return build_gallery("test", [v.video_id for v in self.test], [v.text for v in self.test])

    @cached_property
    def sign_of_train(self) -> Int64[np.ndarray, " video"]:
        """Each training clip's sign, as an index into the gallery's; -1 for one not asked for."""
        numbers = {text: number for number, text in enumerate(self.gallery.sentences)}
        return np.array([numbers.get(video.text, -1) for video in self.train])

    def pooled(self, videos: Iterable[IndexedVideo]) -> Float64[np.ndarray, "video rgb"]:
        """Mean RGB features of clips, of length 1."""
        means = [self.rgb.rows(video.video_id)["features"].mean(axis=0) for video in videos]
        return _of_length_one(np.array(means, np.float64))

    def motions(self, videos: Iterable[IndexedVideo]) -> list[Motion]:
        """What the keypoints of clips tell of their motion."""
        return [motion_of(self.pose.rows(video.video_id)["keypoints"]) for video in videos]

    def frames_with_a_hand(self) -> Float64[np.ndarray, " video"]:
        """Part of each test clip's frames in which a hand is seen."""
        parts = []
        for video in self.test:
            points = only_finite(self.pose.rows(video.video_id)["keypoints"])
            hands = [points[:, hand, 2].max(axis=1) > 0 for hand in (LEFT_HAND, RIGHT_HAND)]
            parts.append(np.logical_or(*hands).mean())
        return np.array(parts)


def chance(task: SignTask) -> Scores:
    """Everything is tied with everything."""
    return np.zeros((len(task.test), len(task.gallery.sentences)))


def text_only(task: SignTask) -> Scores:
    """How often a sign was in the training split, whatever the clip shows."""
    known = task.sign_of_train[task.sign_of_train >= 0]
    counts = np.bincount(known, minlength=len(task.gallery.sentences))
    return np.tile(counts.astype(np.float64), (len(task.test), 1))


def nearest_by_rgb(task: SignTask) -> Scores:
    """Cosine of mean features with the sign's nearest training clip."""
    return _best_of_each_sign(task, task.pooled(task.test) @ task.pooled(task.train).T)


def nearest_by_keypoints(task: SignTask) -> Scores:
    """Dynamic time warping of the motion to the sign's nearest training clip."""
    return take_scores(
        task.motions(task.test),
        task.motions(task.train),
        task.sign_of_train,
        len(task.gallery.sentences),
    )


def prototypes(task: SignTask) -> Scores:
    """Cosine of mean features with the mean of a sign's training clips (Snell et al., NeurIPS
    2017, without the learned embedding)."""
    learned, signs = task.pooled(task.train), task.sign_of_train
    means = np.array(
        [
            learned[signs == sign].mean(axis=0) if (signs == sign).any() else 0 * learned[0]
            for sign in range(len(task.gallery.sentences))
        ]
    )
    return task.pooled(task.test) @ _of_length_one(means).T


def linear_probe(task: SignTask) -> Scores:
    """Multinomial logistic regression on mean features, centred by the training split."""
    is_asked = task.sign_of_train >= 0
    learned = task.pooled(task.train)[is_asked]
    centre, spread = learned.mean(axis=0), learned.std(axis=0).mean()
    inputs = torch.from_numpy((learned - centre) / spread)
    signs = torch.from_numpy(task.sign_of_train[is_asked])
    probe = torch.nn.Linear(inputs.shape[1], len(task.gallery.sentences), dtype=torch.float64)
    torch.nn.init.zeros_(probe.weight)
    torch.nn.init.zeros_(probe.bias)
    optimiser = torch.optim.LBFGS(
        probe.parameters(), max_iter=PROBE_STEPS, line_search_fn="strong_wolfe"
    )

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        value = torch.nn.functional.cross_entropy(probe(inputs), signs)
        value = value + PROBE_DECAY * probe.weight.square().sum() / 2
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)
    with torch.no_grad():
        scores: Scores = probe(torch.from_numpy((task.pooled(task.test) - centre) / spread)).numpy()
    return scores


BY_TIME_WARPING = "nearest clip, keypoints by time warping"

BASELINES: dict[str, Callable[[SignTask], Scores]] = {
    "chance": chance,
    "text only: how often a sign was learned": text_only,
    "nearest clip, mean RGB features": nearest_by_rgb,
    BY_TIME_WARPING: nearest_by_keypoints,
    "prototypes, mean RGB features": prototypes,
    "linear probe, mean RGB features": linear_probe,
}


def _best_of_each_sign(task: SignTask, similarities: Float64[np.ndarray, "video _train"]) -> Scores:
    """The best similarity to a sign's training clips; a sign without any comes last."""
    scores = np.full((len(task.test), len(task.gallery.sentences)), similarities.min() - 1)
    for place, sign in enumerate(task.sign_of_train):
        if sign >= 0:
            scores[:, sign] = np.maximum(scores[:, sign], similarities[:, place])
    return scores


def _of_length_one(vectors: Float64[np.ndarray, "_ dim"]) -> Float64[np.ndarray, "_ dim"]:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths > 0, lengths, 1.0)


def main() -> None:
    """Print every baseline's recall in both directions, with intervals."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("index", type=Path, nargs="+", help="index.csv of single signs")
    parser.add_argument("--rgb", type=Path, required=True)
    parser.add_argument("--pose", type=Path, required=True)
    options = parser.parse_args()
    stores = StoreReader(options.rgb), StoreReader(options.pose)
    for index in options.index:
        videos = read_index(index)
        splits = [[v for v in videos if v.split == split] for split in ("train", "test")]
        task = SignTask(*splits, *stores)
        print(
            f"\n{index.parent.name}: {len(task.train)} clips learned, {len(task.test)} asked for\n"
        )
        print("| baseline | T2V R@1 | T2V R@10 | V2T R@1 | V2T R@10 |\n" + "|---" * 5 + "|")
        for name, baseline in BASELINES.items():
            scores = SplitScores(task.gallery, {name: baseline(task)})
            cells = [cell for way in DIRECTIONS for cell in recalls(scores.metrics(name, way))]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def recalls(metrics: Metrics) -> list[str]:
    """R@1 and R@10 in percent, each with its interval over queries."""
    ends = metrics.intervals()
    return [
        f"{metrics.recall[k]:.1f} ({ends[f'R@{k}'][0]:.1f}-{ends[f'R@{k}'][1]:.1f})"
        for k in (1, 10)
    ]


if __name__ == "__main__":
    main()
