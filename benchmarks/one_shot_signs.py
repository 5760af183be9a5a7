"""Trains on one take of every sign and looks for the other: several recipes, several seeds.

    python benchmarks/one_shot_signs.py DATA --work WORK --recipes augmented plain --seeds 1 2 3

DATA holds ``index.csv`` with its videos, and ``keypoints/VIDEO_ID.pkl`` in the published format:
``{'keypoints': (frame, 133, 3), ...}``. What is in WORK already is not computed again.
"""

import argparse
import subprocess
from pathlib import Path

import numpy as np

from seds_core.dataset_index import read_index
from seds_core.store.reader import StoreReader

RECIPES = Path(__file__).with_suffix(".yaml")


def main() -> None:
    """Print the untrained nearest neighbour's score, and a table a recipe."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--recipes", nargs="+", default=["augmented"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    parser.add_argument("--init", type=Path, help="Weights that every run begins with.")
    options = parser.parse_args()
    index = options.data / "index.csv"
    rgb, pose = options.work / "rgb.zarr", options.work / "pose.zarr"
    shared = ("--index", index, "--pipelines", RECIPES, "--pipeline", "augmented")
    call("seds-extract", "rgb", "--out", rgb, *shared)
    keypoints = options.data / "keypoints"
    call("seds-extract", "import", "published-keypoints", keypoints, "--out", pose, *shared)
    print(f"untrained nearest neighbour by RGB features: R@1 {nearest_neighbour(index, rgb):.3f}")
    begin_with = ("--init", options.init) if options.init else ()
    for recipe in options.recipes:
        runs = [options.work / "runs" / f"{recipe}-{seed}" for seed in options.seeds]
        for run, seed in zip(runs, options.seeds, strict=True):
            going_on = ("--resume",) if (run / "last.pt").exists() else begin_with
            call(
                "seds-train", "--stage", "fusion", "--pipelines", RECIPES, "--pipeline", recipe,
                "--index", index, "--rgb", rgb, "--pose", pose, "--seed", seed, *going_on,
                "--runs", run.parent, "--name", run.name,
            )  # fmt: skip
        call("seds-eval", *(word for run in runs for word in ("--run", run)))


def call(*words: object) -> None:
    """Run one of the project's commands."""
    subprocess.run([str(word) for word in words], check=True)


def nearest_neighbour(index: Path, rgb: Path) -> float:
    """Share of test videos whose nearest training video, by the cosine of mean features, shows
    the same sign."""
    store = StoreReader(rgb)
    videos = {split: [v for v in read_index(index) if v.split == split] for split in SPLITS}
    means = {
        split: np.stack([store.rows(v.video_id)["features"].mean(axis=0) for v in videos[split]])
        for split in SPLITS
    }
    train, test = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in means.values())
    nearest = (test @ train.T).argmax(axis=1)
    pairs = zip(videos["test"], nearest, strict=True)
    return float(np.mean([video.text == videos["train"][place].text for video, place in pairs]))


SPLITS = ("train", "test")


if __name__ == "__main__":
    main()
