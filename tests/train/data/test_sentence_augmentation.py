import numpy as np

from train.data.sentence_augmentation import swap_two_words

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
