"""Measures the RGB features of overlapping clips against the published way of computing them.

    python benchmarks/rgb_windows.py
    python benchmarks/rgb_windows.py --videos FOLDER --limit 20

The published way cuts every clip out, scales and crops its frames by ``grid_sample``, and runs
Inception I3D on batches of 18 clips, channels first, batch norm apart. Ours prepares a frame once
and computes once what overlapping clips share; "clips apart" is ours without sharing. The clips are
the first of a made-up video's: at every frame, and of the published plan (at most 64 clips) of
videos of several lengths. Ways take turns in one process; the floor is the operations of each at
the machine's matrix rate.

With ``--videos`` it compares the features of real videos, shared and apart, and times nothing.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from measurement import matrix_rate, peak_memory, print_conditions, print_table, take_turns
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from extract.rgb.backbones import Backbone, find_architecture, load_backbone
from extract.rgb.i3d_network import (
    ConvolutionUnit,
    InceptionBlock,
    InceptionI3D,
    MaxPool,
    same_padding,
)
from extract.rgb.provenance import weights_file
from extract.rgb.weights import random_network
from seds_core.clip_plan import plan_clips
from seds_core.torch_files import fill_network

CLIP = 16
PUBLISHED_BATCH = 18
NUM_CLASSES = 400
LARGEST_DIFFERENCE = 1e-5
"""Relative, between sharing and not: only sums in another order may differ."""


def main() -> None:
    """One table a set of clips, then the same clips in bfloat16; or the videos' differences."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    backbone = load_backbone("i3d", options.weights)
    with torch.inference_mode():
        if options.videos:
            compare_videos(backbone, options)
            return
        for title, starts in clip_sets(options).items():
            compare_ways(title, starts, backbone, options)
        compare_bfloat16(backbone, options)


def parse_options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", default="kinetics400", help="of i3d, or 'random'")
    parser.add_argument("--windows", type=int, default=18, help="clips of each video")
    parser.add_argument("--lengths", type=int, nargs="*", default=[120, 300], help="in frames")
    parser.add_argument("--batch", type=int, default=18, help="clips at once, our ways")
    parser.add_argument("--half-windows", type=int, default=4, help="clips in bfloat16")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", action="store_true", help="measure peak memory too")
    parser.add_argument("--videos", type=Path, help="compare these instead of timing")
    parser.add_argument("--limit", type=int, default=20, help="videos to compare")
    return parser.parse_args()


def clip_sets(options: argparse.Namespace) -> dict[str, list[int]]:
    """Title -> starts of the first clips."""
    sets = {"a clip at every frame": list(range(options.windows))}
    for length in options.lengths:
        plan = plan_clips(length, max_frames=300, clip_length=CLIP, max_clips=64)
        sets[f"published plan, {length} frames"] = plan.starts.tolist()[: options.windows]
    return sets


def made_up_frames(num_frames: int) -> Tensor:
    """A moving pattern, 256 x 256 pixels, as decoded: (frame, height, width, channel)."""
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    picture = cv2.resize(picture, (256, 256), interpolation=cv2.INTER_CUBIC)
    return torch.from_numpy(np.stack([np.roll(picture, 3 * n, axis=1) for n in range(num_frames)]))


def published_network(weights: str) -> InceptionI3D:
    """Our container of the published tensors, as they are published: batch norm apart."""
    build = partial(InceptionI3D, num_classes=NUM_CLASSES)
    read, path = find_architecture("i3d").weights[weights].read, weights_file("i3d", weights)
    if read is None or path is None:
        return random_network(build)[0].eval().requires_grad_(requires_grad=False)
    network = build()
    fill_network(network, read(path), path)
    return network.eval().requires_grad_(requires_grad=False)


