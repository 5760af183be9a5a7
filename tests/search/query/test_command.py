"""What the commands ask and show."""

import json
from pathlib import Path

import numpy as np
import pytest

from reference.small_indexes import made_up_entry, made_up_index, made_up_sentence


@pytest.fixture
def index(load, tmp_path):
    """Twenty videos whose files are gone, in an index that needs no model."""
    return made_up_index(tmp_path / "index")


@pytest.fixture(autouse=True)
def _wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")


def shown(capsys):
    return " ".join(capsys.readouterr().out.replace("│", " ").split())


def test_a_sentence_is_the_last_argument(index):
    from search.query.command import ask

    answer, question = ask([str(index), "rain sun"], k=3)
    assert question == "rain sun"
    assert len(answer) == 3
    assert [match.word for match in answer[0].matches] == ["rain", "sun"]


def test_videos_of_the_index_ask_by_their_id(index, tmp_path):
    from search.query.command import ask

    other = made_up_index(tmp_path / "other", seed=1)
    answer, question = ask([str(index), str(other)], like="v3", k=40)
    assert question == "like v3"
    assert {hit.part for hit in answer} == {str(index), str(other)}


def test_filters_are_columns_and_values(index):
    from search.query.command import ask

    answer, _ = ask([str(index), "rain"], filters=["Signer=anna", "signer=ben", "split=test"])
    assert {hit.columns["signer"] for hit in answer} == {"anna", "ben"}
    assert {hit.columns["split"] for hit in answer} == {"test"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"asked": ["index"]}, "'index' alone"),
        ({"asked": ["index"], "like": "a", "video": Path("b")}, "--video and --like both"),
        ({"asked": ["index", "rain"], "start": 1.0}, "--start and --end are seconds"),
        ({"asked": ["index", "rain"], "filters": ["anna"]}, "expected COLUMN=VALUE"),
        ({"asked": ["index", "rain"], "filters": ["=anna"]}, "expected COLUMN=VALUE"),
        ({"asked": ["index"], "like": "a", "start": 3.0, "end": 2.0}, "2 does not come after"),
    ],
)
def test_options_that_do_not_fit_are_told(options, message):
    from search.query.command import ask
    from seds_core.errors import UsageError

    # Options are looked at before any index.
    with pytest.raises(UsageError, match=message):
        ask(**options)


def test_sentences_need_exactly_one_video(index):
    from search.query.command import ask_sentences
    from seds_core.errors import UsageError

    for options in ({}, {"video": Path("a"), "like": "b"}):
        with pytest.raises(UsageError, match="--video, or an id with --like"):
            ask_sentences(index, **options)
    hits, name = ask_sentences(index, like="v3", k=2)
    assert name == "v3"
    assert [hit.rank for hit in hits] == [1, 2]


def test_the_hits_name_score_video_words_and_files_that_are_gone(index, capsys):
    from search.query.command import ask
    from search.query.printing import print_answer

    answer, question = ask([str(index), "rain sun"], k=2)
    print_answer(answer, question, as_json=False)
    text = shown(capsys)
    for hit in answer:
        assert f"{hit.rank} {hit.score:.4f} {hit.text or '(no sentence)'} {hit.video_id}" in text
        assert f"{hit.path} the file is gone" in text
        best = max(hit.matches, key=lambda match: match.similarity)
        assert f"{best.word} {best.similarity:.2f} at {best.span.start:.2f}-" in text
    assert "2 hits, certainly the best of 20" in text


def test_what_others_wrote_is_text_and_no_markup(load, tmp_path, capsys):
    from search.index.writer import open_writer
    from search.query.command import ask
    from search.query.printing import print_answer

    path = made_up_index(tmp_path / "index", 1)
    with open_writer(path) as writer:
        generator, text = np.random.default_rng(1), "[bold]text[/nonsense]"
        sentence = made_up_sentence(text, generator)
        writer.append([made_up_entry("[red]id[/]", generator, text)], [sentence])
    answer, _ = ask([str(path), "rain"])
    print_answer(answer, "[link=x]rain[/]", as_json=False)
    text = shown(capsys)
    assert "[red]id[/]" in text
    assert "[bold]text[/nonsense]" in text
    assert "[link=x]rain[/]" in text


def test_json_holds_all_of_a_hit(index, capsys):
    from search.query.command import ask
    from search.query.printing import print_answer

    answer, question = ask([str(index), "rain sun"], k=2)
    print_answer(answer, question, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["query"] == "rain sun"
    assert found["exact"] is True
    assert found["num_searched"] == 20
    first, hit = found["hits"][0], answer[0]
    assert first["video_id"] == hit.video_id
    assert first["score"] == hit.score
    assert first["file_is_gone"] is True
    assert first["columns"] == hit.columns
    assert first["start"] is None
    assert [match["word"] for match in first["matches"]] == ["rain", "sun"]


def test_sentences_are_shown_with_their_videos(index, capsys):
    from search.query.command import ask_sentences
    from search.query.printing import print_sentences

    hits, name = ask_sentences(index, like="v3", k=2)
    print_sentences(hits, name, as_json=False)
    text = shown(capsys)
    assert f"1 {hits[0].score:.4f} {hits[0].text} {', '.join(hits[0].video_ids[:3])}" in text
    print_sentences(hits, name, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["sentences"][1]["text"] == hits[1].text
    assert found["sentences"][1]["video_ids"] == list(hits[1].video_ids)


@pytest.fixture
def alignment():
    from search.results import Alignment, Span

    return Alignment(
        stream="fusion",
        words=("[start]", "rain"),
        clips=(Span(0.0, 0.64), Span(0.5, 1.14)),
        similarities=np.array([[0.1, 0.2], [0.3, 0.9]], np.float32),
        score=0.5,
        video_to_text=0.4,
        text_to_video=0.6,
        class_token=np.array([0.0, 0.1], np.float32),
        of_class_token=0.1,
        of_clips=np.array([0.2, 0.8], np.float32),
        of_words=np.array([0.3, 0.7], np.float32),
    )


def test_alignments_name_each_words_best_clip(alignment, capsys):
    from search.query.printing import print_alignments

    print_alignments([alignment], "v3", "rain", as_json=False)
    text = shown(capsys)
    assert "rain 0.50-1.14 s 0.900 0.700" in text
    assert "[start] 0.50-1.14 s 0.300 0.300" in text
    print_alignments([alignment], "v3", "rain", as_json=True)
    (stream,) = json.loads(capsys.readouterr().out)["streams"]
    assert stream["similarities"] == [[0.1, 0.2], [0.3, 0.9]]
    assert stream["clips"] == [[0.0, 0.64], [0.5, 1.14]]
