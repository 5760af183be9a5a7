"""Several indexes are one: queries, filters, versions, and threads."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from reference.small_indexes import (
    SENTENCES,
    made_up_entries,
    made_up_entry,
    made_up_identity,
    made_up_index,
    made_up_sentence,
    made_up_windows,
)


def test_videos_of_all_parts_are_ranked_together(load, tmp_path):
    one, other = (made_up_index(tmp_path / name, 20, seed=seed) for seed, name in enumerate("ab"))
    answers = [load(path).search("rain sun", 20) for path in (one, other)]
    expected = sorted((hit for answer in answers for hit in answer), key=lambda hit: -hit.score)
    # Either named one by one, or by the folder that they lie in.
    for retriever in (load(one, other), load(tmp_path)):
        found = retriever.search("rain sun", 10)
        assert [(h.video_id, h.part, h.score) for h in found] == [
            (h.video_id, h.part, h.score) for h in expected[:10]
        ]
        assert [hit.rank for hit in found] == list(range(1, 11))
        assert found.num_searched == 40
        assert {hit.part for hit in found} == {str(one), str(other)}


def test_equal_scores_are_in_the_order_of_the_ids(load, tmp_path):
    one, other = (made_up_index(tmp_path / name, 10) for name in "ab")
    ids = [hit.video_id for hit in load(other, one).search("rain", 20)]
    assert ids[::2] == ids[1::2]
    parts = [hit.part for hit in load(other, one).search("rain", 20)]
    assert parts == [str(one), str(other)] * 10


def test_the_words_of_the_indexs_sentences_are_learned(load, tmp_path):
    retriever = load(made_up_index(tmp_path / "index"))
    assert retriever.search("rain").warnings == ("the index knows rain",)


def test_a_large_index_is_read_in_part_and_claims_less(load, tmp_path, monkeypatch):
    from search.query import retriever as module

    monkeypatch.setattr(module, "SENTENCES_READ", 2)
    part = load(made_up_index(tmp_path / "index"))._learned()
    assert not part.is_complete
    assert "rain" in part.words
    assert "sun" not in part.words
    monkeypatch.setattr(module, "SENTENCES_READ", 5)
    assert load(tmp_path / "index")._learned().is_complete


def test_answers_become_a_table(load, tmp_path):
    pandas = pytest.importorskip("pandas")
    answer = load(made_up_index(tmp_path / "index")).search("rain sun", 4)
    table = pandas.DataFrame(answer.to_records())
    assert list(table["rank"]) == [1, 2, 3, 4]
    assert list(table["video_id"]) == [hit.video_id for hit in answer]
    assert set(table["signer"]) <= {"anna", "ben", "chris"}
    assert set(table["words"]) == {"rain sun"}


@pytest.mark.parametrize("padding", ["masked", "published"])
def test_like_a_video_leaves_the_video_itself_out(load, tmp_path, padding):
    one, other = (
        made_up_index(tmp_path / name, 20, padding, seed=seed) for seed, name in enumerate("ab")
    )
    # Both parts have a v3: the first one asks, and neither is found.
    generator = np.random.default_rng(0)
    for text in SENTENCES:
        made_up_sentence(text, generator, padding)
    twin = made_up_entries(20, generator, padding)[3]
    with writer_of(other) as writer:
        writer.append([renamed(twin, "twin of v3")])
    found = load(one, other).like("v3", 5)
    assert found[0].video_id == "twin of v3"
    assert "v3" not in {hit.video_id for hit in found}
    assert found[0].matches == ()
    assert found.num_searched == 39


def writer_of(path):
    from search.index.writer import open_writer

    return open_writer(path)


def renamed(entry, video_id):
    from dataclasses import replace

    return replace(entry, record=replace(entry.record, video_id=video_id))


def test_unknown_ids_and_filters_are_told_with_what_there_is(load, tmp_path):
    from search.query.retriever import VideoNotInIndexError
    from seds_core.errors import UsageError

    retriever = load(made_up_index(tmp_path / "index"))
    for ask in (retriever.like, retriever.video, retriever.sentences):
        with pytest.raises(VideoNotInIndexError, match="'nobody'"):
            ask("nobody")
    with pytest.raises(UsageError, match=r"no column 'city'.*signer"):
        retriever.search("rain", filters={"city": ["rome"]})
    with pytest.raises(UsageError, match="signer=zoe; signer may be 'anna', 'ben', 'chris'"):
        retriever.search("rain", filters={"signer": ["anna", "zoe"]})
    for k in (0, 1001):
        with pytest.raises(UsageError, match="expected 1 to 1,000"):
            retriever.search("rain", k)


def test_a_value_that_one_part_has_is_known(load, tmp_path):
    one = made_up_index(tmp_path / "a")
    with writer_of(made_up_index(tmp_path / "b")) as writer:
        writer.append([made_up_entry("w", np.random.default_rng(1), signer="zoe", city="rome")])
    retriever = load(one, tmp_path / "b")
    found = retriever.search("rain", filters={"city": ["rome"]})
    assert [hit.video_id for hit in found] == ["w"]
    assert retriever.filters()["signer"] == ("anna", "ben", "chris", "zoe")


def test_indexes_of_different_models_are_refused(load, tmp_path):
    from search.index.identity import OtherModelError

    one = made_up_index(tmp_path / "a")
    other = made_up_index(tmp_path / "b", identity=made_up_identity(checkpoint="b"))
    with pytest.raises(OtherModelError, match="different models"):
        load(one, other)


def test_sentences_of_all_parts_are_merged(load, tmp_path):
    one, other = (made_up_index(tmp_path / name, 20) for name in "ab")
    with writer_of(other) as writer:
        generator = np.random.default_rng(9)
        sentence = made_up_sentence("the moon", generator)
        writer.append([made_up_entry("moon", generator, "the moon")], [sentence])
    found = load(one, other).sentences("moon", 10)
    texts = [hit.text for hit in found]
    # Sentences that both parts have are there once.
    assert len(set(texts)) == len(texts)
    assert "the moon" in texts
    assert [hit.rank for hit in found] == list(range(1, len(found) + 1))
    (moon,) = (hit for hit in found if hit.text == "the moon")
    assert moon.video_ids == ("moon",)
    alone = {hit.text: hit.score for hit in load(other).sentences("moon", 10)}
    assert {hit.text: hit.score for hit in found} == alone


def test_every_query_sees_the_newest_version(load, tmp_path):
    path = made_up_index(tmp_path / "index", 10)
    retriever = load(path)
    before = [hit.video_id for hit in retriever.search("rain", 50)]
    assert len(before) == 10
    with writer_of(path) as writer:
        writer.append([made_up_entry("new", np.random.default_rng(1), "wind")])
    assert {hit.video_id for hit in retriever.search("rain", 50)} - set(before) == {"new"}
    with writer_of(path) as writer:
        writer.delete([before[0]])
    after = [hit.video_id for hit in retriever.search("rain", 50)]
    assert len(after) == 10
    assert before[0] not in after


def test_threads_search_while_videos_come_and_go(load, tmp_path):
    path = made_up_index(tmp_path / "index", 30)
    retriever = load(path)
    alone = {sentence: keys(retriever.search(sentence, 5)) for sentence in ("rain", "sun wind")}
    generator = np.random.default_rng(1)

    def write():
        for number in range(8):
            # Far from every word, so that the best five stay what they are.
            entry = made_up_entry(f"new{number}", generator, signer="nobody")
            with writer_of(path) as writer:
                writer.append([entry])
            with writer_of(path) as writer:
                writer.delete([f"new{number}"])

    def read(number):
        sentence = ("rain", "sun wind")[number % 2]
        found = retriever.search(sentence, 5, filters={"signer": ["anna", "ben", "chris"]})
        return sentence, keys(found)

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    try:
        with ThreadPoolExecutor(6) as pool:
            writing = pool.submit(write)
            found = list(pool.map(read, range(60)))
            writing.result()
    finally:
        sys.setswitchinterval(switch)
    assert all(hits == alone[sentence] for sentence, hits in found)


def keys(answer):
    return [(hit.rank, hit.video_id, round(hit.score, 6)) for hit in answer]


def test_a_recording_needs_to_be_told_which_moment_is_meant(load, tmp_path):
    from search.results import Span
    from seds_core.errors import UsageError

    retriever = load(made_up_windows(tmp_path / "index"))
    with pytest.raises(UsageError, match=r"5 windows.*--start and --end"):
        retriever.like("r0")
    found = retriever.like("r0", span=Span(0.0, 3.0))
    moments = {hit.span.start for hit in found if hit.video_id == "r0"}
    # Only windows that overlap the one that asks are left out.
    assert moments
    assert min(moments) >= 4.0
    whole = retriever.video("r1")
    assert whole.span is None
    assert len(whole.clip_spans) == 0
