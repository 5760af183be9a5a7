"""Video files that are looked for."""

import importlib.util
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import torch
from video_files import numbered_frame, write_video

FRAMES = {"v0": (0, 30), "v1": (100, 41), "v2": (200, 60), "v3": (300, 95)}
"""Video -> number of the first picture, number of frames."""

_spec = importlib.util.spec_from_file_location(
    "stage_one_stand_in", Path(__file__).with_name("stage_one_stand_in.py")
)
stand_in = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stand_in)


def film(path, first, count, **options):
    frames = [numbered_frame(first + n, 320, 240) for n in range(count)]
    return write_video(path, frames, **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Films, stores of what stage one finds in them, a run, and an index."""
    from extract.run.loop import decode_job, source_of
    from extract.settings import FrameSettings
    from extract.stream import rows_of
    from extract.videos.decode_pool import DecodePool
    from extract.videos.listing import ListedVideo
    from reference.small_indexes import small_index
    from reference.small_stores import write_store
    from seds_core.dataset_index import IndexedVideo, write_index
    from seds_core.store.records import FinishedVideo

    folder = tmp_path_factory.mktemp("films")
    films = {name: film(folder / f"{name}.mp4", *which) for name, which in FRAMES.items()}
    pool, frames = DecodePool(0), FrameSettings(max_frames=40)
    data = {"index": folder / "index.csv", "rgb": folder / "rgb.zarr", "pose": folder / "pose.zarr"}
    for stream in (stand_in.MadeUpFeatures(), stand_in.MadeUpKeypoints()):
        videos = []
        for name, path in films.items():
            video = pool.decode(decode_job(ListedVideo(name, path), stream, frames))
            videos.append(FinishedVideo(rows=rows_of(stream, video), source=source_of(video)))
        write_store(data[stream.provenance.kind], stream.provenance, videos)
    write_index(
        data["index"],
        [IndexedVideo(name, path, "test", f"sentence {name}") for name, path in films.items()],
    )
    small_index(folder, data=data)
    return folder


@pytest.fixture(scope="module")
def loads():
    """Which networks were loaded; those that stand in for stage one's."""
    from search.query import video

    found = []

    def load_stream(kind, *_):
        found.append(kind)
        return stand_in.MadeUpKeypoints()

    class Features:
        @staticmethod
        def load(*_):
            found.append("rgb")
            return stand_in.MadeUpFeatures()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(video, "load_stream", load_stream)
        patch.setattr(video, "RgbStream", Features)
        yield found


@pytest.fixture(scope="module")
def retriever(folder, loads):
    """One for all tests, since its decoder takes a second to start."""
    from search.query.retriever import Retriever

    retriever = Retriever.load(folder / "index", device="cpu")
    yield retriever
    retriever.close()


@pytest.fixture(scope="module")
def encode(retriever):
    return retriever._model.videos()


@pytest.fixture(autouse=True)
def own_temporary_folder(tmp_path, monkeypatch):
    """Tests that run beside this one leave nothing here, and do not see what it leaves."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def left_behind():
    return list(Path(tempfile.gettempdir()).glob("seds-query-*"))


def test_networks_are_loaded_once_and_only_for_files(folder, loads):
    from search.query.retriever import Retriever

    with closing(Retriever.load(folder / "index", device="cpu")) as retriever:
        del loads[:]
        retriever.like("v0")
        retriever.search("sentence")
        assert loads == []
        for name in ("v0", "v1"):
            retriever.by_video(folder / f"{name}.mp4")
        assert loads == ["pose", "rgb"]


@pytest.mark.parametrize("name", ["v0", "v3"])
def test_a_file_finds_itself_as_well_as_its_entry_does(retriever, encode, folder, name):
    found = encode(folder / f"{name}.mp4")
    entry = retriever._entry(name, None)
    # Videos of an index are encoded in batches, which decides the last bits.
    torch.testing.assert_close(found.tokens.tokens, entry.tokens.tokens, atol=1e-3, rtol=0)
    assert torch.equal(found.tokens.is_real, entry.tokens.is_real)
    assert found.warnings == ()
    answer = retriever.by_video(folder / f"{name}.mp4", 3)
    assert answer[0].video_id == name
    assert answer.num_searched == 4
    # The others follow in the order of --like.
    assert [hit.video_id for hit in answer[1:]] == [hit.video_id for hit in retriever.like(name, 2)]
    assert left_behind() == []


def test_a_part_is_what_a_file_of_it_would_be(encode, folder, tmp_path):
    from search.results import Span

    whole = film(tmp_path / "long.mp4", 0, 200)
    # From frame 50 to frame 80.
    part = encode(whole, Span(2.0, 3.2))
    alone = encode(film(tmp_path / "part.mp4", 50, 31))
    assert torch.equal(part.tokens.tokens, alone.tokens.tokens)
    assert not torch.equal(part.tokens.tokens, encode(folder / "v0.mp4").tokens.tokens)


def test_threads_take_turns(encode, folder):
    names = ["v0", "v1", "v0"]
    alone = {name: encode(folder / f"{name}.mp4").tokens.tokens for name in names[:2]}
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda name: encode(folder / f"{name}.mp4").tokens.tokens, names))
    for name, tokens in zip(names, found, strict=True):
        assert torch.equal(tokens, alone[name])


def bad_videos(tmp_path):
    text = tmp_path / "text.mp4"
    text.write_text("this is no video")
    return {
        "there is no video": tmp_path / "gone.mp4",
        "text.mp4": text,
        "1 frame, in which nobody": film(tmp_path / "still.mp4", 0, 1),
        "3 frames, in which nobody": film(tmp_path / "blink.mp4", 0, 3),
        "400 s long.*--start": film(tmp_path / "hour.mp4", 0, 400, fps=1),
        "no person is found": film(tmp_path / "empty.mp4", 8000, 30),
    }


def test_what_cannot_be_looked_for_is_told_and_leaves_nothing(encode, folder, tmp_path):
    from seds_core.errors import UnavailableError, UsageError

    for message, path in bad_videos(tmp_path).items():
        with pytest.raises((UsageError, UnavailableError), match=message):
            encode(path)
        assert left_behind() == []
    worker = encode._pool._workers[0]
    assert encode(folder / "v0.mp4").warnings == ()
    # None of these has cost the process that decodes.
    assert encode._pool._workers == [worker]


def test_a_video_whose_decoder_dies_costs_no_other(encode, folder, monkeypatch):
    encode(folder / "v0.mp4")
    encode._pool._workers[0].kill("for a test")
    assert encode(folder / "v1.mp4").warnings == ()


@pytest.mark.parametrize("span", [(3.0, 3.0), (4.0, 2.0), (-1.0, 2.0)])
def test_a_part_that_is_none_is_refused(encode, folder, span):
    from search.query.video import QueryVideoError
    from search.results import Span

    with pytest.raises(QueryVideoError, match="no part of a video"):
        encode(folder / "v0.mp4", Span(*span))


def test_a_part_beyond_the_end_is_told(encode, folder):
    from extract.videos.part import VideoError
    from search.results import Span

    with pytest.raises(VideoError, match="begins at 90"):
        encode(folder / "v0.mp4", Span(90.0, 95.0))


def test_unseen_hands_and_short_videos_are_warned_of(encode, tmp_path):
    (warning,) = encode(film(tmp_path / "hands.mp4", 4000, 30)).warnings
    assert "no hand is seen well" in warning
    (warning,) = encode(film(tmp_path / "short.mp4", 0, 9)).warnings
    assert "9 frames, fewer than the 16 of a clip" in warning


def test_another_network_than_that_of_the_model_is_refused(folder, loads, monkeypatch):
    from dataclasses import replace

    from search.query.retriever import Retriever
    from seds_core.errors import UnavailableError

    rgb = stand_in.MadeUpFeatures.provenance
    other = replace(rgb, weights=replace(rgb.weights, sha256="1" * 64))
    monkeypatch.setattr(stand_in.MadeUpFeatures, "provenance", other)
    with (
        closing(Retriever.load(folder / "index", device="cpu")) as retriever,
        pytest.raises(UnavailableError, match=r"rgb network .* weights.sha256"),
    ):
        retriever.by_video(folder / "v0.mp4")


def test_sentences_are_found_for_a_file(retriever, folder):
    found = retriever.sentences(folder / "v1.mp4", 4)
    assert sorted(hit.text for hit in found) == [f"sentence {name}" for name in FRAMES]
    by_id = retriever.sentences("v1", 4)
    assert [hit.text for hit in found] == [hit.text for hit in by_id]
    assert [hit.score for hit in found] == pytest.approx([hit.score for hit in by_id], abs=1e-3)
    assert {hit.video_ids for hit in found} == {(name,) for name in FRAMES}
