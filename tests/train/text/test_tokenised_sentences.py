import pytest
from word_tokenizer import WordTokenizer

from train.text import tokenizer as module
from train.text.openai_clip import ClipTokenizer
from train.text.tokenizer import as_tokens


class Dictionary(WordTokenizer):
    """Knows rain, sun and snow; everything else is token 9."""

    unknown_token = 9
    known = {"rain": 3, "sun": 4, "snow": 5}  # noqa: RUF012

    def __call__(self, sentences):
        batch = super().__call__(sentences)
        for row, sentence in zip(batch.input_ids, sentences, strict=True):
            words = sentence.split()[: self.max_words - 2]
            for place, word in enumerate(words, start=1):
                row[place] = self.known.get(word, self.unknown_token)
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
    found = as_tokens(ClipTokenizer(12), ["Rain", "rain", "下雨了", "下雪了"])
    assert found.num_with_unknown == 0
    assert found.equal_examples == (("Rain", "rain"),)
