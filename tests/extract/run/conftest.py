import csv
import json
from dataclasses import dataclass, replace
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


@pytest.fixture
def run(corpus, tmp_path, monkeypatch, capsys):
    """Extracts the corpus; gives the exit code and the last event.

    Keeps all events, what was printed, and how often the network was loaded.
    """
    from mean_stream import MeanStream, write_pipeline

    from extract.run import command

    def run(stream=None, **options):
        loaded = stream or MeanStream()
        known = replace(loaded.provenance, device="")
        run.loaded = 0

        def load_stream(*_):
            run.loaded += 1
            return loaded

        monkeypatch.setattr(command, "load_stream", load_stream)
        monkeypatch.setattr(command, "known_provenance", lambda *_: known)
        usual = {"store": tmp_path / "rgb.zarr", "index": corpus.index, "pipeline": "tiny"}
        usual |= {"pipelines": write_pipeline(tmp_path), "as_json": True}
        code = command.extract("rgb", **(usual | options))
        run.told = capsys.readouterr()
        run.events = [json.loads(line) for line in run.told.out.splitlines()]
        return code, run.events[-1]

    return run


@pytest.fixture
def sample():
    """Ten videos, two of which were looked into."""
    from extract.run.estimate import VideoSample

    return VideoSample("index.csv", 10, (100, 400), 0, 25.0, 3_000_000_000)


@pytest.fixture
def works():
    """An RGB clip takes 2 s, a pose frame 0.5 s, a fifth of it on the CPU."""
    from extract.run.hours import StreamWork, Work

    video = Work("video network", 2.0, 0.0, 40e9, "float32", "float16", 40e9)
    keypoints = Work("keypoint model", 0.5, 0.1, 20e9, "float32", "float16", 100e9)
    return StreamWork("rgb", (video,), 0.02), StreamWork("pose", (keypoints,), 0.01)


@pytest.fixture
def make(sample, works):
    """Makes a plan of the two."""
    from extract.run.plan import Machine, make_plan
    from extract.run.releases import Step
    from extract.settings import ExtractSettings

    def make(settings=None, sample=sample, machine=None, is_drawn=False):
        return make_plan(
            "how2sign",
            settings or ExtractSettings(),
            sample,
            works,
            machine or Machine("cpu", 2, is_cpu=True, load=0.1),
            [Step("keypoints", "seds-extract pose --out stores/[a].zarr")],
            ["an archive [1]"],
            is_drawn=is_drawn,
        )

    return make
