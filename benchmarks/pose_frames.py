"""Measures pose frames a second against ``MMPoseInferencer``, which takes one frame a call.

    python benchmarks/pose_frames.py
    python benchmarks/pose_frames.py --model demo
    python benchmarks/pose_frames.py --videos VIDEO_FOLDER

Both sides have the same config, the same random weights from a file, and look at whole frames.
The published configs ask for a flip test, which looks at every frame twice. MMPoseInferencer obeys
them; our default does not. So three comparisons are printed: strictly the same config, flip test
included; the flip test off on both sides; and both as they come. ``--bfloat16`` adds ours with
backbone and neck in bfloat16, which is slower where the processor does not compute in it.
"""

import argparse
import copy
import itertools
import sys
import tempfile
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import decord
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from measurement import OURS, matrix_rate, print_conditions, print_table, take_turns
from torch.utils.flop_counter import FlopCounterMode

from extract.pose.mmpose_estimator import MMPoseEstimator
from extract.pose.mmpose_model import MMPoseModel, load_mmpose_model
from extract.pose.provenance import (
    RANDOM,
    PoseModelSource,
    find_model,
)

CPU = torch.device("cpu")
SAME_POINT = 0.05
"""Pixels that two equal keypoints may lie apart."""
FRAMES_OF_A_VIDEO = 4
IN_BFLOAT16 = "ours in bfloat16"
INFERENCER = "MMPoseInferencer"
ASKED_BY_INFERENCER = {
    "data_mode": "topdown",
    "dataset_type": "CocoWholeBodyDataset",
    "visualizer": {"type": "PoseLocalVisualizer"},
}
"""What MMPose's configs have and the demo's has not."""

Frames = UInt8[np.ndarray, "frame height width channel=3"]
Keypoints = Float32[np.ndarray, "frame keypoint=133 coordinate=3"]


def main() -> None:
    """Check that both give the same keypoints, then print one table a comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="rtmpose-l-384")
    parser.add_argument("--videos", type=Path)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--bfloat16", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore")
    print_conditions(vars(options))
    frames = list(real_frames(options) if options.videos else made_up_frames(options.frames))
    with tempfile.TemporaryDirectory() as folder:
        source = with_random_weights(find_model(options.model, RANDOM), Path(folder))
        ways = {True: both_ways(source, flip_test=True), False: both_ways(source, flip_test=False)}
    for flip_test, (theirs, ours) in ways.items():
        check(theirs(frames), ours(frames), f"flip test {'on' if flip_test else 'off'} in both")
    if options.bfloat16:
        reduced = Ours(InBFloat16(ways[False][1].model, CPU))
        print(difference(ways[False][1](frames), reduced(frames), "bfloat16 against float32"))
    else:
        reduced = None
    compare(ways, reduced, frames, options.turns)
    print_floor(ways[False][1].model)


def compare(ways: dict[bool, Any], reduced: "Ours | None", frames: list, turns: int) -> None:
    """All ways take turns; one table a comparison."""
    actions = {
        (name, flip_test): lambda way=way: way(frames)
        for flip_test, pair in ways.items()
        for name, way in zip((INFERENCER, OURS), pair, strict=True)
    }
    if reduced:
        actions[IN_BFLOAT16, False] = lambda: reduced(frames)
    taken = take_turns(actions, turns)
    for title, theirs, ours in [
        ("the same config: flip test on in both", True, True),
        ("flip test off in both", False, False),
        ("as they come: MMPoseInferencer with the config's flip test, ours without", True, False),
    ]:
        print(f"\n{title}\n")
        rows = {INFERENCER: taken[INFERENCER, theirs], OURS: taken[OURS, ours]}
        if reduced and not ours:
            rows[IN_BFLOAT16] = taken[IN_BFLOAT16, False]
        print_table(rows, amount=len(frames), unit="frames")


class Ours:
    """Our estimator over runs of frames of equal size."""

    def __init__(self, estimator: MMPoseEstimator, model: MMPoseModel | None = None) -> None:
        """Take a loaded estimator."""
        self.estimator = estimator
        self.model = model

    def __call__(self, frames: list[UInt8[np.ndarray, "height width channel=3"]]) -> Keypoints:
        """Keypoints of the whole frames."""
        prepared = []
        for shape, run in itertools.groupby(frames, key=np.shape):
            images = np.stack(list(run))
            box = np.array([0, 0, shape[1], shape[0]], np.float32)
            prepared += self.estimator.prepared(images, np.tile(box, (len(images), 1)))
        return self.estimator.keypoints(prepared)


class InBFloat16(MMPoseEstimator):
    """With backbone and neck in bfloat16; batch norms are folded, the head is in float32."""

    def __init__(self, model: MMPoseModel, device: torch.device) -> None:
        """Take a model in float32."""
        from mmcv.cnn import fuse_conv_bn

        super().__init__(model, device)
        network = fuse_conv_bn(copy.deepcopy(model.network))
        network.to(torch.bfloat16).to(memory_format=torch.channels_last)
        self._network.backbone = network.backbone
        if network.with_neck:
            self._network.neck = network.neck

    def _extracted(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self._network.extract_feat(images.bfloat16())
        return tuple(level.float().contiguous() for level in features)


class Theirs:
    """``MMPoseInferencer``, called frame by frame."""

    def __init__(self, config: Path, weights: str) -> None:
        """Load the model as MMPose does."""
        from mmpose.apis import MMPoseInferencer

        with redirect_stdout(sys.stderr):  # It tells what it loads.
            self._infer = MMPoseInferencer(
                pose2d=str(config), pose2d_weights=weights, device="cpu", det_model="whole_image"
            )

    def __call__(self, frames: list[UInt8[np.ndarray, "height width channel=3"]]) -> Keypoints:
        """Keypoints of the whole frames."""
        found = []
        for frame in frames:
            bgr = np.ascontiguousarray(frame[..., ::-1])
            ((person,),) = next(self._infer(bgr))["predictions"]
            found.append(np.c_[person["keypoints"], person["keypoint_scores"]])
        return np.stack(found).astype(np.float32)


def both_ways(source: PoseModelSource, *, flip_test: bool) -> tuple[Theirs, Ours]:
    """MMPose's own way and ours, from the same weights file."""
    model = load_mmpose_model(source, CPU, flip_test=flip_test)
    from mmengine.config import Config

    config = Config.fromfile(source.config)
    config.model.backbone.pop("init_cfg", None)  # Weights from the internet.
    config.model.backbone.pop("_scope_", None)  # Would look for mmdet.
    config.model.test_cfg.flip_test = flip_test
    for name, value in ASKED_BY_INFERENCER.items():
        config.setdefault(name, value)
    path = Path(source.checkpoint).with_name(f"flip_test_{flip_test}.py")
    config.dump(path)
    return Theirs(path, source.checkpoint), Ours(MMPoseEstimator(model, CPU), model)