def published_layer(layer: nn.Module, x: Tensor) -> Tensor:
    """A layer as published: zeros are put around, then the plain operation."""
    if isinstance(layer, InceptionBlock):
        chains = (
            (layer.b0,),
            (layer.b1a, layer.b1b),
            (layer.b2a, layer.b2b),
            (layer.b3a, layer.b3b),
        )
        return torch.cat([published_chain(chain, x) for chain in chains], dim=1)
    before, after = same_padding(tuple(x.shape[2:]), layer.kernel, layer.stride)
    x = F.pad(x, [side for axis in (2, 1, 0) for side in (before[axis], after[axis])])
    if isinstance(layer, MaxPool):
        return F.max_pool3d(x, layer.kernel, layer.stride)
    assert isinstance(layer, ConvolutionUnit)
    return F.relu(layer.bn(F.conv3d(x, layer.conv3d.weight, None, layer.stride)))


def published_chain(layers: Sequence[nn.Module], x: Tensor) -> Tensor:
    """Layers one after another, as published."""
    for layer in layers:
        x = published_layer(layer, x)
    return x


def published_way(network: InceptionI3D, frames: Tensor, starts: Sequence[int]) -> Tensor:
    """Features (clip, 1024), every clip from its decoded frames on."""
    points = torch.linspace(-0.875, 0.875, 224)
    y, x = torch.meshgrid(points, points, indexing="ij")
    grid = torch.stack((x, y), dim=-1).expand(CLIP, -1, -1, -1)
    layers = list(islice(network.children(), len(list(network.children())) - 1))
    features = []
    for first in range(0, len(starts), PUBLISHED_BATCH):
        clips = []
        for start in starts[first : first + PUBLISHED_BATCH]:
            images = frames[start : start + CLIP].movedim(-1, 1).float() / 255
            crop = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
            clips.append((crop - 0.5).movedim(1, 0))
        last = published_chain(layers, torch.stack(clips).contiguous())
        features.append(F.avg_pool3d(last, (2, 7, 7), stride=1).mean(dim=(2, 3, 4)))
    return torch.cat(features)


def our_way(
    backbone: Backbone, frames: Tensor, starts: Sequence[int], batch: int, *, share: bool
) -> Tensor:
    """Features (clip, 1024), every frame prepared once; ``share``: layers of neighbours too."""
    prepared = torch.cat([backbone.prepare(piece) for piece in frames.split(CLIP)], dim=1)
    features = []
    for first in range(0, len(starts), batch):
        some = starts[first : first + batch]
        if share:
            features.append(backbone.window_features(prepared, some))
        else:
            clips = torch.stack([prepared[:, start : start + CLIP] for start in some])
            features.append(backbone.features(clips))
    return torch.cat(features)


def ways_of(
    backbone: Backbone, options: argparse.Namespace, starts: Sequence[int]
) -> dict[str, Callable[[], Tensor]]:
    """Name -> what computes the features of the clips of a made-up video."""
    frames = made_up_frames(starts[-1] + CLIP)
    ours = partial(our_way, backbone, frames, starts, options.batch)
    network = published_network(options.weights)
    return {
        "published": partial(published_way, network, frames, starts),
        "clips apart": partial(ours, share=False),
        "ours": partial(ours, share=True),
    }


def compare_ways(
    title: str, starts: list[int], backbone: Backbone, options: argparse.Namespace
) -> None:
    """Checks that all ways give the same, then prints windows a second."""
    # What the published network sees differs between weights: its crop is for all of them here.
    backbone = with_published_preparation(backbone)
    ways = ways_of(backbone, options, starts)
    counted = {name: with_operations(way) for name, way in ways.items()}
    features = {name: values for name, (values, _) in counted.items()}
    operations = {name: number for name, (_, number) in counted.items()}
    differences = {name: relative(features[name], features["published"]) for name in ways}
    sharing = relative(features["ours"], features["clips apart"])
    assert sharing < LARGEST_DIFFERENCE, f"sharing changed features by {sharing}"
    assert max(differences.values()) < 1e-4, f"features differ: {differences}"
    print(f"{title}: {len(starts)} windows; sharing changes features by {sharing:.1e}\n")
    rate = matrix_rate()
    columns = {
        "GFLOP a window": {n: f"{v / len(starts) / 1e9:.1f}" for n, v in operations.items()},
        "floor, windows/s": {n: f"{len(starts) * rate / v:.3g}" for n, v in operations.items()},
        "difference": {name: f"{value:.1e}" for name, value in differences.items()},
    }
    if options.memory:
        columns["peak MiB"] = {
            n: f"{peak_memory(memory_trial, n, starts, options):.0f}" for n in ways
        }
    seconds = take_turns(ways, options.turns, warm_up=False)
    print_table(seconds, amount=len(starts), unit="windows", more=columns)
    print()


