"""Videos whose features are not finite cost their steps, are named, and end no run."""

import numpy as np
import pytest
from run_comparison import metric_lines
from small_stores import LENGTHS, RGB, rgb_video, write_store
from small_training import change_settings, small_request

from seds_core.errors import UsageError
from train.training.run import train


@pytest.fixture
def folder_with(small_folder):
    """Makes the RGB store anew, with features that are not finite in some videos."""

    def folder_with(*broken):
        videos = [rgb_video(video, length) for video, length in LENGTHS.items()]
        for video in videos:
            if video.source.video_id in broken:
                video.rows["features"][-1, 2] = np.inf
        write_store(small_folder / "broken.zarr", RGB, videos)
        change_settings(small_folder, "epochs: 4", "epochs: 2")
        return small_folder

    return folder_with


def request(folder, **changes):
    return small_request(folder, stage="rgb", rgb=(folder / "broken.zarr",), pose=None, **changes)


def test_steps_are_skipped_and_counted_by_name(folder_with, capsys):
    folder = folder_with("c")
    assert train(**request(folder)) == 0
    steps = metric_lines(folder / "runs" / "run")
    skipped = [line for line in steps if line["skipped"]]
    assert len(steps) == 6
    assert [line["unusable_videos"] for line in skipped] == [["c"], ["c"]]  # once an epoch
    told = [line for line in capsys.readouterr().err.splitlines() if "not finite" in line]
    assert [("'c'" in line, "2 steps" in line) for line in told] == [(True, False), (True, True)]


def test_validation_refuses_them(folder_with):
    with pytest.raises(UsageError, match="features of 'g' hold"):
        train(**request(folder_with("g")))


def test_a_dry_run_refuses_them(folder_with):
    with pytest.raises(UsageError, match="not finite"):
        train(**request(folder_with(*"abcdef"), dry_run=True))
