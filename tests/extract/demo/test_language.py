"""The invented language: every gloss can be signed, every sentence is made once."""

import pytest

from extract.demo.language import GLOSS_BY_NAME, GLOSSES, PLACES, all_sentences, choose_sentences
from extract.demo.motion import HAND_SHAPES, direction


def test_names_are_unique():
    assert len(GLOSS_BY_NAME) == len(GLOSSES) == 32


@pytest.mark.parametrize("gloss", GLOSSES, ids=lambda gloss: gloss.name)
def test_places_shapes_and_directions_exist(gloss):
    assert {gloss.at, gloss.to or gloss.at, gloss.base_at} <= set(PLACES)
    assert (gloss.other == "base") == (gloss.base is not None)
    for form in (gloss.start, gloss.end, gloss.base):
        if form:
            assert form.shape in HAND_SHAPES
            assert abs(direction(form.fingers) @ direction(form.palm)) < 0.9


def test_no_two_glosses_share_place_path_and_shape():
    looks = {
        (gloss.at, gloss.to, gloss.path, gloss.start, gloss.end, gloss.other) for gloss in GLOSSES
    }
    assert len(looks) == len(GLOSSES)


def test_glosses_are_one_and_two_handed():
    assert {gloss.other for gloss in GLOSSES} == {"rest", "mirror", "base"}


def test_every_caption_and_every_gloss_sequence_occurs_once():
    sentences = all_sentences()
    assert len(sentences) > 500
    assert len({sentence.text for sentence in sentences}) == len(sentences)
    assert len({sentence.glosses for sentence in sentences}) == len(sentences)


def test_every_sentence_is_made_of_two_to_four_known_glosses():
    for sentence in all_sentences():
        assert 2 <= len(sentence.glosses) <= 4
        assert set(sentence.glosses) <= set(GLOSS_BY_NAME)


def test_every_gloss_is_used():
    used = {gloss for sentence in all_sentences() for gloss in sentence.glosses}
    assert used == set(GLOSS_BY_NAME)


def test_english_agrees():
    texts = {sentence.text: sentence.glosses for sentence in all_sentences()}
    assert texts["yesterday my mother read a book"] == ("YESTERDAY", "MOTHER", "BOOK", "READ")
    assert texts["I do not eat bread"] == ("I", "BREAD", "EAT", "NOT")
    assert texts["the child is tired"] == ("CHILD", "TIRED")
    assert texts["tomorrow you will go home"] == ("TOMORROW", "YOU", "HOUSE", "GO")


def test_the_choice_follows_the_seed():
    assert choose_sentences(64, 3) == choose_sentences(64, 3)
    assert choose_sentences(64, 3) != choose_sentences(64, 4)
    assert choose_sentences(64, 3)[:10] == choose_sentences(10, 3)


def test_too_many_sentences_are_refused():
    with pytest.raises(ValueError, match="100000 are asked for"):
        choose_sentences(100_000, 0)
