import os
from pathlib import Path

import av
import numpy as np
import pytest
from video_damage import rename_codec
from video_files import numbered_video

from extract.decoding.video_container import check_is_file, container_facts
from extract.decoding.video_error import VideoError
from extract.decoding.video_properties import MAX_PIXELS


def reason(path, max_pixels=MAX_PIXELS):
    with pytest.raises(VideoError) as failure:
        container_facts(path, max_pixels)
    assert failure.value.path == path
    return failure.value.reason


def test_tells_what_the_container_says(tmp_path):
    facts = container_facts(numbered_video(tmp_path / "v.mp4", 40, fps=30), MAX_PIXELS)
    assert (facts.codec, facts.width, facts.height, facts.num_frames) == ("h264", 128, 96, 40)
    assert (facts.fps, facts.duration) == (30.0, pytest.approx(40 / 30))
    assert not facts.has_edits


def test_a_varying_rate_gives_the_average(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 4, times=[0, 1, 2, 20])
    facts = container_facts(path, MAX_PIXELS)
    assert facts.num_frames == 4
    assert facts.fps == pytest.approx(4 / facts.duration)


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


def test_a_playlist_opens_no_other_file(tmp_path):
    numbered_video(tmp_path / "other.mp4", 5)
    path = tmp_path / "v.mp4"
    path.write_text("ffconcat version 1.0\nfile 'other.mp4'\n")
    assert "playlist" in reason(path)


def test_an_unknown_codec_is_named_as_such(tmp_path):
    path = rename_codec(numbered_video(tmp_path / "v.mp4", 5), b"avc1", b"zzz1")
    assert "codec" in reason(path)


def test_huge_frames_are_refused(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 5)
    assert "128x96 pixels are over the limit of 10,000" in reason(path, max_pixels=10_000)
