"""Trains on one take of every sign and looks for the other: several recipes, several seeds.

    python benchmarks/one_shot_signs.py DATA --work WORK --recipes augmented plain --seeds 1 2 3

DATA holds ``index.csv`` with its videos, and ``keypoints/VIDEO_ID.pkl`` in the published format:
``{'keypoints': (frame, 133, 3), ...}``. They are read with pickle: run it on files you trust. What
is in WORK already is not computed again.
"""

import argparse
import pickle
import subprocess
from dataclasses import fields
from pathlib import Path

import numpy as np

from seds_core.dataset_index import read_index
from seds_core.store.provenance import Provenance
from seds_core.store.reader import StoreReader, VideoEntry
from seds_core.store.records import FinishedVideo, VideoSource
from seds_core.store.writer import StoreWriter

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
    extract = ("seds-extract", "rgb", "--index", index, "--out", rgb)
    call(*extract, "--pipelines", RECIPES, "--pipeline", "augmented")
    if not pose.exists():
        write_pose_store(pose, StoreReader(rgb), options.data / "keypoints")
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


def write_pose_store(path: Path, rgb: StoreReader, keypoints: Path) -> None:
    """Keypoints that were found elsewhere, for the videos of an RGB store."""
    provenance = Provenance(
        kind="pose",
        settings={"frames": rgb.provenance.settings["frames"], "pose": {"detector": "elsewhere"}},
        weights={"name": "elsewhere", "source": str(keypoints), "sha256": "", "is_random": False},
    )
    with StoreWriter(path, provenance) as writer:
        writer.want(rgb.videos)
        while (video_id := writer.claim()) is not None:
            points = pickle.loads((keypoints / f"{video_id}.pkl").read_bytes())["keypoints"]
            writer.finish(pose_video(rgb.videos[video_id], points))


def pose_video(entry: VideoEntry, keypoints: np.ndarray) -> FinishedVideo:
    """The rows of a video: the frames of its timeline."""
    frames = np.arange(0, entry.num_frames, entry.frame_step, dtype=np.int32)
    points = keypoints[frames].astype(np.float32)
    rows = {
        "keypoints": points,
        "person_found": points[..., 2].any(axis=1),
        "person_box": np.full((len(frames), 4), np.nan, np.float32),
        "frame": frames,
    }
    values = {field.name: getattr(entry, field.name) for field in fields(VideoSource)}
    return FinishedVideo(VideoSource(**values), rows)


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
