"""Runs the training of the small model with MMEngine and keeps the best weights."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import torch
from mmengine.runner import Runner

from extract.demo_pose.light_checkpoint import write_light_checkpoint
from extract.demo_pose.model_config import METAINFO
from extract.demo_pose.training_config import NUM_TORCH_THREADS, training_config
from extract.pose.mmpose_model import import_mmpose, known_warnings_silenced

_TRUST_FILES = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""torch reads this at every load that does not say itself how far it trusts the file."""


def train(out: Path) -> None:
    """Trains in ``out``, or goes on from the last checkpoint there."""
    import_mmpose()
    # Importing these registers them with MMPose, which must have been imported before.
    import extract.demo_pose.keypoint_metric  # noqa: PLC0415
    import extract.demo_pose.synthetic_dataset  # noqa: F401, PLC0415

    torch.set_num_threads(NUM_TORCH_THREADS)
    cv2.setNumThreads(1)
    with known_warnings_silenced(), _mmengine_objects_loadable():
        Runner.from_cfg(training_config(out)).train()


def keep_best(out: Path, weights: Path) -> Path:
    """Writes the best checkpoint of ``out`` as the light file ``weights``; gives the best one.

    Raises FileNotFoundError when nothing has been validated yet.
    """
    from mmpose.datasets.datasets.utils import parse_pose_metainfo  # noqa: PLC0415

    found = sorted(out.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if not found:
        message = f"{out} has no best_*.pth; train until the first validation"
        raise FileNotFoundError(message)
    # The file was written by train() above, averaged weights first.
    checkpoint = torch.load(found[-1], map_location="cpu", weights_only=False)
    with known_warnings_silenced():
        meta = parse_pose_metainfo(METAINFO)
    write_light_checkpoint(checkpoint["state_dict"], meta, weights)
    return found[-1]


@contextmanager
def _mmengine_objects_loadable() -> Iterator[None]:
    """Lets MMEngine resume: its checkpoints carry objects that torch refuses by default.

    What is loaded within this block are files that a training here has written itself.
    """
    os.environ[_TRUST_FILES] = "1"
    try:
        yield
    finally:
        del os.environ[_TRUST_FILES]
