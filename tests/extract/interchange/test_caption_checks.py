"""Which captions an index gets, which videos validate, what is said of sentences."""

from pathlib import Path

import pytest

from extract.interchange.caption_checks import (
    empty_splits,
    fixed_position,
    long_captions,
    normalised,
    shared_sentences,
    with_validation,
    without_duplicates,
    without_empty,
)
from extract.interchange.captions import Candidate, Caption
from seds_core.dataset_index import IndexedVideo


def caption_of(video_id, split="train", text="Hi", origin="x, line 2"):
    return Caption(video_id, split, text, origin, (Candidate(video_id),))


def test_empty_captions_are_left_out_and_named():
    kept, findings = without_empty([caption_of("a"), caption_of("b", text="")])
    assert [c.video_id for c in kept] == ["a"]
    assert findings[0].names == ("b (x, line 2)",)
    assert without_empty(kept) == (kept, ())


def test_the_first_of_two_is_kept_and_both_are_named():
    first = caption_of("a", text="one", origin="f, line 2")
    second = caption_of("a", origin="f, line 9")
    kept, (finding,) = without_duplicates([first, caption_of("b"), second])
    assert kept == (first, caption_of("b"))
    assert finding.kind == "duplicate_id"
    assert finding.names == ("a (f, line 2; again in f, line 9)",)


def test_what_is_evaluated_on_does_not_train():
    captions = [
        caption_of("a"),
        caption_of("a", "dev"),
        caption_of("b", "dev"),
        caption_of("b", "test"),
    ]
    kept, (finding,) = without_duplicates(captions)
    assert [(c.video_id, c.split) for c in kept] == [("a", "dev"), ("b", "test")]
    assert len(finding.names) == 2


def video(video_id, split, text):
    return IndexedVideo(video_id, Path(video_id), split, text)


def test_start_and_end_count_as_tokens():
    videos = [video("a", "test", "rain " * 30), video("b", "test", "rain " * 31)]
    (finding,) = long_captions(videos, 32)
    assert finding.names == ("b (33 tokens)",)
    assert not list(long_captions(videos, 33))


def test_sentences_of_two_splits_are_named_once():
    videos = [
        video("a", "train", "Good evening"), video("b", "train", "Rain"),
        video("c", "test", "good  EVENING"), video("d", "test", "good  EVENING"),
        video("e", "dev", "Rain"), video("f", "test", "Snow"),
    ]  # fmt: skip
    findings = [(f.kind, f.text[:17], f.names) for f in shared_sentences(videos)]
    assert findings == [
        ("shared_sentence", "sentences of test", ("good  EVENING",)),
        ("shared_sentence", "sentences of dev ", ("Rain",)),
    ]


def caption(number, sentence, split="train"):
    return IndexedVideo(f"v{number}", Path(f"v{number}.mp4"), split, sentence)


def by_sentence(captions, share):
    return with_validation(captions, share, keeps_sentences=False)


def by_video(captions, share):
    return with_validation(captions, share, keeps_sentences=True)


def many(count):
    return [caption(n, f"Sentence {n // 2}") for n in range(count)]


def dev_sentences(captions):
    return {normalised(c.text) for c in captions if c.split == "dev"}


def test_all_videos_of_a_sentence_go_together_whatever_their_case():
    captions = [*many(400), caption(999, "  SENTENCE 7 ")]
    moved, (finding,) = by_sentence(captions, 0.1)
    train = {normalised(c.text) for c in moved if c.split == "train"}
    assert not train & dev_sentences(moved)
    assert 10 <= len(dev_sentences(moved)) <= 30
    assert finding.names == tuple(c.video_id for c in moved if c.split == "dev")
    assert [c.video_id for c in moved] == [c.video_id for c in captions]


def test_the_choice_stays_when_sentences_are_added_or_reordered():
    small, large = by_sentence(many(200), 0.1)[0], by_sentence(many(400)[::-1], 0.1)[0]
    kept = {f"sentence {n}" for n in range(100)}
    assert dev_sentences(small) == dev_sentences(large) & kept
    assert dev_sentences(small) == {s for s in kept if fixed_position(s) < 0.1}


def test_a_small_set_still_gets_one_sentence():
    moved, _ = by_sentence(many(6), 1e-9)
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
    assert by_sentence(captions, share) == (tuple(captions), ())


def test_the_test_split_is_never_touched():
    captions = [*many(40), *(caption(n, f"Sentence {n}", "test") for n in range(100, 120))]
    moved, _ = by_sentence(captions, 0.5)
    assert [c for c in moved if c.split == "test"] == captions[40:]


def test_positions_are_spread_evenly_and_fixed():
    positions = [fixed_position(str(n)) for n in range(2000)]
    assert min(positions) >= 0
    assert max(positions) < 1
    assert abs(sum(position < 0.25 for position in positions) / 2000 - 0.25) < 0.03
    assert fixed_position("hello") == pytest.approx(0.6551350150274587)


def test_the_last_training_video_of_a_sentence_stays_where_the_user_has_split_the_set():
    captions = [caption(n, f"Sentence {n % 50}") for n in range(500)]
    moved, (finding,) = by_video(captions, 0.2)
    assert finding.kind == "dev_from_train"
    assert "--dev-share 0" in finding.text
    assert finding.names == tuple(c.video_id for c in moved if c.split == "dev")
    assert 60 <= len(finding.names) <= 130
    train = {c.text for c in moved if c.split == "train"}
    assert len(train) == 50
    assert by_video([*captions[::-1], caption(999, "new")], 0.2)[0][:500] == moved[::-1]


@pytest.mark.parametrize("share", [1e-9, 0.999])
def test_a_small_set_gives_one_video_or_all_but_one_of_each_sentence(share):
    moved, _ = by_video([*many(6), caption(9, "alone")], share)
    train = [c.text for c in moved if c.split == "train"]
    assert sorted(set(train)) == ["Sentence 0", "Sentence 1", "Sentence 2", "alone"]
    assert len(train) == (6 if share < 0.5 else 4)


def test_no_video_is_taken_where_every_sentence_has_one():
    captions = [caption(n, f"Sentence {n}") for n in range(20)]
    assert by_video(captions, 0.5) == (tuple(captions), ())


def test_what_is_empty_is_said():
    assert [f.text for f in empty_splits([caption(0, "a", "test")])] == [
        "the index has no videos of train and none of dev"
    ]
    assert [f.text for f in empty_splits([caption(0, "a")])] == ["the index has no videos of dev"]
    assert list(empty_splits([caption(0, "a"), caption(1, "b", "dev")])) == []
