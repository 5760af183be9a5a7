"""The page of hits says what was found, shows it, and goes on where a video is gone."""

import base64

import pytest


def hit(rank, path, **others):
    from search.results import Hit, Span, WordMatch

    matches = WordMatch("sun", Span(0.5, 1.0), 0.61), WordMatch("shines", Span(2.0, 2.5), -0.1)
    values = {
        "video_id": f"video-{rank}", "text": "the sun shines", "span": None, "duration": 3.0,
        "score": 0.5 - rank / 100, "columns": {"signer": "Ada"}, "part": "p0",
        "matches": matches,
    }  # fmt: skip
    return Hit(rank=rank, path=path, **(values | others))


def answer(*hits, warnings=(), exact=False):
    from search.results import Answer

    return Answer(hits, warnings, 0.0123, 1234, exact)


def written(tmp_path, read_page, found, query="sun"):
    from search.report.hits_page import write_hits_page

    write_hits_page(found, query, tmp_path / "deep" / "hits.html")
    return read_page(tmp_path / "deep" / "hits.html")


def test_a_hit_is_told_and_shown(tmp_path, read_page, write_film):
    page = written(tmp_path, read_page, answer(hit(1, write_film())))
    for text in ("video-1", "the sun shines", "0.4900", "Ada", "p0", "1,234", "12 ms", "0.61"):
        assert text in page.text
    assert "the best of the candidates" in page.text
    assert len(page.all("img")) == 4
    (film,) = page.all("video")
    assert film["src"].startswith("data:video/mp4;base64,")
    assert "autoplay" not in film
    (drawing,) = page.all("svg")
    assert "sun at 0.50 to 1.00 s" in drawing["aria-label"]


def decoded(still):
    import cv2
    import numpy as np

    content = base64.b64decode(still.uri.partition(",")[2])
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def shown_frames(shown):
    from search.report.stills import opened

    return [frame.mean() / 8 for frame in opened(shown).frames()]


def test_a_preview_is_a_film_of_the_moment(tmp_path, write_film):
    from extract.videos.frame_source import open_frames
    from search.report.stills import moment_pictures
    from search.results import Span

    _, uri = moment_pictures(hit(1, write_film(), span=Span(1.0, 2.0)), 2, with_film=True)
    film = tmp_path / "preview.mp4"
    film.write_bytes(base64.b64decode(uri.partition(",")[2]))
    means = [frame.mean() for frame in open_frames(film, 25.0).frames()]
    assert len(means) == 11  # from the frame at one second to the first that begins at two
    assert means[0] == pytest.approx(80, abs=5)
    assert means[-1] == pytest.approx(160, abs=5)


def test_a_preview_has_fewer_frames_and_an_end(tmp_path, write_film):
    from extract.videos.frame_source import open_frames
    from search.report.stills import moment_pictures

    path = write_film(num_frames=240, frame_rate=30.0)
    _, uri = moment_pictures(hit(1, path, duration=8.0), 1, with_film=True)
    film = tmp_path / "preview.mp4"
    film.write_bytes(base64.b64decode(uri.partition(",")[2]))
    known = open_frames(film, 25.0).properties
    assert (known.num_frames, known.fps) == (90, 15)  # six seconds


def test_stills_are_frames_of_the_moment(write_film):
    from search.report.stills import moment_pictures
    from search.results import Span

    stills, film = moment_pictures(hit(1, write_film(), span=Span(1.0, 2.0)), 2, with_film=False)
    assert film is None
    assert [still.seconds for still in stills] == pytest.approx([1.2, 1.8], abs=0.11)
    for still in stills:
        assert decoded(still).mean() == pytest.approx(80 * still.seconds, abs=6)


@pytest.mark.parametrize(
    ("others", "first", "last"),
    [
        ({}, 0, 29),
        ({"duration": None}, 0, 29),
        ({"start": 1.0, "duration": 0.5}, 10, 15),  # a part of a recording
        ({"start": 1.0, "duration": None}, 10, 29),
        ({"duration": 1.0}, 0, 10),  # the beginning of one
        ({"duration": 2.9}, 0, 29),  # a store that counts a frame less
        ({"start": 0.5, "span": (1.0, 1.5)}, 15, 20),  # its moments count from its beginning
    ],
)
def test_a_video_may_be_a_part_of_a_recording(others, first, last, write_film):
    from search.results import Span

    if "span" in others:
        others = others | {"span": Span(*others["span"])}
    numbers = shown_frames(hit(1, write_film(), **others))
    assert numbers[0] == pytest.approx(first, abs=0.7)
    assert numbers[-1] == pytest.approx(last, abs=0.7)


def test_stills_at_times_of_a_moment(write_film):
    from search.report.stills import stills_at
    from search.results import Span

    shown = hit(1, write_film(), start=0.5, span=Span(1.0, 2.0))
    stills = stills_at(shown, [1.2, 1.7, 1.7, 9.0])
    assert [still.seconds for still in stills] == pytest.approx([1.2, 1.7, 2.0])
    assert decoded(stills[0]).mean() == pytest.approx(8 * 17, abs=6)


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        ({}, "does not exist"),
        ({"start": 99.0}, "does not exist"),
        ({"name": "film.mp4", "start": 99.0}, "the part begins at 99 s"),
    ],
)
def test_a_video_that_is_gone_is_told_and_others_go_on(
    others, reason, tmp_path, read_page, write_film
):
    others = dict(others)
    write_film()
    lost = hit(1, tmp_path / others.pop("name", "gone.mp4"), **others)
    page = written(tmp_path, read_page, answer(lost, hit(2, write_film())))
    assert f"No pictures: {reason}" in page.text
    assert "video-1" in page.text
    assert len(page.all("video")) == 1


def test_a_page_of_many_hits_is_bounded(tmp_path, read_page, write_film):
    from search.report.hits_page import PICTURED, PREVIEWS, STILLS

    film = write_film()
    page = written(tmp_path, read_page, answer(*(hit(n, film) for n in range(1, 61))))
    assert len(page.all("video")) == PREVIEWS
    assert len(page.all("img")) == PICTURED * STILLS
    assert len(page.all("article")) == 60


def test_no_hit_and_no_words(tmp_path, read_page, write_film):
    page = written(tmp_path, read_page, answer(warnings=("no such word",), exact=True))
    assert "Nothing passed the filters" in page.text
    assert "no such word" in page.text
    page = written(tmp_path, read_page, answer(hit(1, write_film(), matches=(), text="")))
    assert not page.all("svg")
