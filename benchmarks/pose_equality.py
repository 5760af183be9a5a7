"""Measures how far batches of real frames are from MMPose's own inference, and how much faster.

    python benchmarks/pose_equality.py VIDEO_FOLDER --models rtmpose-m hrnet-w32 --frames 50

Weights are random unless ``--published`` is given, which downloads the published ones. Random
weights are the harder test: their maxima lie anywhere, and the smallest difference moves them.
"""

import argparse
import sys
import tempfile
import time
import warnings
from contextlib import redirect_stdout
from pathlib import Path

import decord
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from pose_frames import with_measured_norms

from extract.pose.mmpose_estimator import MMPoseEstimator
from extract.pose.mmpose_model import load_mmpose_model
from extract.pose.provenance import PoseModelSource, find_model, local_checkpoint

FRAMES_OF_A_VIDEO = 5

Frames = UInt8[np.ndarray, "frame height width channel=3"]
Boxes = Float32[np.ndarray, "frame box=4"]


def main() -> None:
    """Print one line a model: largest distance in pixels, and milliseconds a frame of both ways."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("videos", type=Path)
    parser.add_argument("--models", nargs="+", default=["rtmpose-m", "hrnet-w32"])
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--published", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    samples = real_samples(options.videos, options.frames // FRAMES_OF_A_VIDEO)
    for name in options.models:
        with tempfile.TemporaryDirectory() as folder:
            source = find_model(name)
            if not options.published:
                source = with_random_weights(source, Path(folder) / "random.pth")
            print(name, compare(source, samples))


def real_samples(folder: Path, num_videos: int) -> list[tuple[Frames, Boxes]]:
    """The first frames of the first videos; boxes alternate between the whole frame and a part."""
    samples = []
    for path in sorted(folder.rglob("*.mp4"))[:num_videos]:
        frames = decord.VideoReader(str(path)).get_batch(range(FRAMES_OF_A_VIDEO)).asnumpy()
        height, width = frames.shape[1:3]
        boxes = np.tile(np.array([0, 0, width, height], np.float32), (len(frames), 1))
        boxes[1::2] *= np.array([1, 1, 0.8, 0.9], np.float32)
        samples.append((frames, boxes))
    return samples


def with_random_weights(source: PoseModelSource, path: Path) -> PoseModelSource:
    """The same model with random weights, saved at ``path``."""
    source = find_model(source.name, "random")
    model = load_mmpose_model(source, torch.device("cpu"), flip_test=False)
    network = with_measured_norms(model.network)
    torch.save({"state_dict": network.state_dict()}, path)
    return PoseModelSource(source.name, source.config, str(path))


def compare(source: PoseModelSource, samples: list[tuple[Frames, Boxes]]) -> str:
    """Both ways over all samples."""
    model = load_mmpose_model(source, torch.device("cpu"), flip_test=False)
    estimator = MMPoseEstimator(model, torch.device("cpu"))
    start = time.perf_counter()
    ours = [
        estimator.keypoints(estimator.prepared(frames, boxes))[..., :2] for frames, boxes in samples
    ]
    middle = time.perf_counter()
    theirs = found_by_mmpose(source, samples)
    end = time.perf_counter()
    num_frames = sum(len(frames) for frames, _ in samples)
    distance = max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True))
    return (
        f"{num_frames} frames: largest difference {distance:.6f} px; "
        f"{(middle - start) / num_frames * 1e3:.0f} ms a frame, "
        f"MMPose {(end - middle) / num_frames * 1e3:.0f} ms with loading the model"
    )


def found_by_mmpose(
    source: PoseModelSource, samples: list[tuple[Frames, Boxes]]
) -> list[Float32[np.ndarray, "frame keypoint=133 coordinate=2"]]:
    """Keypoints from ``init_model`` and ``inference_topdown``, one frame at a time."""
    from mmengine.config import Config
    from mmpose.apis import inference_topdown, init_model

    config = Config.fromfile(source.config)
    config.model.backbone.pop("_scope_", None)
    config.model.test_cfg.flip_test = False
    with warnings.catch_warnings(), redirect_stdout(sys.stderr):  # It tells what it loads.
        warnings.simplefilter("ignore")
        model = init_model(config, str(local_checkpoint(source.checkpoint)), device="cpu")
        found = []
        for frames, boxes in samples:
            images = [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]  # BGR
            people = [
                inference_topdown(model, image, box[None])[0].pred_instances
                for image, box in zip(images, boxes, strict=True)
            ]
            found.append(np.concatenate([person.keypoints for person in people]))
    return found


if __name__ == "__main__":
    main()
