"""OpenAI's CLIP: tokens, network, weights."""

import json
import pickle

import numpy as np
import pytest
import torch
from published_weights import published_tensors, settings_of
from safetensors.torch import save_file
from shared_data import golden_path

from seds_core.errors import UnavailableError, UsageError
from train.batches import TextBatch
from train.settings import TextSettings
from train.text import openai_clip
from train.text.openai_clip import (
    OpenAIClipTextEncoder,
    OpenAIClipTokenizer,
    build_openai_clip,
    fill_text_network,
    kept_positions,
    openai_clip_tensors,
    up_to_end,
)
from train.text.text_encoder import Tokenizer


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return OpenAIClipTextEncoder(width=64, layers=2, embedding_dim=24)


def batch_of(*rows):
    input_ids = torch.tensor(rows)
    return TextBatch(input_ids, up_to_end(input_ids))


@pytest.mark.golden
@pytest.mark.parametrize("kind", ["", "_aug"])
@torch.no_grad()
def test_words_are_the_published_ones(kind):
    prefix = "clip."
    tensors = {n.removeprefix(prefix): t for n, t in published_tensors().items() if prefix in n}
    settings = settings_of("small")
    encoder = build_openai_clip(settings.text, settings.embedding_dim, with_weights=False).eval()
    fill_text_network(encoder.network, tensors, "golden")
    text = batch_of(*np.load(golden_path("batch.npz"))[f"input_ids{kind}"].tolist())
    expected = np.load(golden_path("streams_eval.npz"))
    assert (text.word_is_real.numpy() == expected[f"text{kind}_mask"]).all()
    wanted = torch.from_numpy(expected[f"text{kind}"])
    assert (encoder(text) - wanted).norm() / wanted.norm() < 1e-4


@torch.no_grad()
def test_words_depend_on_nothing_after_them_and_on_no_other_sentence(encoder):
    encoder.eval()
    full = encoder(batch_of([49406, 11, 12, 49407, 0], [49406, 7, 49407, 0, 0]))
    changed = encoder(batch_of([49406, 11, 12, 99, 49407]))
    torch.testing.assert_close(full[0, :3], changed[0, :3])
    assert not torch.allclose(full[0, 3], changed[0, 3])


def test_gradient_checkpointing_changes_no_gradient(encoder):
    text = batch_of([49406, 11, 12, 49407, 0])
    encoder(text).square().sum().backward()
    plain = {name: p.grad.clone() for name, p in encoder.named_parameters()}
    encoder.zero_grad()
    encoder.use_gradient_checkpointing()
    encoder(text).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        torch.testing.assert_close(parameter.grad, plain[name])


@pytest.mark.parametrize("training", [True, False])
def test_it_runs_in_bfloat16(encoder, training):
    encoder.train(training)
    text = batch_of([49406, 11, 12, 49407, 0])
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(training):
        words = encoder(text)
    exact = encoder(text)
    assert (words.float() - exact).norm() / exact.norm() < 0.05


def test_all_of_it_is_pretrained(encoder):
    assert set(encoder.pretrained_parameters()) == set(encoder.parameters())


def test_random_weights_are_warned_of(capsys):
    settings = TextSettings(weights="random", width=64, layers=1)
    build_openai_clip(settings, 8)
    assert "random weights" in capsys.readouterr().err
    build_openai_clip(settings, 8, with_weights=False)
    assert capsys.readouterr() == ("", "")


START, END = 49406, 49407


@pytest.fixture(scope="module")
def tokenizer():
    return OpenAIClipTokenizer(max_words=32)


@pytest.mark.golden
def test_sentences_become_the_published_tokens(tokenizer):
    cases = json.loads(golden_path("tokens.json").read_text())
    batch = tokenizer([case["text"] for case in cases])
    assert batch.input_ids.tolist() == [case["input_ids"] for case in cases]


