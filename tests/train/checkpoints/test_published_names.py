"""Every published name is one of ours, and every name of ours is published."""

import pytest
import torch
from published_weights import published_layout, unfilled_model

from train.checkpoints.published_names import NAMES, is_unused, our_name


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
