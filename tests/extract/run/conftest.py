import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest


@dataclass
class Corpus:
    """Small videos and their index."""

    folder: Path
    index: Path
    ids: list[str]

    def path(self, video_id):
        return self.folder / f"{video_id}.mp4"


def write_noise(path, num_frames, seed):
    from extract.videos.video_writing import write_video

    coarse = np.random.default_rng(seed).integers(0, 255, (num_frames, 6, 8, 3), np.uint8)
    write_video(path, coarse.repeat(8, axis=1).repeat(8, axis=2), 25.0)


@pytest.fixture
def corpus(tmp_path):
    ids = [f"video{number}" for number in range(6)]
    folder = tmp_path / "videos"
    folder.mkdir()
    for number, video_id in enumerate(ids):
        write_noise(folder / f"{video_id}.mp4", 20 + 5 * number, seed=number)
    index = tmp_path / "index.csv"
    with index.open("w", newline="") as file:
        csv.writer(file).writerows([("video_id", "path"), *((v, folder / f"{v}.mp4") for v in ids)])
    return Corpus(folder, index, ids)
