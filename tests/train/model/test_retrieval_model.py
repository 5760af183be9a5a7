import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from train.batches import ClipLayout, PoseBatch, SignBatch, TextBatch
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.text_encoder import TextEncoder

LAYOUT = ClipLayout(num_slots=3, clip_length=16, rgb_dim=10)
SETTINGS = TrainSettings(
    embedding_dim=16,
    pose_encoder={"width": 8},
    streams={"width": 64, "layers": 1, "initial": "random"},
    cgaf={"heads": 2, "hidden": 16},
)


class CodeText(TextEncoder):
    """Every place's vector is its number, over and over."""

    def forward(self, text):
        return text.input_ids[..., None].expand(-1, -1, 16).float()

    def pretrained_parameters(self):
        return self.parameters()

    def use_gradient_checkpointing(self):
        pass


def signs():
    pose = PoseBatch(
        torch.rand(2, 24, 21, 2),
        torch.rand(2, 24, 21, 2),
        torch.rand(2, 24, 7, 2),
        torch.tensor([[0, 1, 2], [0, -1, -1]]),
    )
    real = torch.tensor([[True, True, True], [True, False, False]])
    return SignBatch(real, pose, torch.randn(2, 3, 10))


def model(stage):
    return RetrievalModel(SETTINGS, stage, LAYOUT, CodeText()).eval()


@pytest.mark.parametrize(
    ("stage", "streams"),
    [("pose", {"pose"}), ("rgb", {"rgb"}), ("fusion", {"fusion", "pose", "rgb"})],
)
def test_a_stage_has_its_streams(stage, streams):
    tokens = model(stage).encode_signs(signs())
    assert set(tokens.streams) == streams
    assert all(values.shape == (2, 4, 16) for values in tokens.streams.values())
    assert tokens.token_is_real.tolist() == [[True] * 4, [True, True, False, False]]


@pytest.mark.parametrize(("stage", "missing"), [("pose", "pose"), ("fusion", "rgb")])
def test_a_stream_without_its_data_is_named(stage, missing):
    with pytest.raises(ValueError, match="which this stage needs"):
        model(stage).encode_signs(replace(signs(), **{missing: None}))


def test_rgb_needs_a_feature_size():
    with pytest.raises(ValueError, match="needs the size of RGB features"):
        RetrievalModel(SETTINGS, "rgb", replace(LAYOUT, rgb_dim=None), CodeText())


def test_the_scale_begins_at_the_temperature_and_ends_at_100():
    scaled = model("rgb")
    assert scaled.scale.item() == pytest.approx(1 / 0.07)
    nn.init.constant_(scaled.logit_scale, math.log(1000))
    assert scaled.scale.item() == pytest.approx(100)


def test_sentences_keep_their_mask():
    text = TextBatch(torch.tensor([[1, 5, 2, 0]]), torch.tensor([[True, True, True, False]]))
    tokens = model("pose").encode_text(text)
    assert tokens.words[0, :, 3].tolist() == [1, 5, 2, 0]
    assert tokens.word_is_real is text.word_is_real
