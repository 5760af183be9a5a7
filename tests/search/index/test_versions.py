"""Readers see whole versions of an index while a writer changes it."""

import numpy as np
import pytest

from reference.small_indexes import (
    made_up_entries,
    made_up_entry,
    made_up_identity,
    made_up_index,
    made_up_record,
    made_up_sentence,
    made_up_windows,
)
from search.engine.compression import compress
from search.engine.ragged_tokens import RaggedTokens
from search.index.identity import OtherModelError
from search.index.part import Part, open_parts
from search.index.snapshot import UnknownFilterError
from search.index.writer import IndexInUseError, open_writer
from search.results import Span


@pytest.fixture
def part(tmp_path):
    part = Part.open(made_up_index(tmp_path / "index"))
    yield part
    part.close()


def same(one, other):
    """Whether two snapshots say the same."""
    arrays = ("is_live", "sentence_is_live", "sentence_of_entry", "codes", "record_ids")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in arrays) and all(
        np.array_equal(values, vars(getattr(other, ragged))[name])
        for ragged in ("signs", "sentences", "compressed_signs", "compressed_sentences")
        for name, values in vars(getattr(one, ragged)).items()
    )


def test_an_entry_is_found_with_its_tokens_and_its_record(tmp_path):
    entry = made_up_entry("a", np.random.default_rng(7), "the sun", signer="anna", split="")
    words = made_up_sentence("the sun", np.random.default_rng(8))
    with open_writer(tmp_path, create=made_up_identity()) as writer:
        writer.append(made_up_entries(3, np.random.default_rng(9))[:0], [words])
        writer.append([made_up_entry("b", np.random.default_rng(1)), entry])
    snapshot = Part.open(tmp_path).snapshot()
    assert snapshot.entries_of("a") == [1]
    assert np.array_equal(snapshot.signs.of(1), entry.tokens)
    assert snapshot.signs.num_real[1] == entry.num_real
    assert np.array_equal(snapshot.sentences.of(0), words.words)
    assert snapshot.sentence_of_entry.tolist() == [-1, 0]
    assert snapshot.texts([0]) == ["the sun"]
    (record,) = snapshot.records([1])
    assert (record.video_id, record.path, record.text) == ("a", entry.record.path, "the sun")
    assert record.columns == {"signer": "anna"}
    assert np.array_equal(record.clip_spans, entry.record.clip_spans)
    assert (record.span, record.duration, record.start) == (None, entry.record.duration, 0.0)


def test_what_is_compressed_lies_beside_its_tokens(part):
    with open_writer(part.path) as writer:
        writer.append(made_up_entries(5, np.random.default_rng(1), first=30))
    snapshot = part.snapshot()
    for rows, compressed in (
        (snapshot.signs, snapshot.compressed_signs),
        (snapshot.sentences, snapshot.compressed_sentences),
    ):
        expected = compress(rows, snapshot.projection)
        for name, values in vars(expected).items():
            assert np.array_equal(vars(compressed)[name], values)


def test_a_snapshot_is_the_same_object_until_something_changes(part):
    before = part.snapshot()
    assert part.snapshot() is before
    with open_writer(part.path) as writer:
        writer.delete(["v1"])
    assert part.snapshot() is not before


def test_what_is_read_step_by_step_is_what_is_read_at_once(part):
    part.snapshot()
    generator = np.random.default_rng(5)
    new = made_up_sentence("see you tomorrow", generator)
    with open_writer(part.path) as writer:
        writer.append([made_up_entry("x", generator, "see you tomorrow", city="Lund")], [new])
        part.snapshot()
        writer.delete(["v2", "v9"])
        writer.replace_records({4: (made_up_record("v4", "wind", city="Kiel"), "other rows")})
        step_by_step = part.snapshot()
        writer.append(made_up_entries(4, generator, first=18))
    for one in (step_by_step, part.snapshot()):
        assert one.num_live == len(one.allowed().nonzero()[0])
    assert not same(step_by_step, part.snapshot())
    assert same(part.snapshot(), Part.open(part.path).snapshot())
    assert part.snapshot().filter_values()["city"] == ("Kiel", "Lund")


