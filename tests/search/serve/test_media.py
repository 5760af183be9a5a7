"""Videos over HTTP: ranges, conditions, and copies of what browsers cannot play."""

import os
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from search_stand_in import StandIn, record
from video_files import numbered_frames, numbered_video, read_number, write_video

from extract.videos.part import WHOLE
from search.serve.previews import PreviewCache


def numbers(content, path):
    """The numbers that the frames of a video say, and its codec, size and rate."""
    path.write_bytes(content)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        return [read_number(frame) for frame in frames], stream


def client_of(make_client, path, **how):
    return make_client(StandIn([record("v", path, "a sentence", **how)]))


def test_a_whole_file(client, videos):
    response = client.get("/api/media?id=first")
    assert response.content == videos[0].read_bytes()
    assert response.headers["content-type"] == "video/mp4"
    assert response.headers["accept-ranges"] == "bytes"


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-9", 206, slice(0, 10)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-7", 206, slice(-7, None)),
        ("bytes=3-99999999", 206, slice(3, None)),
        ("bytes=99999999-", 416, None),
        ("lines=1-2", 400, None),
        ("bytes=9-3", 400, None),
        ("bytes=" + "0-1," * 200, 200, slice(None)),
        ("bytes=" + "9" * 5000 + "-", 400, None),
    ],
)
def test_ranges(client, videos, asked, status, part):
    response = client.get("/api/media?id=first", headers={"range": asked})
    assert response.status_code == status
    if part is not None:
        assert response.content == videos[0].read_bytes()[part]


def test_a_range_says_where_it_lies(client, videos):
    size = videos[0].stat().st_size
    response = client.get("/api/media?id=first", headers={"range": "bytes=2-5"})
    assert response.headers["content-range"] == f"bytes 2-5/{size}"


def test_what_a_browser_holds_is_not_sent_again(client):
    first = client.get("/api/media?id=first").headers
    for condition in (
        {"if-none-match": first["etag"]},
        {"if-none-match": f'"other", W/{first["etag"]}'},
        {"if-modified-since": first["last-modified"]},
    ):
        again = client.get("/api/media?id=first", headers=condition)
        assert (again.status_code, again.content) == (304, b"")
    for condition in (
        {"if-none-match": '"other"'},
        {"if-modified-since": "Thu, 01 Jan 1970 00:00:00 GMT"},
        {"if-modified-since": "yesterday"},
        # The tag decides where both are there.
        {"if-none-match": '"other"', "if-modified-since": first["last-modified"]},
    ):
        assert client.get("/api/media?id=first", headers=condition).status_code == 200


def test_a_part_of_a_changed_file_is_the_whole_new_one(client, videos):
    condition = {"range": "bytes=0-9", "if-range": '"old"'}
    assert client.get("/api/media?id=first", headers=condition).status_code == 200


def test_only_the_head(client, videos):
    response = client.head("/api/media?id=first")
    assert response.headers["content-length"] == str(videos[0].stat().st_size)
    assert response.content == b""


def test_a_format_that_browsers_cannot_play_is_copied_once(make_client, tmp_path):
    path = numbered_video(tmp_path / "old.avi", 12, fps=10, codec="mpeg4")
    client = client_of(make_client, path)
    response = client.get("/api/media?id=v")
    found, stream = numbers(response.content, tmp_path / "copy.mp4")
    assert response.headers["content-type"] == "video/mp4"
    assert (found, stream.codec.name) == (list(range(12)), "h264")
    copies = list((tmp_path / "previews").iterdir())
    again = client.get("/api/media?id=v", headers={"range": "bytes=0-9"})
    assert (again.status_code, again.content) == (206, response.content[:10])
    assert list((tmp_path / "previews").iterdir()) == copies


