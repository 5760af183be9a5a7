"""Sentences that are looked for: what is refused, warned of, and encoded."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

SENTENCE = "rain tomorrow north"


@pytest.mark.parametrize("padding", ["masked", "published"])
def test_a_sentence_is_encoded_as_in_an_evaluation(sentence_encoder, padding):
    from train.evaluation.scoring import encode_sentences
    from train.settings import SimilaritySettings

    encode, model = sentence_encoder(similarity=SimilaritySettings(padding=padding))
    found = encode(f" {SENTENCE}\n")
    expected = encode_sentences(model, encode._tokenizer, [SENTENCE], 4, device=torch.device("cpu"))
    # Start, three words and the end; padding only where the model counts it.
    is_real = expected.word_is_real[0]
    assert is_real.sum() == 5
    kept = is_real if padding == "masked" else torch.ones(8, dtype=torch.bool)
    assert torch.equal(found.tokens.tokens, expected.words[0][kept])
    assert torch.equal(found.tokens.is_real, is_real[kept])
    assert found.pieces.words == ("rain", "tomorrow", "north")
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("", "empty"),
        (" \t\n", "empty"),
        ("\x01\x1b\x7f", "empty"),
        ("rain\0sun", "NUL byte"),
        ("rain \udcfc", "UTF-8"),
        ("?! ...", "no word"),
        ("hail fog", "knows no word of 'hail fog'"),
        ("👍", "knows no word"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(sentence_encoder, sentence, message):
    from search.query.sentence import SentenceError

    encode, _ = sentence_encoder()
    with pytest.raises(SentenceError, match=message):
        encode(sentence)


def test_unknown_words_are_named(sentence_encoder):
    encode, _ = sentence_encoder()
    (warning,) = encode("rain hail sun fog").warnings
    assert "does not know 'hail', 'fog'" in warning


def test_a_long_sentence_says_how_many_words_count(sentence_encoder):
    encode, _ = sentence_encoder()
    (warning,) = encode("rain " * 9).warnings
    assert "6 of its 9 words" in warning
    (warning,) = encode("rain " * 100_000).warnings
    assert "6 of its more than 2,000 words" in warning


def test_control_characters_do_not_change_the_words(sentence_encoder):
    encode, _ = sentence_encoder()
    assert torch.equal(encode("rain\x07\tsun").tokens.tokens, encode("rain  sun").tokens.tokens)


def test_a_script_that_an_english_encoder_has_not_learned_is_told():
    from search.query.sentence import IndexVocabulary, _warnings
    from train.text.pieces import SentencePieces

    pieces = SentencePieces(("дождь", "rain"), (None, 0, 1, None), (), (), 0)
    (warning,) = _warnings("дождь rain", pieces, "minilm", None)
    assert "'дождь' is written in Cyrillic letters" in warning
    assert "English" in warning
    # A model that was trained on such sentences has learned what it can of them.
    index = IndexVocabulary()
    index.learn(["дождь завтра"])
    assert not list(_warnings("дождь rain", pieces, "minilm", index))
    assert not list(_warnings("дождь rain", pieces, "some/multilingual", None))


def test_words_of_which_the_index_has_none_are_told(sentence_encoder):
    from search.query.sentence import IndexVocabulary

    encode, _ = sentence_encoder()
    index = IndexVocabulary()
    index.learn(["The sun, in the north.", "wind"])
    (warning,) = encode("rain tomorrow", index).warnings
    assert "no sentence of the index has one of the words 'rain', 'tomorrow'" in warning
    assert encode("SUN".lower() + " rain", index).warnings == ()
    index.is_complete = False
    assert encode("rain tomorrow", index).warnings == ()
    # An index without sentences tells nothing of their language.
    assert encode("rain", IndexVocabulary()).warnings == ()


def test_threads_get_what_each_would_get_alone(sentence_encoder):
    encode, model = sentence_encoder()
    sentences = [f"{word} sun" for word in ("rain", "snow", "wind", "north")] * 8
    alone = [encode(sentence).tokens.tokens for sentence in sentences]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda sentence: encode(sentence).tokens.tokens, sentences))
    assert all(torch.equal(one, other) for one, other in zip(alone, together, strict=True))
    assert not model.training