def test_real_words_end_with_the_end_token(tokenizer):
    batch = tokenizer(["", "rain"])
    assert batch.input_ids[:, :3].tolist() == [[START, END, 0], [START, 2443, END]]
    assert batch.word_is_real.sum(dim=1).tolist() == [2, 3]
    assert batch.word_is_real[1, :3].all()


def test_a_sentence_has_the_same_tokens_beside_any_other(tokenizer):
    sentences = ["rain", "wind in the north " * 20]
    together = tokenizer(sentences)
    for row, sentence in enumerate(sentences):
        alone = tokenizer([sentence])
        assert torch.equal(alone.input_ids[0], together.input_ids[row])
        assert torch.equal(alone.word_is_real[0], together.word_is_real[row])


@pytest.mark.parametrize("words", [29, 30, 31, 32, 90])
def test_long_sentences_keep_start_end_and_as_many_words_as_fit(tokenizer, words):
    batch = tokenizer(["rain " * words])
    assert batch.word_is_real.sum() == min(words, 30) + 2
    assert batch.input_ids[0, 0] == START
    assert batch.input_ids.max() == END
    assert tokenizer.num_too_long(["rain", "rain " * words]) == int(words > 30)


def test_kept_places_are_spread_from_the_first_to_the_last_word():
    positions = kept_positions(num_tokens=61, max_words=32)
    assert len(positions) == 31
    assert positions[:2] == [0, 1]
    assert positions[-1] == 60
    assert set(np.diff(positions[1:]).tolist()) == {2, 3}


def test_up_to_end_of_no_sentences():
    assert up_to_end(torch.zeros(0, 5, dtype=torch.int64)).shape == (0, 5)


def test_it_travels_to_other_processes(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert isinstance(copy, Tokenizer)
    assert torch.equal(copy(["some rain"]).input_ids, tokenizer(["some rain"]).input_ids)


@pytest.fixture
def tensors():
    torch.manual_seed(1)
    return dict(OpenAIClipTextEncoder(64, 2, 24).network.state_dict())


def test_a_file_fills_a_network_and_may_have_more_blocks(tmp_path, tensors):
    path = tmp_path / "clip.safetensors"
    save_file(tensors, path)
    network = OpenAIClipTextEncoder(64, 1, 24).network
    fill_text_network(network, openai_clip_tensors(str(path)), str(path))
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, tensors[name])


def test_half_precision_is_widened(tensors):
    network = OpenAIClipTextEncoder(64, 2, 24).network
    fill_text_network(network, {n: t.half() for n, t in tensors.items()}, "half")
    assert {tensor.dtype for tensor in network.state_dict().values()} == {torch.float32}


def test_missing_and_misfitting_tensors_are_named(tensors):
    with pytest.raises(UsageError, match=r"clip\.pt.*transformer\.resblocks\.2\.attn"):
        fill_text_network(OpenAIClipTextEncoder(64, 3, 24).network, tensors, "clip.pt")
    with pytest.raises(UsageError, match=r"'text_projection' in size \(64, 24\).*\(64, 8\)"):
        fill_text_network(OpenAIClipTextEncoder(64, 2, 8).network, tensors, "clip.pt")


def test_without_internet_it_says_what_to_fetch_and_where_to_write_it(monkeypatch):
    def fail(*_):
        raise ConnectionError("no internet")

    monkeypatch.setattr(openai_clip, "hf_hub_download", fail)
    with pytest.raises(UnavailableError, match=r"hf download timm/vit_base.*text\.weights"):
        openai_clip_tensors("openai")


def test_the_hub_is_asked_for_a_file_without_code(monkeypatch, tmp_path, tensors):
    save_file(tensors, tmp_path / "model.safetensors")
    asked = []

    def download(*names):
        asked.append(names)
        return str(tmp_path / "model.safetensors")

    monkeypatch.setattr(openai_clip, "hf_hub_download", download)
    assert openai_clip_tensors("openai").keys() == tensors.keys()
    assert asked[0][1].endswith(".safetensors")
