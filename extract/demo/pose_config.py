"""The small model as an MMPose configuration: RTMPose-tiny with 133 whole-body keypoints.

Source of the architecture: Jiang et al., RTMPose, arXiv 2303.07399. Differences from MMPose's own
whole-body configurations: no pretrained weights, and person boxes are not widened (the drawn
signer fills the picture).
"""

from pathlib import Path
from typing import Any

from mmengine.config import Config

WEIGHTS_PATH = Path(__file__).with_name("demo_wholebody.pth")
"""The weights that the project carries; ``extract.demo.pose_training`` writes them."""

NUM_KEYPOINTS = 133
INPUT_SIZE = (192, 256)
"""Width and height of what the network sees."""

SIMCC_SIGMA = (4.9, 5.66)
SIMCC_SPLIT_RATIO = 2.0
BACKBONE_DEEPEN, BACKBONE_WIDEN = 0.167, 0.375
BACKBONE_CHANNELS = 384
BACKBONE_STRIDE = 32
BOX_PADDING = 1.0
METAINFO = {"from_file": "configs/_base_/datasets/coco_wholebody.py"}
"""Names and links of the keypoints, from the configurations that MMPose's package carries."""

CODEC: dict[str, Any] = {
    "type": "SimCCLabel",
    "input_size": INPUT_SIZE,
    "sigma": SIMCC_SIGMA,
    "simcc_split_ratio": SIMCC_SPLIT_RATIO,
    "normalize": False,
    "use_dark": False,
}

EVALUATION_PIPELINE: list[dict[str, Any]] = [
    {"type": "LoadImage"},
    {"type": "GetBBoxCenterScale", "padding": BOX_PADDING},
    {"type": "TopdownAffine", "input_size": INPUT_SIZE},
    {"type": "PackPoseInputs"},
]


def demo_pose_config() -> Config:
    """A new configuration for ``mmpose.apis.init_model`` and any top-down estimator."""
    dataset = {
        "type": "CocoWholeBodyDataset",
        "data_mode": "topdown",
        "metainfo": METAINFO,
        "pipeline": EVALUATION_PIPELINE,
        "test_mode": True,
    }
    return Config(
        {
            "default_scope": "mmpose",
            "codec": CODEC,
            "model": model_settings(),
            # MMPose looks for the keypoints' names under the training data.
            "train_dataloader": {"dataset": dataset},
            "test_dataloader": {"batch_size": 1, "dataset": dataset},
        }
    )


def model_settings() -> dict[str, Any]:
    """The model part of the configuration."""
    return {
        "type": "TopdownPoseEstimator",
        "data_preprocessor": {
            "type": "PoseDataPreprocessor",
            "mean": [123.675, 116.28, 103.53],
            "std": [58.395, 57.12, 57.375],
            "bgr_to_rgb": True,
        },
        "backbone": {
            "type": "CSPNeXt",
            "arch": "P5",
            "expand_ratio": 0.5,
            "deepen_factor": BACKBONE_DEEPEN,
            "widen_factor": BACKBONE_WIDEN,
            "out_indices": (4,),
            "channel_attention": True,
            "norm_cfg": {"type": "BN"},
            "act_cfg": {"type": "SiLU"},
        },
        "head": _head_settings(),
        "test_cfg": {"flip_test": False},
    }


def _head_settings() -> dict[str, Any]:
    return {
        "type": "RTMCCHead",
        "in_channels": BACKBONE_CHANNELS,
        "out_channels": NUM_KEYPOINTS,
        "input_size": INPUT_SIZE,
        "in_featuremap_size": tuple(side // BACKBONE_STRIDE for side in INPUT_SIZE),
        "simcc_split_ratio": SIMCC_SPLIT_RATIO,
        "final_layer_kernel_size": 7,
        "gau_cfg": {
            "hidden_dims": 256,
            "s": 128,
            "expansion_factor": 2,
            "dropout_rate": 0.0,
            "drop_path": 0.0,
            "act_fn": "SiLU",
            "use_rel_bias": False,
            "pos_enc": False,
        },
        "loss": {
            "type": "KLDiscretLoss",
            "use_target_weight": True,
            "beta": 10.0,
            "label_softmax": True,
        },
        "decoder": CODEC,
    }
