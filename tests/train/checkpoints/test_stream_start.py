"""Streams begin as CLIP's image transformer, or say why not."""

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from train.checkpoints.import_weights import start_streams
from train.model.stream_transformer import StreamTransformer
from train.settings import StreamSettings, TextSettings

STREAMS = StreamSettings(width=64, layers=1)


def streams_model(num_slots):
    model = nn.Module()
    model.pose_stream = StreamTransformer(10, 8, num_slots, STREAMS)
    model.rgb_stream = StreamTransformer(12, 8, num_slots, STREAMS)
    return model


@pytest.fixture
def clip(tmp_path):
    """Text settings whose weights are a file with an image transformer of two blocks."""
    torch.manual_seed(0)
    block = "visual.transformer.resblocks."
    tensors = {
        "visual.class_embedding": torch.rand(64),
        "visual.positional_embedding": torch.rand(50, 64),
        "visual.proj": torch.rand(64, 8),
        "visual.conv1.weight": torch.rand(64, 3, 4, 4),
        f"{block}0.ln_1.weight": torch.rand(64),
        f"{block}1.ln_1.weight": torch.rand(64),
        "ln_final.weight": torch.rand(64),
    }
    save_file(tensors, tmp_path / "clip.safetensors")
    return TextSettings(weights=str(tmp_path / "clip.safetensors")), tensors


@pytest.mark.parametrize("num_slots", [5, 49])
def test_both_streams_take_what_fits(clip, num_slots):
    text, tensors = clip
    model = streams_model(num_slots)
    before = model.pose_stream.positions.clone()
    report = start_streams(model, STREAMS, text)
    for stream in (model.pose_stream, model.rgb_stream):
        assert torch.equal(stream.class_token, tensors["visual.class_embedding"])
        assert torch.equal(
            stream.blocks[0].attention_norm.weight,
            tensors["visual.transformer.resblocks.0.ln_1.weight"],
        )
    fits = num_slots == 49
    expected = tensors["visual.positional_embedding"] if fits else before
    assert torch.equal(model.pose_stream.positions, expected)
    assert len(report.misfits) == (0 if fits else 2)


@pytest.mark.parametrize(
    ("streams", "encoder", "reason"),
    [
        (StreamSettings(width=64, initial="random"), "clip", ""),
        (STREAMS, "minilm", "text encoder has none of CLIP's"),
        (
            StreamSettings(width=128),
            "clip",
            "a 64 wide image transformer, and streams.width is 128",
        ),
    ],
)
def test_otherwise_they_stay_random_and_say_why(clip, capsys, streams, encoder, reason):
    text = clip[0].model_copy(update={"encoder": encoder})
    assert start_streams(streams_model(5), streams, text) is None
    said = capsys.readouterr().err
    assert reason in said
    assert bool(said) == bool(reason)
