"""Trains the demo's pose model on drawn videos."""

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from extract.demo.pose_config import (
    BOX_PADDING,
    CODEC,
    EVALUATION_PIPELINE,
    INPUT_SIZE,
    METAINFO,
    demo_pose_config,
)
from extract.demo.pose_error import median_errors
from extract.pose.mmpose_model import import_mmpose, known_warnings_silenced

if TYPE_CHECKING:
    from extract.demo.pose_dataset import SyntheticSignerDataset


# FROM extract/demo_pose/training_config.py
# The training recipe of the small model, as an MMEngine configuration for a CPU.
#
# As written here, 41,600 frames of 20,800 drawn signers (82 minutes on two busy cores) end at a
# median error of 0.77 % of the signer's height (body 1.6, face 0.6, hands 1.4) on held-out signers.


TRAINING_FIRST_SEED = 10_000_000
HELD_OUT_FIRST_SEED = 20_000_000
"""Signers of these seeds onwards; corpora use smaller seeds, so the three never meet."""

BATCH_SIZE = 16
ITERATIONS_PER_EPOCH = 200
NUM_EPOCHS = 13
NUM_HELD_OUT_FRAMES = 256
VALIDATE_EVERY = 1

LEARNING_RATE = 1e-3
FINAL_LEARNING_RATE = 2e-5
WARM_UP_ITERATIONS = 200
FLAT_SHARE = 0.4
WEIGHT_DECAY = 0.02
MAX_GRADIENT_NORM = 5.0
EMA_MOMENTUM = 0.002
EMA_WARM_UP = 300

BOX_SHIFT, BOX_SHIFT_SHARE = 0.06, 0.4
BOX_SCALE, BOX_SCALE_SHARE = (0.85, 1.2), 0.4
BOX_ROTATION_DEGREES, BOX_ROTATION_SHARE = 12.0, 0.3
NUM_TORCH_THREADS = 2
NUM_RENDERING_PROCESSES = 1
SEED = 7

_TRAINING_PIPELINE: list[dict[str, Any]] = [
    {"type": "LoadImage"},
    {"type": "GetBBoxCenterScale", "padding": BOX_PADDING},
    {
        "type": "RandomBBoxTransform",
        "shift_factor": BOX_SHIFT,
        "shift_prob": BOX_SHIFT_SHARE,
        "scale_factor": BOX_SCALE,
        "scale_prob": BOX_SCALE_SHARE,
        "rotate_factor": BOX_ROTATION_DEGREES,
        "rotate_prob": BOX_ROTATION_SHARE,
    },
    {"type": "TopdownAffine", "input_size": INPUT_SIZE},
    {"type": "GenerateTarget", "encoder": CODEC, "use_dataset_keypoint_weights": True},
    {"type": "PackPoseInputs"},
]

_META_KEYS = ("id", "img_id", "ori_shape", "img_shape", "input_size", "input_center",
              "input_scale", "flip_indices", "signer_height")  # fmt: skip


def training_config(out: Path) -> Config:
    """Everything that MMEngine's Runner needs; checkpoints and logs go to ``out``."""
    config = demo_pose_config()
    for described in ("train_dataloader", "test_dataloader"):
        config.pop(described)
    config.merge_from_dict(
        {
            "work_dir": str(out),
            "resume": True,
            "randomness": {"seed": SEED},
            "train_dataloader": _training_loader(),
            "val_dataloader": _held_out_loader(),
            "val_evaluator": {"type": "KeypointErrorMetric"},
            "train_cfg": {
                "by_epoch": True, "max_epochs": NUM_EPOCHS, "val_interval": VALIDATE_EVERY,
            },
            "val_cfg": {},
            "optim_wrapper": _optimiser(),
            "param_scheduler": _schedule(),
            "default_hooks": _hooks(),
            "custom_hooks": [
                {"type": "EMAHook", "ema_type": "ExpMomentumEMA", "momentum": EMA_MOMENTUM,
                 "gamma": EMA_WARM_UP, "update_buffers": True, "priority": 49},
            ],
        }
    )  # fmt: skip
    return config


def _training_loader() -> dict[str, Any]:
    return {
        "batch_size": BATCH_SIZE,
        "num_workers": NUM_RENDERING_PROCESSES,
        "persistent_workers": NUM_RENDERING_PROCESSES > 0,
        "sampler": {"type": "NewSignersEveryEpoch"},
        "dataset": {
            "type": "SyntheticSignerDataset",
            "first_seed": TRAINING_FIRST_SEED,
            "num_samples": BATCH_SIZE * ITERATIONS_PER_EPOCH,
            "pipeline": _TRAINING_PIPELINE,
        },
    }


def _held_out_loader() -> dict[str, Any]:
    packing = {"type": "PackPoseInputs", "meta_keys": _META_KEYS}
    return {
        "batch_size": BATCH_SIZE,
        "num_workers": 0,
        "sampler": {"type": "DefaultSampler", "shuffle": False, "round_up": False},
        "dataset": {
            "type": "SyntheticSignerDataset",
            "first_seed": HELD_OUT_FIRST_SEED,
            "num_samples": NUM_HELD_OUT_FRAMES,
            "pipeline": [*EVALUATION_PIPELINE[:-1], packing],
        },
    }


