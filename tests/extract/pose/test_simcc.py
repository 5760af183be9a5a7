"""Decoding a batch equals MMPose's codec sample by sample."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from extract.pose.mmpose_estimator import decodes_plainly, simcc_keypoints, simcc_scores
from extract.pose.mmpose_model import import_mmpose, load_mmpose_model
from extract.pose.provenance import find_model

pytestmark = pytest.mark.mmpose

CPU = torch.device("cpu")


def codec(**settings: Any) -> Any:
    import_mmpose()
    from mmpose.codecs import SimCCLabel

    return SimCCLabel((192, 256), **settings)


def test_places_and_confidence_equal_the_codec() -> None:
    generator = torch.Generator().manual_seed(0)
    # Whole numbers give ties; some points have no positive score along one or both axes.
    x = torch.randint(-40, 4, (3, 133, 384), generator=generator).float()
    y = torch.randint(-40, 6, (3, 133, 512), generator=generator).float()
    x[0, :5], y[0, 3:9] = -1.5, 0.0
    found = simcc_keypoints(x, y, 2.0).numpy()
    for sample in range(3):
        keypoints, scores = codec().decode(x[sample].numpy(), y[sample].numpy())
        np.testing.assert_array_equal(found[sample, :, :2], keypoints[0])
        np.testing.assert_array_equal(found[sample, :, 2], scores[0])
    assert (found[0, :9, :2] == -0.5).all()


def test_a_flip_test_averages_with_the_mirrored_scores_of_the_other_side() -> None:
    x = torch.arange(12.0).reshape(1, 3, 4)
    y = torch.arange(6.0).reshape(1, 3, 2)
    mirrored_x = x[:, [0, 2, 1]].flip(-1) + 2
    mirrored_y = y[:, [0, 2, 1]] + 4
    results = {"direct": (x, y), "mirrored": (mirrored_x, mirrored_y)}
    got_x, got_y = simcc_scores(results.get, ["direct", "mirrored"], [0, 2, 1])
    torch.testing.assert_close(got_x, x + 1)
    torch.testing.assert_close(got_y, y + 2)
    assert simcc_scores(results.get, "direct", [])[0] is x


def test_only_plain_codecs_are_decoded_here() -> None:
    head = load_mmpose_model(find_model("demo", "random"), CPU, flip_test=False).network.head
    assert decodes_plainly(head, {"flip_test": True})
    assert not decodes_plainly(head, {"output_keypoint_indices": [0]})
    for settings in ({"use_dark": True}, {"decode_visibility": True}):
        head.decoder = codec(**settings)
        assert not decodes_plainly(head, {})
    assert not decodes_plainly(SimpleNamespace(decoder=codec()), {})
