"""A pipeline of a model as small as can be, and training runs with it on the small stores.

Run as a program with a folder and a run's name, it trains there in a process of its own, with
options of ``seds-train`` and the ones below.
"""

import sys
import time
from pathlib import Path

from reference.small_stores import small_data_set

OWN_OPTIONS = {"--slowly", "--save-every-step", "--fail", "--stand-still"}
"""The last two: an error of the program, and an endless computation, in the fifth step."""

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
    """Arguments of ``train``: four epochs of three steps; a tiny text encoder with CLIP's words."""
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
    return values | changes


def small_settings(folder, **data):
    """Settings of the pipeline on stores of the folder, ``rgb`` and ``pose`` as they are given."""
    from seds_core.pipeline_file import read_section, with_changes
    from train.settings import TrainSettings

    settings = read_section(folder / "pipelines.yaml", "small", "train", TrainSettings)
    stores = {"rgb": folder / "rgb.zarr", "pose": folder / "pose.zarr"}
    return with_changes(settings, "data", {"index": folder / "index.csv"} | stores | data)


def change_settings(folder, old, new):
    """Puts something else into the pipeline file."""
    path = folder / "pipelines.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def main():
    """Trains in a process of its own, as the command does, so that it can be killed."""
    import torch

    from train.cli import main as seds_train
    from train.training import loop
    from train.training.step import TrainingStep

    torch.set_num_threads(1)
    folder, name, *options = sys.argv[1:]
    take_step = TrainingStep.__call__
    if "--save-every-step" in options:
        loop.SAVE_EVERY_MINUTES = 0.0

    def step(self, batch, number):
        if "--slowly" in options:
            time.sleep(0.3)
        if number == 4 and "--fail" in options:
            raise RuntimeError("a mistake of ours")
        if number == 4 and "--stand-still" in options:
            (Path(folder) / "standing").touch()
            time.sleep(600)
        return take_step(self, batch, number)

    TrainingStep.__call__ = step
    where = Path(folder)
    sys.argv = [
        "seds-train", "--stage", "fusion", "--pipeline", "small", "--device", "cpu", "--seed", "0",
        "--pipelines", where / "pipelines.yaml", "--index", where / "index.csv",
        "--rgb", where / "rgb.zarr", "--pose", where / "pose.zarr",
        "--runs", where / "runs", "--name", name,
        *(option for option in options if option not in OWN_OPTIONS),
    ]  # fmt: skip
    sys.argv = [str(argument) for argument in sys.argv]
    seds_train()


if __name__ == "__main__":
    main()
