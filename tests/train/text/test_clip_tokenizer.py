"""CLIP's tokens, exactly as published."""

import json
import pickle

import numpy as np
import pytest
import torch
from shared_data import golden_path

from train.text.openai_clip import ClipTokenizer, kept_places, up_to_end
from train.text.tokenizer import Tokenizer

START, END = 49406, 49407


@pytest.fixture(scope="module")
def tokenizer():
    return ClipTokenizer(max_words=32)


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
    places = kept_places(num_tokens=61, max_words=32)
    assert len(places) == 31
    assert places[:2] == [0, 1]
    assert places[-1] == 60
    assert set(np.diff(places[1:]).tolist()) == {2, 3}


def test_up_to_end_of_no_sentences():
    assert up_to_end(torch.zeros(0, 5, dtype=torch.int64)).shape == (0, 5)


def test_it_travels_to_other_processes(tokenizer):
    copy = pickle.loads(pickle.dumps(tokenizer))
    assert isinstance(copy, Tokenizer)
    assert torch.equal(copy(["some rain"]).input_ids, tokenizer(["some rain"]).input_ids)
