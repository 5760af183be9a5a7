"""Feeds MMPose with single frames of drawn signers, rendered when they are asked for.

Import it after :func:`extract.pose.mmpose_model.import_mmpose`; importing it registers the data
set, its sampler and its metric with MMPose by name.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from mmengine.dataset import Compose
from mmengine.evaluator import BaseMetric
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATA_SAMPLERS, DATASETS, METRICS
from torch.utils.data import Dataset, Sampler

from extract.demo.drawing import Image
from extract.demo.language import GLOSSES
from extract.demo.pose_error import PARTS, median_errors
from extract.demo.renderer import SignedVideo
from extract.demo.signer import sample_signer
from extract.demo.skeleton import ground_truth, signer_heights
from seds_core.keypoints import FACE, LEFT_HAND, NUM_KEYPOINTS, RIGHT_HAND

FRAMES_OF_A_VIDEO = 2
"""Samples in a row that share a signer and a scene: planning a scene costs more than a frame."""

_SQUARE_SIDE = 256
_SQUARE_PROBABILITY = 0.6
_JPEG_PROBABILITY = 0.6
_JPEG_QUALITY = (35, 95)

_KEYPOINT_WEIGHTS = np.ones(NUM_KEYPOINTS, dtype=np.float32)
_KEYPOINT_WEIGHTS[FACE] = 0.5
_KEYPOINT_WEIGHTS[LEFT_HAND] = _KEYPOINT_WEIGHTS[RIGHT_HAND] = 1.5
"""Weights in the loss: the hands are the hard part and carry the meaning."""


@DATASETS.register_module()
class SyntheticSignerDataset(Dataset[dict[str, Any]]):
    """Sample ``i`` is a random frame of the drawn signer with seed ``first_seed + i // 2``."""

    def __init__(
        self,
        first_seed: int,
        num_samples: int,
        pipeline: list[dict[str, Any]],
        metainfo: dict[str, Any],
    ) -> None:
        """``num_samples`` is the length of an epoch; larger indices give further signers."""
        self._first_seed = first_seed
        self._num_samples = num_samples
        self._pipeline = Compose(pipeline)
        self.metainfo = parse_pose_metainfo(dict(metainfo))

    def __len__(self) -> int:
        return self._num_samples

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._pipeline(self.raw_sample(index))

    def raw_sample(self, index: int) -> dict[str, Any]:
        """Picture (BGR, as MMPose loads them), whole-picture box and true keypoints."""
        video = _video(self._first_seed + index // FRAMES_OF_A_VIDEO)
        rng = np.random.Generator(np.random.PCG64([self._first_seed, index, 6]))
        frame = int(rng.integers(len(video)))
        height, width = video.posed.height, video.posed.width
        # The truth is known to a fraction of a pixel, as the picture was drawn from it.
        truth = ground_truth(video.posed)[frame]
        return {
            "img": _compressed(video.frame(frame)[:, :, ::-1], rng),
            "id": index,
            "img_id": index,
            "img_path": f"signer{self._first_seed + index // FRAMES_OF_A_VIDEO}_frame{frame}",
            "bbox": np.array([[0, 0, width, height]], dtype=np.float32),
            "bbox_score": np.ones(1, dtype=np.float32),
            "keypoints": truth[None, :, :2],
            "keypoints_visible": truth[None, :, 2],
            "signer_height": float(signer_heights(video.posed)[frame]),
            **self.metainfo,
            "dataset_keypoint_weights": _KEYPOINT_WEIGHTS,
        }


@DATA_SAMPLERS.register_module()
class NewSignersEveryEpoch(Sampler[int]):
    """Counts on from epoch to epoch, so that no sample is ever seen twice."""

    def __init__(self, dataset: SyntheticSignerDataset, seed: int | None = None) -> None:
        """``seed`` is MMEngine's calling convention; the data set's seed decides alone."""
        self._num_samples = len(dataset)
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """MMEngine calls this before every epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._num_samples

    def __iter__(self) -> Iterator[int]:
        # Indices beyond an epoch's length name further signers, so none is seen twice.
        first = self._epoch * self._num_samples
        return iter(range(first, first + self._num_samples))


@lru_cache(maxsize=2)
def _video(seed: int) -> SignedVideo:
    """Two or three random glosses by the signer of this seed, in a picture of random size."""
    # Any glosses, not sentences: the keypoint model learns hands, not language.
    rng = np.random.Generator(np.random.PCG64([seed, 7]))
    names = rng.choice([gloss.name for gloss in GLOSSES], rng.integers(2, 4))
    width = height = _SQUARE_SIDE
    if rng.random() > _SQUARE_PROBABILITY:
        height = int(rng.integers(200, 321))
        width = int(height * rng.uniform(0.75, 1.35))
    return SignedVideo(tuple(names.tolist()), sample_signer(seed), 0, width, height)


def _compressed(image: Image, rng: np.random.Generator) -> Image:
    """The picture, often after a round of JPEG: its blocks resemble those of video."""
    if rng.random() > _JPEG_PROBABILITY:
        return np.ascontiguousarray(image)
    quality = int(rng.integers(*_JPEG_QUALITY))
    _, coded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR))


@METRICS.register_module()
class KeypointErrorMetric(BaseMetric):  # type: ignore[misc] # mmengine has no types
    """Median errors per part, and the fraction of hand points within 2.5 % (``hands_within``).

    The signer's height is the extent of the person in the picture, from the top of the head to the
    lowest drawn point inside it.
    """

    default_prefix = "error"
    _HANDS_WITHIN = 2.5

    def process(self, _data_batch: object, data_samples: Sequence[dict[str, Any]]) -> None:
        """Collects the errors of a batch in percent of the height, and which points are visible."""
        for sample in data_samples:
            predicted = np.asarray(sample["pred_instances"]["keypoints"][0], dtype=np.float64)
            truth = np.asarray(sample["gt_instances"]["keypoints"][0], dtype=np.float64)
            is_visible = np.asarray(sample["gt_instances"]["keypoints_visible"][0]) > 0
            distance = np.linalg.norm(predicted - truth, axis=-1)
            self.results.append((100 * distance / sample["signer_height"], is_visible))

    def compute_metrics(self, results: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
        """Medians over all collected frames."""
        errors = np.stack([error for error, _ in results])
        is_visible = np.stack([visible for _, visible in results])
        hands = np.concatenate([errors[:, p][is_visible[:, p]] for p in PARTS["hands"]])
        return {
            **median_errors(errors, is_visible),
            "hands_within": float(np.mean(hands < self._HANDS_WITHIN)),
        }
