"""Architectures are found by name and say which clips they can read."""

import pytest

from extract.rgb.backbones import ARCHITECTURES, find_architecture
from seds_core.errors import UsageError


def test_every_architecture_has_random_weights_and_a_name_of_its_own() -> None:
    for name in ARCHITECTURES:
        assert find_architecture(name).name == name
        assert find_architecture(name).weights["random"].read is None


def test_kinetics_networks_know_their_400_classes() -> None:
    for architecture in ARCHITECTURES.values():
        assert len(architecture.weights["kinetics400"].class_names) == 400


@pytest.mark.parametrize(
    ("name", "clip_length", "limits"),
    [
        ("i3d", 8, "at least 9"),
        ("s3d", 13, "at least 14"),
        ("mvit_v2_s", 15, "exactly 16"),
        ("mvit_v2_s", 32, "exactly 16"),
    ],
)
def test_clips_that_a_network_cannot_read_are_refused(
    name: str, clip_length: int, limits: str
) -> None:
    message = f"clips of {name} have {limits} frames; clip_length is {clip_length}"
    with pytest.raises(UsageError, match=message):
        find_architecture(name).check_clip_length(clip_length)


@pytest.mark.parametrize(("name", "clip_length"), [("i3d", 9), ("i3d", 64), ("mvit_v2_s", 16)])
def test_other_clips_are_accepted(name: str, clip_length: int) -> None:
    find_architecture(name).check_clip_length(clip_length)