@pytest.mark.parametrize(
    ("name", "how", "is_copied"),
    [
        ("a.mp4", {}, False),
        ("a.mov", {}, False),
        ("a.webm", {"codec": "libvpx"}, False),
        ("a.mkv", {}, True),
        ("a.mp4", {"pixel_format": "yuv444p"}, True),
        ("a.mp4", {"codec": "mpeg4"}, True),
    ],
)
def test_what_browsers_play_is_sent_as_it_is(make_client, tmp_path, name, how, is_copied):
    path = numbered_video(tmp_path / name, 5, **how)
    response = client_of(make_client, path).get("/api/media?id=v")
    assert response.status_code == 200
    assert (response.content != path.read_bytes()) == is_copied


def test_a_folder_of_frames_becomes_a_video_of_its_duration(make_client, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, frame in enumerate(numbered_frames(10, width=96, height=64)):
        Image.fromarray(np.asarray(frame)).save(folder / f"{number:04}.png")
    response = client_of(make_client, folder, duration=0.5).get("/api/media?id=v")
    found, stream = numbers(response.content, tmp_path / "copy.mp4")
    assert (found, stream.average_rate) == (list(range(10)), 20)


def test_of_a_recording_only_the_video_is_shown(make_client, tmp_path):
    path = numbered_video(tmp_path / "long.mp4", 50, fps=10)
    client = client_of(make_client, path, start=2.0, duration=1.0)
    found, _ = numbers(client.get("/api/media?id=v").content, tmp_path / "copy.mp4")
    assert found == list(range(20, 31))


def test_copies_are_small_and_even(make_client, tmp_path):
    frames = numbered_frames(4, width=1021, height=333)
    path = write_video(tmp_path / "odd.mkv", frames, codec="ffv1", pixel_format="bgr0")
    found, stream = numbers(
        client_of(make_client, path).get("/api/media?id=v").content, tmp_path / "copy.mp4"
    )
    assert (found, stream.width, stream.height) == ([0, 1, 2, 3], 480, 156)


def test_what_is_no_video_is_told(make_client, tmp_path):
    (tmp_path / "x.mp4").write_text("no video at all")
    response = client_of(make_client, tmp_path / "x.mp4").get("/api/media?id=v")
    assert response.status_code == 422
    assert response.json()["detail"] == "the video cannot be shown: looks like text, not a video"


def test_what_is_too_long_to_copy_is_told(make_client, tmp_path):
    path = numbered_video(tmp_path / "x.mkv", 30, fps=10)
    client = make_client(StandIn([record("v", path, "")]), preview_seconds=2.0)
    response = client.get("/api/media?id=v")
    assert response.status_code == 422
    assert "browsers cannot play it, and it is longer than" in response.json()["detail"]


def cache(folder, max_bytes=1 << 30):
    return PreviewCache(folder, max_bytes=max_bytes, max_seconds=60.0, side=480)


def test_a_replaced_file_gets_a_new_copy(tmp_path):
    previews, path = cache(tmp_path / "previews"), tmp_path / "x.mkv"
    old = previews.make(numbered_video(path, 5), WHOLE, None)
    new = previews.make(numbered_video(path, 9), WHOLE, None)
    assert old != new
    assert numbers(new.read_bytes(), tmp_path / "copy.mp4")[0] == list(range(9))


def test_copies_that_were_not_used_go_first(tmp_path):
    paths = [numbered_video(tmp_path / f"{n}.mkv", 20 + n) for n in range(3)]
    previews = cache(tmp_path / "previews")
    copies = [previews.make(path, WHOLE, None) for path in paths[:2]]
    for number, copy in enumerate(copies):
        os.utime(copy, (number, number))
    # Using the older one makes it the newer one.
    assert previews.kept(paths[0], WHOLE, None) == copies[0]
    bound = 2 * max(copy.stat().st_size for copy in copies) + 500
    last = cache(tmp_path / "previews", max_bytes=bound).make(paths[2], WHOLE, None)
    assert set(Path(tmp_path / "previews").iterdir()) == {copies[0], last}
    assert previews.kept(paths[1], WHOLE, None) is None
