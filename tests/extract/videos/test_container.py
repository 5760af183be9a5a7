"""What a container says, which of its streams is read, and what is refused as no video."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from video_damage import rename_codec
from video_files import numbered_frame, numbered_video, read_number, write_video

from extract.videos import decord_frames
from extract.videos.frame_source import RecordingPart, VideoFile
from extract.videos.part import MAX_PIXELS, VideoError, VideoPart
from extract.videos.pyav_file import check_is_file, disguise, read_packets


def reason(path, max_pixels=MAX_PIXELS):
    with pytest.raises(VideoError) as failure:
        read_packets(path, max_pixels)
    assert failure.value.path == path
    return failure.value.reason


def test_tells_what_the_container_says(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 40, fps=30)
    facts, packets = read_packets(path, MAX_PIXELS)
    assert (facts.codec, facts.width, facts.height, facts.pixel_format) == (
        "h264",
        128,
        96,
        "yuv420p",
    )
    assert (facts.stated_rate, facts.pixel_shape, facts.is_interlaced) == (30, 1, False)
    assert packets.num_frames == 40


def test_what_cannot_be_a_video(tmp_path):
    empty, text, noise = (tmp_path / name for name in ("empty.mp4", "text.mp4", "noise.mp4"))
    empty.touch()
    text.write_text("hello\n" * 100)
    noise.write_bytes(bytes(range(1, 256)) * 9)
    pipe = tmp_path / "pipe.mp4"
    os.mkfifo(pipe)
    assert reason(tmp_path / "missing.mp4") == "does not exist"
    assert "empty" in reason(empty)
    assert "text" in reason(text)
    assert "no video that FFmpeg knows" in reason(noise)
    assert "pipe" in reason(pipe)


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"?")

    def refuse(*_args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(VideoError, match="permission denied"):
        check_is_file(path)


def test_sound_is_no_video(tmp_path):
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        for start in range(0, 16000, 1024):
            samples = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 16000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert reason(path) == "holds sound only (aac), no video"


def test_a_picture_is_no_video(tmp_path):
    path = numbered_video(tmp_path / "v.png", 1, codec="png", pixel_format="rgb24")
    assert "PNG picture" in reason(path.rename(tmp_path / "v.mp4"))


def test_a_title_in_another_encoding_does_no_harm(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 5)
    content = path.read_bytes()
    assert b"VideoHandler" in content
    path.write_bytes(content.replace(b"VideoHandler", b"Vid\xe9oHandle\xff"))
    assert read_packets(path, MAX_PIXELS)[1].num_frames == 5


def test_a_playlist_opens_no_other_file(tmp_path):
    numbered_video(tmp_path / "other.mp4", 5)
    path = tmp_path / "v.mp4"
    path.write_text("ffconcat version 1.0\nfile 'other.mp4'\n")
    assert "playlist" in reason(path)


def test_an_unknown_codec_is_named_as_such(tmp_path):
    path = rename_codec(numbered_video(tmp_path / "v.mp4", 5), b"avc1", b"zzz1")
    assert "codec" in reason(path)


@pytest.mark.parametrize("codec", ["libx264", "png"])
def test_huge_frames_are_refused(tmp_path, codec):
    pixel_format = "rgb24" if codec == "png" else "yuv420p"
    path = numbered_video(tmp_path / "v.mov", 5, codec=codec, pixel_format=pixel_format)
    assert "over the limit of 10,000 pixels" in reason(path, max_pixels=10_000)
    assert read_packets(path, 128 * 96)[1].num_frames == 5


def test_huge_frames_take_no_memory(tmp_path):
    size = 6000
    black = [np.zeros((size, size, 3), np.uint8)]
    path = write_video(tmp_path / "v.mov", black, codec="png", pixel_format="rgb24")
    del black
    program = (
        "import resource, sys, pathlib\n"
        "from extract.videos.pyav_file import read_packets\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: read_packets(pathlib.Path(sys.argv[1]), 10_000_000)\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, path], check=True, capture_output=True, text=True
    )
    error, kilobytes = run.stdout.split()
    assert error == "VideoError"
    assert int(kilobytes) * 1024 < size * size


CONTENTS = {
    b"\x89PNG\r\n\x1a\n....": "PNG picture",
    b"\xff\xd8\xff\xe0..JFIF": "JPEG picture",
    b"RIFF\x10\x00\x00\x00WEBPVP8 ": "WebP picture",
    b"\0\0\0\x1cftypavif\0\0": "AVIF or HEIC picture",
    b"\0\0\0\x18ftypisom\0\0\x02\0": "moov",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n": "Git LFS pointer",
    b"\n<!DOCTYPE html><html>": "web page",
    b"<HTML><body>404": "web page",
    b"PK\x03\x04\x14\0": "ZIP archive",
    b"%PDF-1.7": "PDF",
    b"name,text\nvideo1,hello\n": "text",
    "手语视频\n".encode() * 2000: "text",
    bytes(500): "zeros",
}


@pytest.mark.parametrize("content", CONTENTS)
def test_says_what_a_file_looks_like(tmp_path, content):
    path = tmp_path / "video.mp4"
    path.write_bytes(content)
    assert CONTENTS[content] in disguise(path)


def test_says_nothing_about_bytes_that_say_nothing(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(range(1, 256)))
    assert disguise(path) is None


SMALL, LARGE = (64, 48), (128, 96)
COUNT = 20


def write_streams(path, *sizes, default=None):
    """Streams of numbers: the first begins at 0, the second at 1000."""
    with av.open(str(path), "w") as container:
        streams = []
        for width, height in sizes:
            stream = container.add_stream("libx264", rate=25, options={"g": "5"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = Disposition(0)
            streams.append(stream)
        if default is not None:
            streams[default].disposition = Disposition.default
        for time in range(COUNT):
            for index, stream in enumerate(streams):
                number = numbered_frame(1000 * index + time, stream.width, stream.height)
                frame = av.VideoFrame.from_ndarray(number, format="rgb24")
                frame.pts, frame.time_base = time, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    return path


CHOICES = {  # what there is, and the number with which the chosen stream begins
    "the largest": ((SMALL, LARGE), None, 1000),
    "the first of equals": ((LARGE, LARGE), None, 0),
    "the one marked as default": ((LARGE, LARGE), 1, 1000),
    "default before larger": ((LARGE, SMALL), 1, 1000),
}


@pytest.mark.parametrize("suffix", ["mkv", "mov"])
@pytest.mark.parametrize("name", CHOICES)
def test_all_that_is_read_comes_from_one_stream(tmp_path, monkeypatch, name, suffix):
    sizes, default, begin = CHOICES[name]
    path = write_streams(tmp_path / f"v.{suffix}", *sizes, default=default)
    if suffix == "mov":  # its writer marks the first stream as default if none is marked
        begin = begin if default is not None else 0
    size = sizes[begin // 1000]
    for max_bytes in (decord_frames._MAX_DECODED_BYTES, 0):
        monkeypatch.setattr(decord_frames, "_MAX_DECODED_BYTES", max_bytes)
        video = VideoFile(path)
        assert (video.properties.width, video.properties.height) == size
        frames = list(video.frames())
        assert [frame.shape[1::-1] for frame in frames] == [size] * COUNT
        assert [read_number(frame) for frame in frames] == list(range(begin, begin + COUNT))
    part = RecordingPart(path, VideoPart(0.3, 0.5))
    assert [read_number(frame) for frame in part.frames()] == list(range(begin + 7, begin + 14))


def test_a_cover_picture_is_never_the_video(tmp_path):
    large = [numbered_frame(1000, 512, 384)]
    cover = write_video(tmp_path / "cover.png", large, codec="png", pixel_format="rgb24")
    film = numbered_video(tmp_path / "film.mp4", COUNT)
    path = tmp_path / "v.mp4"
    with av.open(str(path), "w") as new, av.open(str(cover)) as first, av.open(str(film)) as second:
        streams = []
        for old in (first, second):
            stream = new.add_stream_from_template(old.streams.video[0])
            streams.append((old, stream))
        streams[0][1].disposition = Disposition.attached_pic
        streams[1][1].disposition = Disposition(0)
        for old, stream in streams:
            for packet in old.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    new.mux(packet)
    with av.open(str(path)) as written:
        marks = {stream.disposition: stream.width for stream in written.streams.video}
    assert marks == {Disposition.default: 128, Disposition.attached_pic: 512}
    assert [read_number(frame) for frame in VideoFile(path).frames()] == list(range(COUNT))
