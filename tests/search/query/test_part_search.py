"""A part of an index answers by itself: hits are described, filtered, and moments of recordings."""

import pickle

import numpy as np
import pytest
import torch

from reference.small_indexes import DIM, made_up_identity, made_up_index, unit_tokens


@pytest.fixture(params=["masked", "published"])
def padding(request):
    return request.param


@pytest.fixture
def part(tmp_path, padding):
    from search.query.part_search import PartSearch

    return PartSearch.open(made_up_index(tmp_path / "index", 40, padding))


def random_query(seed, padding="masked", num_words=5):
    """Words of unit length; with padding ``published`` two more that are not real."""
    from search.engine.ragged_tokens import QueryTokens

    count = num_words + 2 * (padding == "published")
    tokens = unit_tokens(count, np.random.default_rng(seed)).astype(np.float32)
    return QueryTokens(torch.from_numpy(tokens), torch.arange(count) < num_words)


def pieces(num_words):
    from train.text.pieces import SentencePieces

    words = tuple(f"word{n}" for n in range(num_words))
    return SentencePieces(words, tuple(range(num_words)), words, (), 0)


def ask(part, k=5, seed=3, padding="masked", **query):
    from search.query.part_search import PartQuery

    return part.search(PartQuery(random_query(seed, padding), k, **query))


def true_scores(part, query):
    """Video -> score, one by one by the equation."""
    from search.engine.ragged_tokens import padded
    from train.model.fine_grained_similarity import retrieval_score

    snapshot, scores = part.part.snapshot(), {}
    for entry in np.flatnonzero(snapshot.is_live).tolist():
        signs, is_real = padded(snapshot.signs, np.array([entry]))
        score = retrieval_score(
            signs, query.tokens[None], is_real, query.is_real[None],
            part.part.identity.settings.similarity,
        )  # fmt: skip
        scores[snapshot.records([entry])[0].video_id] = float(score)
    return scores


def test_hits_are_the_best_videos_described(part, padding):
    query = random_query(3, padding)
    found = ask(part, 7, 3, padding, exact=True)
    scores = true_scores(part, query)
    best = sorted(scores, key=scores.get, reverse=True)[:7]
    assert [hit.video_id for hit in found.hits] == best
    assert [hit.score for hit in found.hits] == pytest.approx([scores[v] for v in best], abs=1e-5)
    assert (found.num_searched, found.is_exact) == (40, True)
    first = found.hits[0]
    number = int(first.video_id[1:])
    assert first.path.name == f"{first.video_id}.mp4"
    assert first.columns["split"] == ("train" if number % 2 else "test")
    assert first.span is None
    assert first.part == str(part.part.path)


def test_matches_are_clips_and_never_the_class_token(part, padding):
    query = random_query(3, padding)
    for hit in ask(part, 40, 3, padding, pieces=pieces(5)).hits:
        snapshot = part.part.snapshot()
        (row,) = snapshot.entries_of(hit.video_id)
        (record,) = snapshot.records([row])
        clips = snapshot.signs.of(row)[1 : int(snapshot.signs.num_real[row])].astype(np.float32)
        cosines = clips @ query.tokens.numpy().T
        assert [match.word for match in hit.matches] == [f"word{n}" for n in range(5)]
        for number, match in enumerate(hit.matches):
            best = cosines[:, number].argmax()
            assert match.similarity == pytest.approx(cosines[best, number], abs=1e-6)
            assert tuple(match.span) == tuple(record.clip_spans[best])


def test_filters_leave_videos_out(part):
    found = ask(part, 40, filters={"signer": ["anna", "ben"], "split": ["test"]})
    assert {hit.columns["signer"] for hit in found.hits} == {"anna", "ben"}
    assert {hit.columns["split"] for hit in found.hits} == {"test"}
    assert found.num_searched == len(found.hits) == 13
    assert found.unknown_filters == frozenset()


def test_unknown_filters_are_told_and_find_nothing(part):
    found = ask(part, filters={"signer": ["anna", "zoe"], "city": ["rome"]})
    assert found.unknown_filters == {("signer", "zoe"), ("city", "rome")}
    assert found.hits == ()
    # A column that is not there is empty in every video.
    assert ask(part, filters={"city": [""]}).num_searched == 40


def test_a_video_can_be_left_out(part):
    first = ask(part).hits[0].video_id
    found = ask(part, 40, without=(first, None))
    assert len(found.hits) == 39
    assert first not in {hit.video_id for hit in found.hits}


def test_queries_and_answers_travel_to_other_processes(part):
    from search.query.part_search import PartQuery

    query = PartQuery(random_query(3), 3, {"signer": ["anna"]}, pieces=pieces(5))
    there = pickle.loads(pickle.dumps(query))
    back = pickle.loads(pickle.dumps(part.search(there)))
    assert back == part.search(query)
    assert len(back.hits) == 3


def test_sentences_come_with_videos_that_have_them(part):
    from reference.small_indexes import SENTENCES

    found = part.sentences(random_query(5), 3, exact=True)
    assert len(found) == 3
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for one in found:
        number = SENTENCES.index(one.text)
        assert one.video_ids
        assert {int(video_id[1:]) % 5 for video_id in one.video_ids} == {number}


def test_an_empty_index_finds_nothing(tmp_path):
    from search.index.writer import open_writer
    from search.query.part_search import PartSearch

    with open_writer(tmp_path / "empty", create=made_up_identity()):
        pass
    part = PartSearch.open(tmp_path / "empty")
    assert ask(part).hits == ()
    assert part.sentences(random_query(1), 3, exact=False) == []


# A recording of half-second clips, in windows of 4 seconds every 2.
CLIP, LENGTH, STEP = 0.5, 4.0, 2.0


