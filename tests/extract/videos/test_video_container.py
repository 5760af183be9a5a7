import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from video_damage import rename_codec
from video_files import numbered_video, write_video

from extract.videos.container import check_is_file, read_packets
from extract.videos.part import MAX_PIXELS, VideoError


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
        "from extract.videos.container import read_packets\n"
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
