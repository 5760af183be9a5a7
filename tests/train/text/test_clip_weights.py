"""CLIP's weights from the hub, from a file, and into a network."""

import pytest
import torch
from safetensors.torch import save_file

from seds_core.errors import UnavailableError, UsageError
from train.text import openai_clip
from train.text.openai_clip import ClipTextEncoder, clip_tensors, fill_text_network


@pytest.fixture
def tensors():
    torch.manual_seed(1)
    return dict(ClipTextEncoder(64, 2, 24).network.state_dict())


def test_a_file_fills_a_network_and_may_have_more_blocks(tmp_path, tensors):
    path = tmp_path / "clip.safetensors"
    save_file(tensors, path)
    network = ClipTextEncoder(64, 1, 24).network
    fill_text_network(network, clip_tensors(str(path)), str(path))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, tensors[name])


def test_half_precision_is_widened(tensors):
    network = ClipTextEncoder(64, 2, 24).network
    fill_text_network(network, {n: t.half() for n, t in tensors.items()}, "half")
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}


def test_missing_and_misfitting_tensors_are_named(tensors):
    with pytest.raises(UsageError, match=r"clip\.pt.*transformer\.resblocks\.2\.attn"):
        fill_text_network(ClipTextEncoder(64, 3, 24).network, tensors, "clip.pt")
    with pytest.raises(UsageError, match=r"'text_projection' in size \(64, 24\).*\(64, 8\)"):
        fill_text_network(ClipTextEncoder(64, 2, 8).network, tensors, "clip.pt")


def test_without_internet_it_says_what_to_fetch_and_where_to_write_it(monkeypatch):
    def fail(*_):
        raise ConnectionError("no internet")

    monkeypatch.setattr(openai_clip, "hf_hub_download", fail)
    with pytest.raises(UnavailableError, match=r"hf download timm/vit_base.*text\.weights"):
        clip_tensors("openai")


def test_the_hub_is_asked_for_a_file_without_code(monkeypatch, tmp_path, tensors):
    save_file(tensors, tmp_path / "model.safetensors")
    asked = []

    def download(*names):
        asked.append(names)
        return str(tmp_path / "model.safetensors")

    monkeypatch.setattr(openai_clip, "hf_hub_download", download)
    assert clip_tensors("openai").keys() == tensors.keys()
    assert asked[0][1].endswith(".safetensors")
