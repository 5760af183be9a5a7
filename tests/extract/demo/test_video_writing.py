"""Videos are whole, or not there."""

import av
import numpy as np
import pytest

from extract.videos.video_writing import write_video

FRAMES = np.random.default_rng(0).integers(0, 255, (6, 32, 48, 3), dtype=np.uint8)


def test_a_player_finds_size_rate_and_all_frames(tmp_path):
    write_video(tmp_path / "clip.mp4", FRAMES, 12.5)
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, float(stream.average_rate)) == (48, 32, 12.5)
        assert sum(1 for _ in container.decode(stream)) == len(FRAMES)


def test_the_same_frames_are_the_same_file(tmp_path):
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, FRAMES, 12.5)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


def test_a_failure_leaves_no_video(tmp_path):
    with pytest.raises(av.error.FFmpegError):
        write_video(tmp_path / "odd.mp4", FRAMES[:, :31, :47], 12.5)
    assert not (tmp_path / "odd.mp4").exists()
