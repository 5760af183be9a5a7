"""Names tell the kind of a weights file and what each tensor fills; streams begin as CLIP's."""

import re

import pytest
import torch
from published_weights import published_layout, unfilled_model
from safetensors.torch import save_file
from torch import nn

from train.checkpoints.import_weights import ImportReport, condensed, start_streams
from train.checkpoints.published_names import LAYOUTS, NAMES, is_unused, our_name, recognised
from train.model.stream_transformer import StreamTransformer
from train.settings import StreamSettings, TextSettings


@pytest.mark.golden
@pytest.mark.parametrize("size", ["small", "full"])
def test_every_published_tensor_is_one_of_ours_or_known_to_be_unused(size):
    with torch.device("meta"):
        own = unfilled_model(size).state_dict()
    layout = published_layout(size)
    pairs = {name: our_name(name) for name in layout if not is_unused(name)}
    assert set(pairs.values()) == own.keys()
    assert len(set(pairs.values())) == len(pairs)


def test_patterns_stand_for_whole_parts_of_names():
    assert our_name("clip.visual.conv1.weight") == "pose_stream.embed.weight"
    assert our_name("clip.visual.conv1x1.weight") is None
    assert our_name("clip.visual.proj") == "pose_stream.projection"
    assert our_name("fusion.P2R_layers.one.layer_norm.bias") is None


def test_numbers_of_layers_are_kept():
    ours = "pose_encoder.hand.point_blocks.2.shortcut.1.running_var"
    theirs = "signbert.embed.st_gcn_hand.st_gcn_networks.2.residual.1.running_var"
    assert our_name(theirs) == ours


@pytest.mark.parametrize(
    "name",
    ["signbert.embed.st_gcn_hand.A", "signbert.embed.st_gcn_body.A_pool", "fusion.pe.pe"],
)
def test_constants_are_unused(name):
    assert is_unused(name)
    assert our_name(name) is None


def test_both_columns_are_without_repetition():
    for column in zip(*NAMES, strict=True):
        assert len(set(column)) == len(column)


OWN = {
    "logit_scale",
    "text.network.ln_final.weight",
    "pose_stream.norm_after.weight",
    "rgb_stream.norm_after.weight",
    "pose_encoder.hand.head.weight",
    "pose_encoder.clip_block.norm.weight",
}


@pytest.mark.parametrize(
    ("names", "title"),
    [
        (["pose_stream.norm_after.weight", "logit_scale"], "checkpoint of a run"),
        (["clip.ln_final.weight", "unheard.of"], "published SEDS checkpoint"),
        (["signbert.embed.st_gcn_hand.conv4.0.weight"], "published SEDS checkpoint"),
        (["GCN_Transform.st_gcn_hand.conv4.0.weight"], "SignBERT pre-training"),
        (["st_gcn_hand.conv4.0.weight"], "SignBERT pre-training"),
        (["ln_final.weight", "visual.ln_post.weight", "logit_scale"], "CLIP"),
    ],
)
def test_a_file_is_what_most_of_its_names_say(names, title):
    assert recognised(names, OWN).title == title


def test_foreign_names_are_not_recognised():
    assert recognised(["encoder.layer.0.weight", "my_st_gcn_hand.conv4.0.weight"], OWN) is None


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("module.GCN_Transform.embed.st_gcn_hand.conv4.0.weight", "pose_encoder.hand.head.weight"),
        ("GCN_Transform.GCN_Conv.bn.weight", "pose_encoder.clip_block.norm.weight"),
    ],
)
def test_signberts_prefixes_do_not_matter(name, ours):
    assert LAYOUTS[2].our_names(name) == (ours,)


def test_clips_image_transformer_is_for_both_streams_and_its_pixels_for_none():
    clip = LAYOUTS[3].our_names
    assert clip("visual.ln_post.weight") == (
        "pose_stream.norm_after.weight",
        "rgb_stream.norm_after.weight",
    )
    assert clip("visual.conv1.weight") == clip("logit_scale") == ()


def test_the_summary_counts_and_the_details_name():
    report = ImportReport(
        "a.bin", "CLIP", ("x", "y"), ("z",), ("w (1,) instead of (2,)",), (), ("q",)
    )
    assert report.summary().startswith("a.bin (CLIP): ")
    assert re.findall(r"\d+", report.summary()) == ["2", "1", "1", "0", "1"]
    assert [line.split(": ")[1] for line in report.details()] == [
        "z",
        "w (1,) instead of (2,)",
        "q",
    ]


def test_many_names_are_counted_by_block():
    names = [f"text.blocks.{block}.{kind}" for block in range(6) for kind in ("weight", "bias")]
    assert condensed([*names, "scale"]) == "text.blocks.* (12), scale"
    assert condensed(names[:2]) == "text.blocks.0.weight, text.blocks.0.bias"


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
