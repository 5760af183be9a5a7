import numpy as np
import pytest
from mean_stream import MeanStream
from video_files import numbered_frames, numbered_video, read_number

from extract.run import sample
from extract.run.sample import decode_some
from extract.settings import FrameSettings
from extract.videos.listing import ListedVideo
from seds_core.errors import UnavailableError


def listed(*paths):
    return [ListedVideo(path.stem, path) for path in paths]


def test_the_first_chunk_is_kept_as_the_networks_get_it(tmp_path):
    videos = listed(numbered_video(tmp_path / "a.mp4", 100))
    decoded = decode_some(videos, MeanStream(), FrameSettings(max_frames=50))
    assert [read_number(frame) for frame in decoded.frames] == list(range(0, 100, 2))


def test_every_frame_of_a_video_counts(tmp_path, monkeypatch):
    clock = iter([10.0, 16.0])
    monkeypatch.setattr(sample.time, "perf_counter", lambda: next(clock))
    videos = listed(numbered_video(tmp_path / "a.mp4", 60))
    decoded = decode_some(videos, MeanStream(), FrameSettings(max_frames=20))
    assert decoded.seconds_a_frame == pytest.approx(6 / 60)


def test_a_few_videos_are_enough(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        sample, "decode_job",
        lambda video, stream, frames, make=sample.decode_job: (
            opened.append(video.video_id) or make(video, stream, frames)
        ),
    )  # fmt: skip
    path = numbered_video(tmp_path / "a.mp4", 3)
    decode_some([ListedVideo(str(n), path) for n in range(10)], MeanStream(), FrameSettings())
    assert opened == ["0", "3", "6"]


def test_a_damaged_video_is_passed_over(tmp_path):
    good = numbered_video(tmp_path / "good.mp4", 3)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(good.read_bytes()[:300])
    decoded = decode_some(listed(bad, good), MeanStream(), FrameSettings())
    assert np.abs(decoded.frames[0].astype(int) - numbered_frames(1)[0]).mean() < 20
    with pytest.raises(UnavailableError, match=r"bad\.mp4"):
        decode_some(listed(bad), MeanStream(), FrameSettings())
