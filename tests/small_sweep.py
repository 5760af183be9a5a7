"""A sweep of tiny models on the small stores, and an engine that makes its results up."""

from pathlib import Path

import numpy as np
from small_training import prepare_folder

from train.evaluation.kept_hits import KeptHits
from train.evaluation.ranks import DIRECTIONS
from train.sweep.engine import Outcome

SWEEP = """
pipelines: {folder}/pipelines.yaml
pipeline: small
seeds: [1, 2]
threads: 1
train:
  data: {{index: {folder}/index.csv, rgb: {folder}/rgb.zarr, pose: {folder}/pose.zarr}}
recipes:
  base: {{}}
  calm: {{train: {{augmentation: {{jitter: 0.0}}}}}}
  fast: {{train: {{optimisation: {{learning_rates: {{streams: 0.01}}}}}}}}
"""


def prepare_sweep(folder):
    """The stores, an index with all three splits, the pipeline file and the sweep's file."""
    prepare_folder(folder)
    index = folder / "index.csv"
    text = index.read_text()
    for old, new in (("dev,see", "test,see"), ("train,it is", "dev,it is"), ("train,w", "test,w")):
        assert old in text
        text = text.replace(old, new)
    index.write_text(text)
    write_sweep(folder)
    return folder


def write_sweep(folder, old="recipes:", new="recipes:"):
    """Writes the sweep's file, with something else in one place."""
    text = SWEEP.format(folder=folder)
    assert old in text
    (folder / "sweep.yaml").write_text(text.replace(old, new))
    return folder / "sweep.yaml"


class MadeUpRuns:
    """Trains nothing: each recipe answers a fraction of forty queries, and some runs fail."""

    def __init__(self, failing=(), levels_on_test=None):
        self.levels = {"base": 0.3, "calm": 0.6, "fast": 0.4, "more": 0.9}
        self.failing, self.levels_on_test = failing, levels_on_test or self.levels
        self.done = []
        self._ended = []

    def start(self, work):
        self.done.append((work.name, work.split))
        if work.name in self.failing:
            Path(work.log).parent.mkdir(parents=True, exist_ok=True)
            Path(work.log).write_text("before\nerror: it diverged | as it does\nafter\n")
            self._ended.append(Outcome(work, 1))
            return
        levels = self.levels_on_test if work.split == "test" else self.levels
        generator = np.random.default_rng([work.seed, len(work.split)])
        chance = generator.random(40)
        hits = {
            ("fusion", way, k): (chance < min(1, levels[work.pipeline] * k)).astype(float)
            for way in DIRECTIONS
            for k in (1, 5, 10)
        }
        names = tuple(f"{work.split}{n}" for n in range(40))
        KeptHits(names, names, np.arange(40), hits).write(Path(work.hits))
        self._ended.append(Outcome(work, 0))

    def ended(self):
        ended, self._ended = self._ended, []
        return ended

    def stop(self):
        raise AssertionError("nobody asked to stop")