def with_random_weights(source: PoseModelSource, folder: Path) -> PoseModelSource:
    """The same model with random weights in a file."""
    path = folder / "random.pth"
    model = load_mmpose_model(source, CPU, flip_test=False)
    network = with_measured_norms(model.network)
    torch.save({"state_dict": network.state_dict(), "meta": {}}, path)
    return PoseModelSource(source.name, source.config, str(path))


def with_measured_norms(network: Any) -> torch.nn.Module:  # noqa: ANN401 - mmpose's
    """Give every batch norm the statistics of its own input, as training does.

    With those of a new network most keypoints would be the same in every frame.
    """
    from mmengine.model import revert_sync_batchnorm

    network = revert_sync_batchnorm(network).train()
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    width, height = network.head.decoder.input_size
    coarse = torch.randn(4, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        network._forward(torch.nn.functional.interpolate(coarse, (height, width)))
    return network


def made_up_frames(num_frames: int) -> Frames:
    """Smooth coloured images."""
    coarse = np.random.default_rng(0).integers(0, 256, (num_frames, 12, 16, 3))
    return np.kron(coarse, np.ones((1, 40, 40, 1))).astype(np.uint8)


def real_frames(options: argparse.Namespace) -> Frames:
    """The first frames of the first videos; their sizes may differ."""
    paths = sorted(options.videos.rglob("*.mp4"))[: -(-options.frames // FRAMES_OF_A_VIDEO)]
    for path in paths:
        yield from decord.VideoReader(str(path)).get_batch(range(FRAMES_OF_A_VIDEO)).asnumpy()


def check(theirs: Keypoints, ours: Keypoints, title: str) -> None:
    """Stop unless nearly all keypoints are the same; random weights leave some maxima open."""
    print(difference(theirs, ours, title))
    if np.mean(np.ptp(theirs[..., 0], axis=0) > 1) < 0.5:
        raise SystemExit("most keypoints do not move from frame to frame: nothing was compared")
    if np.mean(distances(theirs, ours) > SAME_POINT) > 1e-3:
        raise SystemExit("the keypoints differ")


def difference(one: Keypoints, other: Keypoints, title: str) -> str:
    """How far two results are apart."""
    apart = distances(one, other)
    confidence = np.abs(one[..., 2] - other[..., 2]) / np.abs(one[..., 2])
    return (
        f"{title}: {np.sum(apart > SAME_POINT)} of {apart.size} keypoints lie over {SAME_POINT} px "
        f"apart; largest distance {apart.max():.2g} px, "
        f"largest relative difference of confidence {confidence.max():.2g}"
    )


def distances(one: Keypoints, other: Keypoints) -> Float32[np.ndarray, "frame keypoint=133"]:
    """Pixels between the same keypoints of two results."""
    return np.linalg.norm(one[..., :2] - other[..., :2], axis=-1)


def print_floor(model: MMPoseModel) -> None:
    """Frames a second if the network's products ran like one large matrix product."""
    width, height = model.network.head.decoder.input_size
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.network._forward(torch.zeros(1, 3, height, width))
    operations, rate = counter.get_total_flops(), matrix_rate()
    print(
        f"\n{operations / 1e9:.1f} GFLOP a frame without flip test, a large matrix product runs at "
        f"{rate / 1e9:.0f} GFLOP/s: at most {rate / operations:.2f} frames/s, half with flip test"
    )


if __name__ == "__main__":
    main()
