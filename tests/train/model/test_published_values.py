"""The model with published weights gives the published values, part by part and whole."""

from dataclasses import replace

import pytest
import torch
from golden_batch import distance, golden, golden_signs, golden_text
from published_weights import published_name, published_tensors, unfilled_model

from train.checkpoints.import_weights import import_tensors
from train.checkpoints.published_names import our_name
from train.model.fine_grained_similarity import (
    clip_by_clip,
    text_to_video,
    token_similarities,
    unit_length,
    video_to_text,
)
from train.model.matching_losses import retrieval_losses
from train.settings import LossSettings, SimilaritySettings

pytestmark = pytest.mark.golden

SIMILARITY = SimilaritySettings()
CLOSE = 1e-4


@pytest.fixture
def model():
    model = unfilled_model("small")
    import_tensors(model, published_tensors(), "small")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model.eval()


@torch.no_grad()
def test_pose_encoder(model):
    expected, pose = golden("pose_encoder_eval.npz"), golden_signs().pose
    frames = model.pose_encoder.frame_features(pose)[0]
    first = expected["frame_features_first"]
    assert distance(frames[: len(first)], first) < CLOSE
    assert distance(model.pose_encoder(pose), expected["clip_features"]) < CLOSE


@torch.no_grad()
def test_pose_encoder_in_training(model):
    expected = golden("pose_encoder_train.npz")
    model.train()
    assert distance(model.pose_encoder(golden_signs().pose), expected.pop("clip_features")) < CLOSE
    statistics = model.state_dict()
    assert expected
    for name, values in expected.items():
        assert distance(statistics[our_name(name)], values) < CLOSE


@torch.no_grad()
def test_streams_fusion_and_text(model):
    expected = golden("streams_eval.npz")
    signs = model.encode_signs(golden_signs())
    for name, tokens in signs.streams.items():
        assert distance(tokens, expected[name]) < CLOSE
    for name, ids in (("text", "input_ids"), ("text_aug", "input_ids_aug")):
        text = model.encode_text(golden_text(ids))
        assert distance(text.words, expected[name]) < CLOSE
        assert (text.word_is_real.numpy() == (expected[f"{name}_mask"] > 0)).all()


@torch.no_grad()
def test_fused_tokens_and_similarities(model):
    case = {name: torch.from_numpy(values) for name, values in golden("similarity.npz").items()}
    tokens = {name: case[name].float() for name in ("pose", "rgb", "text", "text_aug")}
    token_is_real, word_is_real = case["video_mask"] == 0, case["text_mask"] > 0
    fused = model.fusion(tokens["pose"], tokens["rgb"], token_is_real)
    assert distance(fused[0], case["fusion_first_video"].numpy()) < CLOSE
    assert distance(fused[2], case["fusion_third_video"].numpy()) < CLOSE
    units = {name: unit_length(values) for name, values in (tokens | {"fusion": fused}).items()}
    for stream in ("fusion", "pose", "rgb"):
        of_text = token_similarities(units[stream], units["text"])
        found = model.scale * video_to_text(of_text, token_is_real, word_is_real, SIMILARITY)
        assert distance(found, case[f"video_to_text_{stream}"].numpy()) < CLOSE
        of_twin = token_similarities(units[stream], units["text_aug"])
        found = model.scale * text_to_video(of_twin, token_is_real, word_is_real, SIMILARITY)
        assert distance(found, case[f"text_to_video_{stream}"].numpy()) < CLOSE
    similarities = token_similarities(units["pose"], units["rgb"])
    for name, dim in (("pose_to_rgb", -1), ("rgb_to_pose", -2)):
        found = model.scale * clip_by_clip(similarities, token_is_real, SIMILARITY, dim=dim)
        assert distance(found, case[name].numpy()) < CLOSE


def test_a_training_step(model):
    expected = golden("training_step.npz")
    model.train().double()
    losses = retrieval_losses(
        model.encode_signs(in_double(golden_signs())),
        model.encode_text(golden_text()),
        model.encode_text(golden_text("input_ids_aug")),
        model.scale,
        SIMILARITY,
        LossSettings(),
        torch.eye(len(golden_text().input_ids)),
    )
    losses.total.backward()
    # The golden value of the matching loss is weighted already.
    matching = losses.parts.pop("pose_rgb_matching") * LossSettings().pose_rgb_matching
    assert matching.item() == pytest.approx(float(expected["loss_pose_rgb_match"]), rel=CLOSE)
    for name, loss in losses.parts.items():
        assert loss.item() == pytest.approx(float(expected[f"loss_{name}"]), rel=CLOSE)
    assert losses.total.item() == pytest.approx(float(expected["loss"]), rel=CLOSE)
    gradients = dict(zip(expected["grad_names"], expected["grad_norms"], strict=True))
    for name, parameter in model.named_parameters():
        # The golden values are float32, and batch statistics amplify its rounding: our own float32
        # gradients of the pose encoder are up to 5e-3 from our float64 ones. What is below 1e-5 is
        # the gradient of biases before a batch norm, which is nothing but rounding.
        tolerance = 3e-3 if name.startswith("pose_encoder") else 1e-3
        norm = gradients.pop(published_name(name))
        assert parameter.grad.norm().item() == pytest.approx(norm, rel=tolerance, abs=1e-5), name
    assert gradients == {}


def in_double(signs):
    def double(values, *names):
        return replace(values, **{name: getattr(values, name).double() for name in names})

    return replace(double(signs, "rgb"), pose=double(signs.pose, "right", "left", "body"))