def recording_entries(name, seconds, planted, generator):
    """Windows of a recording; ``planted``: (start, end) of where the words of a query are signed.

    Everywhere else the clips are noise.
    """
    from pathlib import Path

    from search.index.changes import NewEntry
    from search.index.records import EntryRecord
    from search.results import Span

    words = random_query(3).tokens.numpy()
    num_clips = int(seconds / CLIP)
    clips = unit_tokens(num_clips, generator).astype(np.float32)
    for start, end in planted:
        inside = range(int(start / CLIP), int(end / CLIP))
        for number, clip in enumerate(inside):
            clips[clip] = words[number * len(words) // len(inside)] + 0.4 * clips[clip]
    clips /= np.linalg.norm(clips, axis=1, keepdims=True)
    for first in range(0, num_clips - int(LENGTH / CLIP) + 1, int(STEP / CLIP)):
        tokens = clips[first : first + int(LENGTH / CLIP)]
        middle = tokens.mean(axis=0, keepdims=True)
        tokens = np.concatenate([middle / np.linalg.norm(middle), tokens]).astype(np.float16)
        begins = CLIP * np.arange(first, first + len(tokens) - 1, dtype=np.float32)
        start = CLIP * first
        spans = np.stack([begins, begins + CLIP], axis=1)
        path, window = Path(f"/videos/{name}.mp4"), Span(start, start + LENGTH)
        record = EntryRecord(name, path, "", window, seconds, {}, spans)
        yield NewEntry(record, name, tokens, len(tokens))


@pytest.fixture
def recordings(tmp_path):
    """Makes a part of recordings: name -> (seconds, planted)."""
    from search.index.identity import Windows
    from search.index.writer import open_writer
    from search.query.part_search import PartSearch

    def make(**named):
        generator = np.random.default_rng(1)
        identity = made_up_identity(windows=Windows(LENGTH, STEP))
        with open_writer(tmp_path / "windows", create=identity) as writer:
            for name, (seconds, planted) in named.items():
                writer.append(list(recording_entries(name, seconds, planted, generator)))
        return PartSearch.open(tmp_path / "windows")

    return make


def iou(span, other):
    shared = max(0.0, min(span[1], other[1]) - max(span[0], other[0]))
    return shared / (span[1] - span[0] + other[1] - other[0] - shared)


def test_the_moment_fits_what_is_signed(recordings):
    # Of a window's length, in step with the windows and between them; and three windows long.
    planted = {"a": (20.0, 24.0), "b": (41.0, 45.0), "c": (10.0, 18.0)}
    part = recordings(**{name: (60.0, [span]) for name, span in planted.items()})
    found = ask(part, 3)
    assert sorted(hit.video_id for hit in found.hits) == ["a", "b", "c"]
    for hit in found.hits:
        assert iou(hit.span, planted[hit.video_id]) >= 0.5
    assert found.num_searched == 3 * 29


def test_a_sign_that_two_windows_hold_is_one_window(recordings):
    # All of it in the window from 18 on, four of five words also in that from 20 on.
    part = recordings(a=(60.0, [(19.5, 22.0)]))
    (hit,) = ask(part, 1).hits
    assert tuple(hit.span) == (18.0, 22.0)


def test_two_moments_of_one_recording_are_two_hits_that_do_not_overlap(recordings):
    part = recordings(long=(80.0, [(20.0, 24.0), (60.0, 64.0)]), noise=(40.0, []))
    first, second = sorted(ask(part, 2).hits, key=lambda hit: hit.span.start)
    assert (first.video_id, second.video_id) == ("long", "long")
    assert iou(first.span, (20.0, 24.0)) >= 0.5
    assert iou(second.span, (60.0, 64.0)) >= 0.5


def test_there_are_as_many_moments_as_were_asked_for(recordings):
    part = recordings(long=(200.0, [(20.0, 60.0)]), other=(100.0, []))
    found = ask(part, 20)
    assert len(found.hits) == 20
    for number, hit in enumerate(found.hits):
        for other in found.hits[:number]:
            assert hit.video_id != other.video_id or iou(hit.span, other.span) == 0
    assert [hit.rank for hit in found.hits] == list(range(1, 21))


def test_words_are_matched_in_the_whole_moment(recordings):
    part = recordings(long=(60.0, [(10.0, 18.0)]))
    (hit,) = ask(part, 1, pieces=pieces(5)).hits
    assert hit.span.end - hit.span.start > LENGTH
    starts = [match.span.start for match in hit.matches]
    assert starts == sorted(starts)
    assert starts[0] < 12
    assert starts[-1] > 16


def test_the_window_that_is_meant_is_found(recordings):
    from search.results import Span

    part = recordings(long=(60.0, [(20.0, 24.0)]))
    assert part.entry("long").num_entries == 29
    assert part.entry("long", Span(30.5, 31.0)).record.span == Span(28.0, 32.0)
    assert part.entry("long", Span(500.0, 501.0)).record.span == Span(56.0, 60.0)
    # Of those that overlap, the best for the sentence.
    assert part.entry("long", Span(19.0, 29.0), random_query(3)).record.span == Span(20.0, 24.0)
    assert part.entry("long", None, random_query(3)).record.span == Span(20.0, 24.0)
    assert part.entry("short") is None


def test_a_moment_of_a_recording_can_be_left_out(recordings):
    from search.results import Span

    part = recordings(long=(60.0, [(20.0, 24.0)]))
    found = ask(part, 5, without=("long", Span(20.0, 24.0)))
    assert len(found.hits) == 5
    assert all(iou(hit.span, (20.0, 24.0)) == 0 for hit in found.hits)


def test_dimensions_are_those_of_the_small_indexes():
    assert random_query(1).tokens.shape == (5, DIM)
