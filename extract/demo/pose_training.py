"""Trains the demo's pose model on drawn signers.

``python -m extract.demo.pose_training --out DIR`` goes on where it was stopped, writes
``demo_wholebody.pth`` beside this file, and prints the median errors on signers that the training
never saw. As written here, 41,600 frames of 20,800 drawn signers (82 minutes on two busy cores) end
at a median error of 0.77 % of the signer's height (body 1.6, face 0.6, hands 1.4) on held-out
signers. On a machine that others use too, set ``OMP_WAIT_POLICY=PASSIVE``: threads that wait
actively make it ten times slower.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from extract.demo.pose_error import median_errors
from extract.pose.mmpose_model import import_mmpose, known_warnings_silenced
from extract.pose.provenance import DEMO, find_model
from seds_core.files import whole_file
from seds_core.torch_files import read_tensors

TRAINING_FIRST_SEED = 10_000_000
HELD_OUT_FIRST_SEED = 20_000_000
"""Signers of these seeds onwards; corpora use smaller seeds, so the three never meet."""

BATCH_SIZE = 16
ITERATIONS_PER_EPOCH = 200
NUM_EPOCHS = 13
NUM_HELD_OUT_FRAMES = 256
WARM_UP_ITERATIONS = 200
FLAT_FRACTION = 0.4
"""Part of the training before the learning rate falls."""
NUM_TORCH_THREADS = 2
NUM_RENDERING_PROCESSES = 1

_META_KEYS = ("id", "img_id", "ori_shape", "img_shape", "input_size", "input_center",
              "input_scale", "flip_indices", "signer_height")  # fmt: skip

_TRUST_FILES = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
"""torch reads this at every load that does not say itself how far it trusts the file."""

_FRAMES_OF_THE_FINAL_CHECK = 400


def main() -> None:
    """Trains, keeps the best weights, measures them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoints and logs")
    out = parser.parse_args().out
    weights = Path(find_model(DEMO).checkpoint)
    train(out)
    keep_best(out, weights)
    for part, error in held_out_errors(weights, _FRAMES_OF_THE_FINAL_CHECK).items():
        print(f"{part}: {error:.2f} % of the signer's height")  # noqa: T201


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
    """Writes the best checkpoint of ``out`` as the light file ``weights``; returns the best one.

    Raises ``FileNotFoundError`` when nothing has been validated yet.
    """
    from mmpose.datasets.datasets.utils import parse_pose_metainfo  # noqa: PLC0415

    # The newest, where a resumed training has left several.
    found = sorted(out.glob("best_*.pth"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise FileNotFoundError(f"{out} has no best_*.pth; train until the first validation")
    # MMEngine wrote the averaged weights as the file's first, beside objects of its log.
    tensors = read_tensors(found[-1], ignore_objects=True)
    with known_warnings_silenced():
        meta = parse_pose_metainfo(dict(_model_config().dataset.metainfo))
    write_light_checkpoint(tensors, meta, weights)
    return found[-1]


def held_out_errors(weights: Path, num_frames: int) -> dict[str, float]:
    """Median distance from the truth over visible points, in percent of the signer's height.

    Keys: all, body, face, hands. The signer's height is the extent of the person in the picture,
    from the top of the head to the lowest drawn point inside it. Every frame has the whole
    picture as the person's box; two frames in a row share a signer.
    """
    import_mmpose()
    from mmpose.apis import inference_topdown, init_model  # noqa: PLC0415 - after that import

    from extract.demo.pose_dataset import SyntheticSignerDataset  # noqa: PLC0415

    config = _model_config()
    errors, is_visible = [], []
    with known_warnings_silenced():
        model = init_model(config, str(weights), device="cpu")
        samples = SyntheticSignerDataset(
            HELD_OUT_FIRST_SEED, num_frames, pipeline=[], metainfo=config.dataset.metainfo
        )
        for number in range(num_frames):
            sample = samples.raw_sample(number)
            (result,) = inference_topdown(model, sample["img"])
            predicted = np.asarray(result.pred_instances.keypoints[0], dtype=np.float64)
            distance = np.linalg.norm(predicted - sample["keypoints"][0], axis=-1)
            errors.append(100 * distance / sample["signer_height"])
            is_visible.append(sample["keypoints_visible"][0] > 0)
    return median_errors(np.stack(errors), np.stack(is_visible))


def training_config(out: Path) -> Config:
    """Everything that MMEngine's Runner needs, for a CPU; checkpoints and logs go to ``out``."""
    model = _model_config()
    load, box, crop, pack = model.test_pipeline
    training_pipeline = [
        load,
        box,
        {"type": "RandomBBoxTransform", "shift_factor": 0.06, "shift_prob": 0.4,
         "scale_factor": (0.85, 1.2), "scale_prob": 0.4,
         "rotate_factor": 12.0, "rotate_prob": 0.3},
        crop,
        {"type": "GenerateTarget", "encoder": model.codec, "use_dataset_keypoint_weights": True},
        pack,
    ]  # fmt: skip
    # The error is measured in percent of the signer's height, which has to come along.
    held_out_pipeline = [load, box, crop, {"type": "PackPoseInputs", "meta_keys": _META_KEYS}]
    drawn = {"type": "SyntheticSignerDataset", "metainfo": model.dataset.metainfo}
    num_samples = BATCH_SIZE * ITERATIONS_PER_EPOCH
    total = NUM_EPOCHS * ITERATIONS_PER_EPOCH
    turn = int(FLAT_FRACTION * total)
    return Config(
        {
            "default_scope": model.default_scope,
            "model": model.model,
            "work_dir": str(out),
            "resume": True,
            "randomness": {"seed": 7},
            "train_dataloader": {
                "batch_size": BATCH_SIZE,
                "num_workers": NUM_RENDERING_PROCESSES,
                "persistent_workers": NUM_RENDERING_PROCESSES > 0,
                "sampler": {"type": "NewSignersEveryEpoch"},
                "dataset": {**drawn, "first_seed": TRAINING_FIRST_SEED,
                            "num_samples": num_samples, "pipeline": training_pipeline},
            },
            "val_dataloader": {
                "batch_size": BATCH_SIZE,
                "num_workers": 0,
                "sampler": {"type": "DefaultSampler", "shuffle": False, "round_up": False},
                "dataset": {**drawn, "first_seed": HELD_OUT_FIRST_SEED,
                            "num_samples": NUM_HELD_OUT_FRAMES, "pipeline": held_out_pipeline},
            },
            "val_evaluator": {"type": "KeypointErrorMetric"},
            "train_cfg": {"by_epoch": True, "max_epochs": NUM_EPOCHS, "val_interval": 1},
            "val_cfg": {},
            # Warm-up, a flat part, then a cosine to the end.
            "param_scheduler": [
                {"type": "LinearLR", "start_factor": 1e-3, "by_epoch": False, "begin": 0,
                 "end": WARM_UP_ITERATIONS},
                {"type": "CosineAnnealingLR", "eta_min": 2e-5, "by_epoch": False,
                 "begin": turn, "end": total, "T_max": total - turn},
            ],
            **_OPTIMISER_AND_HOOKS,
        }
    )  # fmt: skip


_OPTIMISER_AND_HOOKS: dict[str, Any] = {
    "optim_wrapper": {
        "type": "OptimWrapper",
        "optimizer": {"type": "AdamW", "lr": 1e-3, "weight_decay": 0.02},
        "paramwise_cfg": {"norm_decay_mult": 0, "bias_decay_mult": 0, "bypass_duplicate": True},
        "clip_grad": {"max_norm": 5.0},
    },
    "default_hooks": {
        "timer": {"type": "IterTimerHook"},
        "logger": {"type": "LoggerHook", "interval": 50},
        "param_scheduler": {"type": "ParamSchedulerHook"},
        "sampler_seed": {"type": "DistSamplerSeedHook"},
        "checkpoint": {"type": "CheckpointHook", "interval": 1, "max_keep_ckpts": 1,
                       "save_best": "error/all", "rule": "less"},
    },
    "custom_hooks": [
        # Priority 49 is just before the hooks of normal priority, as in MMPose's own configs.
        {"type": "EMAHook", "ema_type": "ExpMomentumEMA", "momentum": 0.002, "gamma": 300,
         "update_buffers": True, "priority": 49},
    ],
}  # fmt: skip


def _model_config() -> Config:
    return Config.fromfile(find_model(DEMO).config)


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
    with whole_file(path) as file:
        torch.save(content, file)


def plain(value: Any) -> Any:  # noqa: ANN401 - any nesting of containers
    """The value with lists and numbers instead of numpy arrays and numpy numbers."""
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


if __name__ == "__main__":
    main()
