"""Videos that users send: searched with, within limits, and kept by nobody."""

import tempfile
import threading
import time

import pytest
from video_files import numbered_video

from search.results import Span
from seds_core.errors import UsageError

VIDEO = {"content-type": "video/mp4"}


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The folder of temporary files, which every test has to leave empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def content(videos):
    return videos[0].read_bytes()


@pytest.mark.parametrize("route", ["video", "sentences"])
def test_a_video_is_searched_with_and_deleted(client, retriever, content, route):
    response = client.post(f"/api/{route}", content=content, headers=VIDEO)
    assert response.status_code == 200, response.text
    best = response.json()["hits" if route == "video" else "sentences"][0]
    assert best["text"] == "the child wants water"
    assert not retriever.files_seen[0].exists()


def test_only_this_user_may_read_it_meanwhile(client, retriever, content):
    modes = []
    encode = retriever._encode

    def look(path):
        modes.append(path.parent.stat().st_mode & 0o077)
        assert path.read_bytes() == content
        encode(path)

    retriever._encode = look
    client.post("/api/video", content=content, headers=VIDEO)
    assert modes == [0]


def test_the_trim_and_the_filters_are_the_retrievers(client, retriever, content):
    seen = {}

    def by_video(path, k, **how):
        seen.update(how, k=k)
        raise UsageError("enough")

    retriever.by_video = by_video
    query = "start=0.5&end=1.5&k=3&filter=signer=ben&exact=true"
    client.post(f"/api/video?{query}", content=content, headers=VIDEO)
    assert seen == {
        "k": 3, "trim": Span(0.5, 1.5), "filters": {"signer": ["ben"]}, "exact": True,
    }  # fmt: skip


@pytest.mark.parametrize("media_type", ["video/webm;codecs=vp8", "application/octet-stream"])
def test_types_that_a_video_may_have(client, content, media_type):
    headers = {"content-type": media_type}
    assert client.post("/api/video", content=content, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "media_type", ["text/plain", "multipart/form-data; boundary=x", "application/json", ""]
)
def test_others_are_refused(client, content, media_type):
    headers = {"content-type": media_type}
    assert client.post("/api/video", content=content, headers=headers).status_code == 415


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the upload is empty (0 bytes)"),
        (b"hello", "the video cannot be used: looks like text, not a video"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "looks like a PNG picture"),
        (b"PK\x03\x04" + bytes(100), "looks like a ZIP archive"),
    ],
)
def test_what_is_no_video_is_told(client, content, sentence, temporary):
    response = client.post("/api/video", content=content, headers=VIDEO)
    assert response.status_code == 422
    assert sentence in response.json()["detail"]
    assert str(temporary) not in response.text


def test_a_cut_off_video_is_told(client, content, temporary):
    response = client.post("/api/video", content=content[: len(content) // 2], headers=VIDEO)
    assert response.status_code == 422
    assert "cut off" in response.json()["detail"]


def test_a_stated_size_is_enough_to_refuse(make_client, retriever):
    client = make_client(retriever, upload_bytes=1000)
    response = client.post("/api/video", content=bytes(1001), headers=VIDEO)
    assert response.status_code == 413
    assert "larger than" in response.json()["detail"]


def test_a_size_that_was_not_stated_counts_too(make_client, retriever):
    client = make_client(retriever, upload_bytes=1000)
    chunks = (bytes(100) for _ in range(11))  # sent in chunks, without a length
    response = client.post("/api/video", content=chunks, headers=VIDEO)
    assert response.status_code == 413
    assert retriever.files_seen == []


def test_a_long_video_is_refused_before_it_is_encoded(make_client, retriever, content):
    client = make_client(retriever, upload_seconds=1.5)
    response = client.post("/api/video", content=content, headers=VIDEO)
    assert response.status_code == 413
    assert "at most 1.5 s" in response.json()["detail"]
    assert retriever.files_seen == []


def test_unless_it_is_trimmed(make_client, retriever, content):
    client = make_client(retriever, upload_seconds=1.5)
    assert client.post("/api/video?end=1.2", content=content, headers=VIDEO).status_code == 200
    late = client.post("/api/video?start=50", content=content, headers=VIDEO)
    assert (late.status_code, len(retriever.files_seen)) == (422, 1)
    assert "begins after its end" in late.json()["detail"]


def test_gigantic_frames_are_refused(make_client, retriever, content):
    client = make_client(retriever, upload_pixels=128 * 96 - 1)
    response = client.post("/api/video", content=content, headers=VIDEO)
    assert (response.status_code, retriever.files_seen) == (422, [])


def test_the_file_goes_when_searching_fails(client, retriever, content, temporary):
    def fail(*_args, **_how):
        raise RuntimeError(f"in {temporary}")

    retriever.by_video = fail
    response = client.post("/api/video", content=content, headers=VIDEO)
    assert response.status_code == 500
    assert str(temporary) not in response.text


def test_one_is_encoded_at_a_time_and_few_wait(make_client, retriever, content):
    client = make_client(retriever, waiting_encodings=1)
    under_way, most = 0, 0
    finish = threading.Event()
    encode = retriever._encode

    def slow(path):
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        finish.wait(10)
        encode(path)
        under_way -= 1

    retriever._encode = slow
    answers = []

    def send():
        answers.append(client.post("/api/video", content=content, headers=VIDEO).status_code)

    threads = [threading.Thread(target=send) for _ in range(2)]
    with client:
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 10
        while client.app.state.service.stage_one.taken() < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        refused = client.post("/api/video", content=content, headers=VIDEO)
        # Searching by sentence goes on meanwhile.
        assert client.get("/api/search?q=child").status_code == 200
        finish.set()
        for thread in threads:
            thread.join()
    assert (refused.status_code, answers, most) == (503, [200, 200], 1)
    assert int(refused.headers["retry-after"]) >= 1


def test_a_video_in_another_format_is_searched_with(client, tmp_path):
    path = numbered_video(tmp_path / "x.avi", 10, codec="mpeg4")
    response = client.post("/api/video", content=path.read_bytes(), headers=VIDEO)
    assert response.status_code == 200
