"""Queries by the model of a run: what is loaded, what is refused, and what the scores are."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import torch

from reference.small_indexes import small_index


@pytest.fixture(scope="module", params=["fusion", "pose", "rgb"])
def of_stage(request, tmp_path_factory):
    """The folder of a run, its stores and its index, for each stage."""
    folder = tmp_path_factory.mktemp(request.param)
    small_index(folder, stage=request.param)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same of the stage fusion, with the padding of published models."""
    folder = tmp_path_factory.mktemp("published")
    small_index(folder, padding="published")
    return folder


@contextmanager
def hidden(path):
    """Inside, the file or folder is not there."""
    elsewhere = path.with_name(f"{path.name}.hidden")
    path.rename(elsewhere)
    try:
        yield elsewhere
    finally:
        elsewhere.rename(path)


def load(folder, **options):
    from search.query.retriever import Retriever

    return Retriever.load(folder / "index", device="cpu", **options)


def evaluated(folder, sentence):
    """Video -> score, as an evaluation of the run computes them."""
    from train.checkpoints.run_checkpoint import read_checkpoint
    from train.data.collation import read_signs
    from train.evaluation.load_model import load_run_model
    from train.evaluation.scoring import encode_sentences, encode_videos, score_streams
    from train.text.text_encoder import build_tokenizer

    device = torch.device("cpu")
    found = load_run_model(folder / "run" / "best.pt", device)
    stage = read_checkpoint(folder / "run" / "best.pt").stage
    ids = [video.video_id for video in found.data.videos]
    located = [found.data.reader.locate(video_id) for video_id in ids]
    batches = [read_signs(found.data.reader, located)]
    signs = encode_videos(found.model, batches, len(ids), device=device)
    tokenizer = build_tokenizer(found.text)
    text = encode_sentences(found.model, tokenizer, [sentence], 1, device=device)
    similarity = found.settings.similarity
    scores = score_streams(signs, len(ids), text, similarity, device=device)[stage]
    return dict(zip(ids, scores[:, 0].tolist(), strict=True))


def test_scores_are_those_of_an_evaluation(of_stage):
    expected = evaluated(of_stage, "a good sentence")
    answer = load(of_stage).search("a good sentence", 100)
    assert len(expected) > 3
    assert {hit.video_id: hit.score for hit in answer} == pytest.approx(expected, abs=2e-3)
    assert [hit.score for hit in answer] == sorted((hit.score for hit in answer), reverse=True)
    assert [match.word for match in answer[0].matches] == ["a", "good", "sentence"]


def test_scores_with_published_padding_are_those_of_an_evaluation(folder):
    expected = evaluated(folder, "a good sentence")
    answer = load(folder).search("a good sentence", 100)
    assert {hit.video_id: hit.score for hit in answer} == pytest.approx(expected, abs=2e-3)


def test_three_lines_find_videos(folder):
    from search.query.retriever import Retriever

    hits = Retriever.load(folder / "index").search("a good sentence")
    assert hits[0].rank == 1


def test_the_explained_score_is_the_hits_and_streams_follow_that_which_ranks(of_stage):
    from search.results import Span

    retriever = load(of_stage)
    stage = retriever.identity.stage
    hit = retriever.search("good morning", 1)[0]
    ranking, *others = retriever.explain(hit.video_id, "good morning")
    assert ranking.stream == stage
    assert {other.stream for other in others} == ({"pose", "rgb"} if stage == "fusion" else set())
    assert ranking.score == pytest.approx(hit.score, abs=1e-5)
    clips = retriever.video(hit.video_id).clip_spans
    for alignment in (ranking, *others):
        assert alignment.words == ("[start]", "good", "morning", "[end]")
        assert alignment.clips == tuple(Span(*map(float, clip)) for clip in clips)
    # The words' matches are the largest of the alignment.
    for column, match in zip((1, 2), hit.matches, strict=True):
        best = ranking.similarities[:, column].argmax()
        assert match.similarity == pytest.approx(ranking.similarities[best, column], abs=1e-5)
        assert match.span == ranking.clips[best]


def test_without_the_stores_the_stream_that_ranks_is_explained(folder):
    retriever = load(folder)
    video_id = retriever.search("sun", 1)[0].video_id
    assert len(retriever.explain(video_id, "sun")) == 3
    with hidden(folder / "rgb.zarr"):
        (ranking,) = retriever.explain(video_id, "sun")
    assert ranking.stream == "fusion"


def test_queries_by_videos_of_the_index_need_no_run(folder):
    from seds_core.errors import UsageError

    with hidden(folder / "run") as elsewhere:
        retriever = load(folder)
        first = some_id(retriever)
        assert retriever.like(first, 2)
        assert retriever.sentences(first, 2)
        assert retriever.filters()["split"] == ("dev", "train")
        assert retriever.info().num_entries == 8
        with pytest.raises(UsageError, match=r"is gone: name .* --run"):
            retriever.search("sun")
        # Named, it is found again.
        assert load(folder, run=elsewhere).search("sun", 2)


def some_id(retriever):
    return next(iter(retriever._parts[0].part.snapshot().records([0]))).video_id


def test_another_run_is_refused_before_any_query(folder, of_stage, tmp_path):
    from search.index.identity import OtherModelError
    from seds_core.errors import UsageError

    with pytest.raises(OtherModelError, match="built by the checkpoint"):
        load(folder, run=of_stage / "run")
    with pytest.raises(UsageError, match="no checkpoint of a run"):
        load(folder, run=tmp_path)


def test_a_run_that_was_trained_on_is_refused(folder, of_stage):
    from search.index.identity import OtherModelError

    best = folder / "run" / "best.pt"
    with hidden(best):
        shutil.copy(of_stage / "run" / "best.pt", best)
        try:
            with pytest.raises(OtherModelError, match="trained on since"):
                load(folder).search("sun")
        finally:
            best.unlink()


def test_the_model_is_loaded_once_by_whichever_thread_comes_first(folder, monkeypatch):
    from search.query import query_model

    loaded, load_run = [], query_model.load_run

    def counted(*arguments):
        loaded.append(arguments)
        return load_run(*arguments)

    monkeypatch.setattr(query_model, "load_run", counted)
    retriever = load(folder)
    retriever.like(some_id(retriever))
    assert loaded == []
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: retriever.search("sun", 3).hits, range(8)))
    assert len(loaded) == 1
    assert all(hits == answers[0] for hits in answers)