def _optimiser() -> dict[str, Any]:
    return {
        "type": "OptimWrapper",
        "optimizer": {"type": "AdamW", "lr": LEARNING_RATE, "weight_decay": WEIGHT_DECAY},
        "paramwise_cfg": {"norm_decay_mult": 0, "bias_decay_mult": 0, "bypass_duplicate": True},
        "clip_grad": {"max_norm": MAX_GRADIENT_NORM},
    }


def _schedule() -> list[dict[str, Any]]:
    """Warm-up, a flat part, then a cosine to the end."""
    total = NUM_EPOCHS * ITERATIONS_PER_EPOCH
    turn = int(FLAT_SHARE * total)
    return [
        {"type": "LinearLR", "start_factor": 1e-3, "by_epoch": False, "begin": 0,
         "end": WARM_UP_ITERATIONS},
        {"type": "CosineAnnealingLR", "eta_min": FINAL_LEARNING_RATE, "by_epoch": False,
         "begin": turn, "end": total, "T_max": total - turn},
    ]  # fmt: skip


def _hooks() -> dict[str, Any]:
    return {
        "timer": {"type": "IterTimerHook"},
        "logger": {"type": "LoggerHook", "interval": 50},
        "param_scheduler": {"type": "ParamSchedulerHook"},
        "sampler_seed": {"type": "DistSamplerSeedHook"},
        "checkpoint": {
            "type": "CheckpointHook",
            "interval": 1,
            "max_keep_ckpts": 1,
            "save_best": "error/all",
            "rule": "less",
        },
    }


def held_out_errors(weights: Path, num_frames: int) -> dict[str, float]:
    """Median distance from the truth over visible points, in percent of the signer's height.

    Keys: all, body, face, hands. The signer's height is the extent of the person in the picture,
    from the top of the head to the lowest drawn point inside it. Every frame has the whole
    picture as the person's box; two frames in a row share a signer.
    """
    import_mmpose()
    from mmpose.apis import init_model  # noqa: PLC0415 - after the imports above

    from extract.demo.pose_dataset import SyntheticSignerDataset  # noqa: PLC0415

    with known_warnings_silenced():
        model = init_model(demo_pose_config(), str(weights), device="cpu")
        samples = SyntheticSignerDataset(HELD_OUT_FIRST_SEED, num_frames, pipeline=[])
        frames = [_frame_error(model, samples, number) for number in range(num_frames)]
    errors, is_visible = (np.stack(values) for values in zip(*frames, strict=True))
    return median_errors(errors, is_visible)


def _frame_error(
    model: Any,  # noqa: ANN401 - MMPose has no types
    samples: "SyntheticSignerDataset",
    number: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Error of every keypoint in percent, and which of them are visible."""
    from mmpose.apis import inference_topdown  # noqa: PLC0415 - see held_out_errors

    sample = samples.raw_sample(number)
    (result,) = inference_topdown(model, sample["img"])
    predicted = np.asarray(result.pred_instances.keypoints[0], dtype=np.float64)
    distance = np.linalg.norm(predicted - sample["keypoints"][0], axis=-1)
    return 100 * distance / sample["signer_height"], sample["keypoints_visible"][0] > 0


# FROM extract/demo_pose/train.py
# Command to train the small model: ``python -m extract.demo.pose_training --out DIR``.
#
# Goes on where it was stopped, writes ``demo_wholebody.pth`` beside this file, and prints the median
# errors on signers that the training never saw.


_FRAMES_OF_THE_FINAL_CHECK = 400


def main() -> None:
    """Trains, keeps the best weights, measures them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and logs")
    out = parser.parse_args().out
    # Threads that wait actively make training ten times slower on a machine that others use too.
    # OpenMP reads this when torch is imported, hence the late imports.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from extract.demo.pose_config import WEIGHTS_PATH  # noqa: PLC0415

    train(out)
    keep_best(out, WEIGHTS_PATH)
    for part, error in held_out_errors(WEIGHTS_PATH, _FRAMES_OF_THE_FINAL_CHECK).items():
        print(f"{part}: {error:.2f} % of the signer's height")  # noqa: T201


if __name__ == "__main__":
    main()


def write_light_checkpoint(
    state_dict: Mapping[str, torch.Tensor], dataset_meta: Mapping[str, Any], path: Path
) -> None:
    """Stores matrices and kernels as float16, everything else as it is, in MMPose's layout.

    Loading into a float32 model makes them float32 again. The file appears whole or not at all.
    """
    content = {
        "state_dict": {name: _stored(tensor) for name, tensor in state_dict.items()},
        "meta": {"dataset_meta": plain(dict(dataset_meta))},
    }
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    torch.save(content, unfinished)
    unfinished.replace(path)


def plain(value: Any) -> Any:  # noqa: ANN401 - any nesting of containers
    """The value with lists and numbers in the place of numpy arrays and numpy numbers."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value


def _stored(tensor: torch.Tensor) -> torch.Tensor:
    """One-dimensional tensors keep float32: running variances may be tiny, and they are small."""
    tensor = tensor.detach().cpu()
    return tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor.clone()


_TRUST_FILES = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""torch reads this at every load that does not say itself how far it trusts the file."""


def train(out: Path) -> None:
    """Trains in ``out``, or goes on from the last checkpoint there."""
    import_mmpose()
    # Importing it registers its classes with MMPose, which must have been imported before.
    import extract.demo.pose_dataset  # noqa: F401, PLC0415

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
