"""The lexicon names only what exists."""

import pytest

from extract.demo.hand_shape import HAND_SHAPES, direction
from extract.demo.language import GLOSS_BY_NAME, GLOSSES, PLACES


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
