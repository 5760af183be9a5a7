import re

import numpy as np
import pytest

from train.data.augmentation import swap_two_words

SENTENCE = "one two three four"


def swapped(sentence, probability, seed):
    return swap_two_words(sentence, probability, np.random.default_rng(seed))


def test_two_words_change_places():
    for seed in range(20):
        words = swapped(SENTENCE, 1.0, seed).split()
        assert sorted(words) == sorted(SENTENCE.split())
        assert sum(a != b for a, b in zip(words, SENTENCE.split(), strict=True)) == 2


def test_any_two_words():
    assert len({swapped(SENTENCE, 1.0, seed) for seed in range(100)}) == 6


def test_probability():
    unchanged = sum(swapped(SENTENCE, 0.25, seed) == SENTENCE for seed in range(1000))
    assert 700 < unchanged < 800
    assert swapped(SENTENCE, 0.0, 0) == SENTENCE


def test_one_word_stays():
    assert swapped("hello", 1.0, 0) == "hello"
    assert swapped("", 1.0, 0) == ""


def test_words_between_blanks_are_swapped_to_the_same_bits_as_before_characters_were():
    expected = [
        "one four three two", "one two four three", "two one three four", "four two three one",
    ]  # fmt: skip
    assert [swapped(SENTENCE, 1.0, seed) for seed in range(4)] == expected
    assert swapped("今天  天气", 1.0, 0) == "天气 今天"


@pytest.mark.parametrize(
    ("sentence", "units"),
    [
        ("今天天气很好。明天下雨。", list("今天天气很好明天下雨")),
        ("3月12日AI很好", ["3", "月", "12", "日", "AI", "很", "好"]),
        ("カードを見る", ["カー", "ド", "を", "見", "る"]),
        ("ไทยวันนี้", ["ไท", "ย", "วั", "น", "นี้"]),
    ],
    ids=["chinese", "mixed", "japanese", "thai"],
)
def test_without_blanks_two_characters_change_places(sentence, units):
    found = {swapped(sentence, 1.0, seed) for seed in range(300)} - {sentence}
    expected, any_unit = set(), "|".join(sorted(units, key=len, reverse=True))
    for first in range(len(units)):
        for second in range(first):
            changed = list(units)
            changed[first], changed[second] = units[second], units[first]
            rest = iter(changed)
            # Punctuation has stayed where it was.
            expected.add(re.sub(any_unit, lambda _, rest=rest: next(rest), sentence))
    assert found == expected - {sentence}
    assert swapped(sentence, 0.0, 0) == sentence


@pytest.mark.parametrize("sentence", ["rain-cloud", "雨", "雨。", "don't"])
def test_one_word_without_blanks_stays_too(sentence):
    assert {swapped(sentence, 1.0, seed) for seed in range(20)} == {sentence}