def with_published_preparation(backbone: Backbone) -> Backbone:
    """The same network on frames of 256 x 256 pixels, cropped and scaled as published."""
    return replace(backbone, preparation=find_architecture("i3d").preparation)


def memory_trial(name: str, starts: list[int], options: argparse.Namespace) -> Callable[[], Tensor]:
    """For :func:`measurement.peak_memory`."""
    backbone = with_published_preparation(load_backbone("i3d", options.weights))
    return torch.inference_mode()(ways_of(backbone, options, starts)[name])


def with_operations(way: Callable[[], Tensor]) -> tuple[Tensor, int]:
    """Features, and the operations of convolutions and matrix products; two a multiply-add.

    Multiplying by padding counts.
    """
    counter = FlopCounterMode(display=False)  # It sees nothing of what inference mode runs.
    with torch.inference_mode(mode=False), torch.no_grad(), counter:
        return way(), counter.get_total_flops()


def relative(one: Tensor, other: Tensor) -> float:
    """Largest difference, as a part of the largest value."""
    return float((one - other).abs().max() / other.abs().max())


def compare_bfloat16(backbone: Backbone, options: argparse.Namespace) -> None:
    """The same clips in bfloat16 and float32: how alike, and how fast on this processor."""
    backbone = with_published_preparation(backbone)
    starts = list(range(options.half_windows))
    single = ways_of(backbone, options, starts)["ours"]

    def half() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return single()

    alike = F.cosine_similarity(half().float(), single(), dim=1)
    print(f"bfloat16: least cosine similarity with float32 {alike.min():.6f}\n")
    seconds = take_turns({"bfloat16": half, "ours": single}, options.turns, warm_up=False)
    print_table(seconds, amount=len(starts), unit="windows")


def compare_videos(backbone: Backbone, options: argparse.Namespace) -> None:
    """Features of the first clips of real videos, shared and apart."""
    paths = sorted(path for path in options.videos.rglob("*") if path.suffix in {".mp4", ".avi"})
    largest_difference, largest_part, num_clips = 0.0, 0.0, 0
    for path in paths[: options.limit]:
        frames = read_frames(path, backbone)
        plan = plan_clips(len(frames), max_frames=300, clip_length=CLIP, max_clips=64)
        if len(frames) < CLIP or plan.frame_step > 1:
            continue
        starts = plan.starts.tolist()[: options.windows]
        shared, apart = (
            our_way(backbone, frames, starts, options.batch, share=share) for share in (True, False)
        )
        largest_difference = max(largest_difference, float((shared - apart).abs().max()))
        largest_part = max(largest_part, relative(shared, apart))
        num_clips += len(starts)
    print(f"{num_clips} clips of real videos, shared against apart:")
    print(f"largest difference {largest_difference:.2e}, relative {largest_part:.2e}")
    assert num_clips, f"no video of 16 to 300 frames in {options.videos}"
    assert largest_part < LARGEST_DIFFERENCE


def read_frames(path: Path, backbone: Backbone) -> Tensor:
    """All frames, resized as the backbone wants them: (frame, height, width, channel)."""
    film = cv2.VideoCapture(str(path))
    frames = []
    while (read := film.read())[0]:
        height, width = read[1].shape[:2]
        frames.append(cv2.resize(read[1], backbone.fit.target_size(width, height))[..., ::-1])
    return torch.from_numpy(np.stack(frames))


if __name__ == "__main__":
    main()
