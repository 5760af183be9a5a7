"""CLIP's text transformer, at every place of a sentence."""

import numpy as np
import pytest
import torch
from published_weights import published_tensors, settings_of
from shared_data import golden_path

from train.batches import TextBatch
from train.settings import TextSettings
from train.text.openai_clip import ClipTextEncoder, build_clip, fill_text_network, up_to_end


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return ClipTextEncoder(width=64, layers=2, embedding_dim=24)


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
    encoder = build_clip(settings.text, settings.embedding_dim, with_weights=False).eval()
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
    build_clip(settings, 8)
    assert "random weights" in capsys.readouterr().err
    build_clip(settings, 8, with_weights=False)
    assert capsys.readouterr() == ("", "")
