"""The page that tells why a video was found."""

import numpy as np
import pytest


def alignment(stream="fusion", words=("(start)", "sun", "(end)"), num_clips=4, spans=None):
    import torch

    from search.engine.alignment import align
    from search.engine.ragged_tokens import QueryTokens
    from search.results import Span
    from train.model.fine_grained_similarity import unit_length
    from train.settings import SimilaritySettings

    generator = torch.Generator().manual_seed(len(stream))
    signs, sentence = (
        unit_length(torch.randn(1, count, 8, generator=generator))[0]
        for count in (1 + num_clips, len(words))
    )
    spans = spans or [Span(0.5 * n, 0.5 * n + 0.6) for n in range(num_clips)]
    return align(
        QueryTokens(signs, torch.ones(1 + num_clips, dtype=torch.bool)),
        QueryTokens(sentence, torch.ones(len(words), dtype=torch.bool)),
        SimilaritySettings(temperature=0.1, padding="masked"),
        stream=stream, words=words, clips=spans,
    )  # fmt: skip


def record(path, **others):
    from search.index.records import EntryRecord

    values = {
        "video_id": "video-1", "text": "the sun shines", "span": None, "duration": 3.0,
        "columns": {"signer": "Ada"}, "clip_spans": np.zeros((0, 2), np.float32),
    }  # fmt: skip
    return EntryRecord(path=path, **(values | others))


def explained(tmp_path, read_page, alignments, found, sentence="sun"):
    from search.report.explain_page import write_explain_page

    path = tmp_path / "new" / "why.html"
    write_explain_page(alignments, found, sentence, path)
    return read_page(path)


def test_halves_and_shares_add_up_to_the_score(tmp_path, read_page, write_film):
    found = alignment()
    page = explained(tmp_path, read_page, [found], record(write_film()))
    for value in (found.video_to_text, found.text_to_video, found.score):
        assert f"{value:.4f}" in page.text
    # What words and clips carry, to the last digit that is written.
    words = 0.5 * found.of_words / 3
    clips = 0.5 * np.array([found.of_class_token, *found.of_clips]) / 5
    assert words.sum() + clips.sum() == pytest.approx(found.score)
    for carried in (*words, *clips):
        assert f"{carried:.4f}" in page.text
    assert "Other streams are not in the index" in page.text


def test_each_stream_has_its_map(tmp_path, read_page, write_film):
    streams = [alignment(stream) for stream in ("fusion", "pose", "rgb")]
    page = explained(tmp_path, read_page, streams, record(write_film()))
    assert len(page.all("svg")) == 3
    assert "Other streams" not in page.text
    assert "The best pair is" in page.all("svg")[0]["aria-label"]
    # The middle of each clip.
    assert [image["alt"] for image in page.all("img")] == [
        f"Still at {seconds:.2f} seconds" for seconds in (0.3, 0.8, 1.3, 1.8)
    ]


def test_many_clips_have_a_bounded_number_of_stills(tmp_path, read_page, write_film):
    from search.results import Span

    spans = [Span(n / 20, n / 20 + 0.2) for n in range(50)]
    long = alignment(num_clips=50, spans=spans)
    page = explained(tmp_path, read_page, [long], record(write_film()))
    assert len(page.all("img")) == 16


def test_a_moment_of_a_recording_is_counted_from_the_recordings_beginning(
    tmp_path, read_page, write_film
):
    from search.results import Span

    spans = [Span(1.0, 1.4), Span(1.5, 1.9)]
    moment = alignment(num_clips=2, spans=spans)
    page = explained(tmp_path, read_page, [moment], record(write_film(), span=Span(1.0, 2.0)))
    assert [image["alt"] for image in page.all("img")] == [
        "Still at 1.20 seconds", "Still at 1.70 seconds",
    ]  # fmt: skip
    assert "1.00 to 2.00 s" in page.text


def test_a_video_that_is_gone_and_clips_without_times(tmp_path, read_page, write_film):
    from search.results import Span

    lost = record(tmp_path / "gone.mp4")
    page = explained(tmp_path, read_page, [alignment()], lost)
    assert "No pictures: does not exist" in page.text
    assert page.all("svg")
    unknown = alignment(num_clips=2, spans=[Span(float("nan"), float("nan"))] * 2)
    page = explained(tmp_path, read_page, [unknown], record(write_film()))
    assert "nan" not in page.text
    assert len(page.all("img")) == 16


def test_hostile_texts(tmp_path, read_page):
    from search.report.markup import visible

    text = "<script>alert(1)</script>\x00\u202e"
    found = alignment(words=("(start)", text, "(end)"))
    lost = record(tmp_path / text.replace("/", "").replace("\x00", ""), text=text, video_id=text)
    page = explained(tmp_path, read_page, [found], lost, sentence=text)
    assert page.text.count(visible(text)) >= 6
    assert "its own sentence" in page.text
