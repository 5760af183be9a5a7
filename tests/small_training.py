"""A pipeline of a model as small as can be, and training runs with it on the small stores.

Run as a program with a folder, a run's name and ``--resume``, ``--slowly`` or
``--save-every-step``, it trains there in a process of its own.
"""

import sys
import time
from pathlib import Path

from small_stores import small_data_set

PIPELINES = """
pipelines:
  small:
    train:
      data: {workers: 0}
      keypoints: {max_clips: 6}
      augmentation: {jitter: 0.5}
      embedding_dim: 64
      text: {encoder: clip, weights: random, max_words: 12, width: 64, layers: 1}
      pose_encoder: {width: 8}
      streams: {width: 64, layers: 1, initial: random}
      cgaf: {neighbours: [3], heads: 2, hidden: 32}
      optimisation: {epochs: 4, batch_size: 2, learning_rates: {text: 0.001, streams: 0.001}}
      evaluation: {batch_size: 4}
"""


def prepare_folder(folder):
    """The stores, the index and the pipeline file, which runs of this folder share."""
    (folder / "pipelines.yaml").write_text(PIPELINES)
    small_data_set(folder)
    return folder


def small_request(folder, name="run", **changes):
    """A request of four epochs of three steps; its text encoder is tiny, its words CLIP's."""
    from train.training.request import TrainRequest

    values = {
        "stage": "fusion",
        "pipeline": "small",
        "pipelines": folder / "pipelines.yaml",
        "index": folder / "index.csv",
        "rgb": (folder / "rgb.zarr",),
        "pose": folder / "pose.zarr",
        "run_dir": folder / "runs" / name,
        "device": "cpu",
        "seed": 0,
    }
    return TrainRequest(**(values | changes))


def change_settings(folder, old, new):
    """Puts something else into the pipeline file."""
    path = folder / "pipelines.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def main():
    """Trains in a process of its own, so that it can be killed."""
    import torch

    from seds_core.command_line import run
    from train.training import checkpoint_keeper
    from train.training.run import train
    from train.training.step import TrainingStep

    torch.set_num_threads(1)
    folder, name, *options = sys.argv[1:]
    request = small_request(Path(folder), name, resume="--resume" in options)
    if "--save-every-step" in options:
        checkpoint_keeper.SAVE_EVERY_MINUTES = 0.0
    if "--slowly" in options:
        take_step = TrainingStep.__call__

        def slow_step(self, batch, step):
            time.sleep(0.3)
            return take_step(self, batch, step)

        TrainingStep.__call__ = slow_step
    run(lambda: sys.exit(train(request)))


if __name__ == "__main__":
    main()
