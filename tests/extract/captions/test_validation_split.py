import pytest

from extract.captions.caption import Caption, Place
from extract.captions.validation_split import fixed_position, normalised, with_validation


def caption(number, sentence, split="train"):
    return Caption(f"v{number}", split, sentence, "", (Place(f"v{number}"),))


def many(count):
    return [caption(n, f"Sentence {n // 2}") for n in range(count)]


def dev_sentences(captions):
    return {normalised(c.text) for c in captions if c.split == "dev"}


def test_all_videos_of_a_sentence_go_together_whatever_their_case():
    captions = [*many(400), caption(999, "  SENTENCE 7 ")]
    moved, (finding,) = with_validation(captions, 0.1)
    train = {normalised(c.text) for c in moved if c.split == "train"}
    assert not train & dev_sentences(moved)
    assert 10 <= len(dev_sentences(moved)) <= 30
    assert finding.names == tuple(c.video_id for c in moved if c.split == "dev")
    assert [c.video_id for c in moved] == [c.video_id for c in captions]


def test_the_choice_stays_when_sentences_are_added_or_reordered():
    small, large = with_validation(many(200), 0.1)[0], with_validation(many(400)[::-1], 0.1)[0]
    kept = {f"sentence {n}" for n in range(100)}
    assert dev_sentences(small) == dev_sentences(large) & kept
    assert dev_sentences(small) == {s for s in kept if fixed_position(s) < 0.1}


def test_a_small_set_still_gets_one_sentence():
    moved, _ = with_validation(many(6), 1e-9)
    assert len(dev_sentences(moved)) == 1


@pytest.mark.parametrize(
    ("captions", "share"),
    [
        (many(6), 0.0),
        ([caption(0, "a"), caption(1, "A")], 0.5),
        ([*many(6), caption(9, "z", "dev")], 0.5),
        ([caption(0, "a", "test"), caption(1, "b", "test")], 0.5),
    ],
)
def test_nothing_moves_where_nothing_should(captions, share):
    assert with_validation(captions, share) == (tuple(captions), ())


def test_the_test_split_is_never_touched():
    captions = [*many(40), *(caption(n, f"Sentence {n}", "test") for n in range(100, 120))]
    moved, _ = with_validation(captions, 0.5)
    assert [c for c in moved if c.split == "test"] == captions[40:]


def test_places_are_spread_evenly_and_fixed():
    places = [fixed_position(str(n)) for n in range(2000)]
    assert min(places) >= 0
    assert max(places) < 1
    assert abs(sum(place < 0.25 for place in places) / 2000 - 0.25) < 0.03
    assert fixed_position("hello") == pytest.approx(0.6551350150274587)