def test_a_snapshot_never_changes(part):
    before = part.snapshot()
    with open_writer(part.path) as writer:
        writer.append([made_up_entry("v3", np.random.default_rng(1), "wind", signer="doro")])
        writer.replace_records({0: (made_up_record("v0", "the sun", signer="emil"), "rows")})
        writer.delete(["v7"])
    after = part.snapshot()
    assert (before.entries_of("v3"), after.entries_of("v3")) == ([3], [20])
    assert (before.entries_of("v7"), after.entries_of("v7")) == ([7], [])
    assert before.records([0])[0].columns["signer"] == "anna"
    assert after.records([0])[0].columns == {"signer": "emil"}
    assert (before.sentence_of_entry[0], after.sentence_of_entry[0]) == (0, 2)
    assert before.allowed({"signer": ["emil", "doro"]}).sum() == 0
    assert after.allowed({"signer": ["emil", "doro"]}).nonzero()[0].tolist() == [0, 20]
    assert "emil" not in before.filter_values()["signer"]


def test_a_sentence_is_live_as_long_as_a_live_entry_has_it(part):
    row = 3
    snapshot = part.snapshot()
    users = [f"v{entry}" for entry in snapshot.entries_with(row)]
    assert snapshot.texts([row]) == ["wind"]
    assert users == ["v3", "v8", "v13", "v18"]
    with open_writer(part.path) as writer:
        writer.delete(users[1:])
        assert part.snapshot().sentence_is_live[row]
        writer.delete(users[:1])
    assert not part.snapshot().sentence_is_live[row]
    assert part.snapshot().sentence_is_live.sum() == snapshot.sentence_is_live.sum() - 1


def test_filters_are_any_of_a_column_and_all_of_the_columns(part):
    snapshot = part.snapshot()
    allowed = snapshot.allowed({"signer": ["anna", "ben"], "split": ["test"]})
    expected = [v for v in range(20) if v % 3 in (0, 1) and v % 2 == 0]
    assert allowed.nonzero()[0].tolist() == expected
    assert not snapshot.allowed({"signer": ["nobody"]}).any()
    with pytest.raises(UnknownFilterError, match=r"'city'.*split, signer"):
        snapshot.allowed({"city": ["Lund"]})


def test_entries_without_a_value_are_found_by_the_empty_one(part):
    with open_writer(part.path) as writer:
        writer.append([made_up_entry("new", np.random.default_rng(1), city="Lund")])
    snapshot = part.snapshot()
    assert snapshot.allowed({"city": [""]}).sum() == 20
    assert snapshot.allowed({"signer": [""]}).nonzero()[0].tolist() == [20]


def test_windows_of_a_recording_come_in_their_order(tmp_path):
    snapshot = Part.open(made_up_windows(tmp_path / "w", recordings=2, windows=3)).snapshot()
    entries = snapshot.entries_of("r1")
    spans = [record.span for record in snapshot.records(entries)]
    assert spans == [Span(0, 4), Span(2, 6), Span(4, 8)]
    with open_writer(tmp_path / "w") as writer:
        assert writer.delete(["r1"]) == 3
    assert Part.open(tmp_path / "w").snapshot().num_live == 3


def test_an_empty_index_can_be_read(tmp_path):
    with open_writer(tmp_path, create=made_up_identity()):
        pass
    snapshot = Part.open(tmp_path).snapshot()
    assert (snapshot.num_live, len(snapshot.signs), len(snapshot.sentences)) == (0, 0, 0)
    assert snapshot.filter_values() == {}
    assert isinstance(snapshot.signs, RaggedTokens)


def test_only_one_process_writes(part):
    with open_writer(part.path) as writer:
        with pytest.raises(IndexInUseError, match="another process is writing"):
            open_writer(part.path).__enter__()
        assert writer.delete(["v1"]) == 1
    with open_writer(part.path) as writer:
        assert writer.delete(["v1"]) == 0


def test_parts_of_one_model_open_together(tmp_path):
    for name in ("b", "a"):
        made_up_index(tmp_path / name, num_videos=3)
    parts = open_parts([tmp_path, tmp_path / "a"])
    assert [part.path.name for part in parts] == ["a", "b"]
    made_up_index(tmp_path / "c", identity=made_up_identity(checkpoint="c"))
    with pytest.raises(OtherModelError, match=r"aaaaaaaaaaaa.*cccccccccccc"):
        open_parts([tmp_path])
