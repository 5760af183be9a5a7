"""The training recipe of the small model, as an MMEngine configuration for a CPU.

As written here, 41,600 frames of 20,800 drawn signers (82 minutes on two busy cores) end at a
median error of 0.77 % of the signer's height (body 1.6, face 0.6, hands 1.4) on held-out signers.
"""

from pathlib import Path
from typing import Any

from mmengine.config import Config

from extract.demo_pose.model_config import (
    BOX_PADDING,
    CODEC,
    EVALUATION_PIPELINE,
    INPUT_SIZE,
    demo_pose_config,
)

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
