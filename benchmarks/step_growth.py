"""Measures how a training step grows with the frames and with the clips of its videos.

    python benchmarks/step_growth.py

The whole model at reduced widths, all videos of a batch equally long. The rows of a table differ in
one size and take turns in one process. In a step that is linear in it, a frame, or a clip, costs no
more where there are more of them; what each further one costs leaves out what does not depend on
their number, such as the optimiser.
"""

import argparse
import statistics
from collections.abc import Callable

import torch
from measurement import print_conditions, ratios, spread, take_turns
from training_step import SMALL

from reference.random_videos import random_videos
from train.batches import ClipLayout
from train.model.retrieval_model import RetrievalModel
from train.optimisation.optimiser import build_optimiser
from train.precision import loss_scaler
from train.processes import Processes
from train.settings import LossSettings, SimilaritySettings, TrainSettings
from train.text.text_encoder import build_text_encoder
from train.training.gradients import GradientPass
from train.training.step import TrainingStep


def main() -> None:
    """Prints a table of frames and one of clips."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, nargs="+", default=(60, 120, 240, 300))
    parser.add_argument("--clips", type=int, nargs="+", default=(16, 32, 64))
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    most, longest = max(options.clips), max(options.frames)
    of_frames = {count: step(options.batch, count, most) for count in options.frames}
    of_clips = {count: step(options.batch, longest, count) for count in options.clips}
    print_growth(f"frames, with up to {most} clips", of_frames, options.turns)
    print_growth(f"clips, with {longest} frames", of_clips, options.turns)


def print_growth(title: str, steps: dict[int, Callable[[], object]], turns: int) -> None:
    """One row a size; it is compared with the row before, in the cost of a frame or clip."""
    seconds = take_turns({str(count): action for count, action in steps.items()}, turns)
    print(
        f"| {title} | s | least - most | ms each | times before | turn by turn | ms each further |"
    )
    print("|---|---|---|---|---|---|---|")
    before, fewer = [], 0
    for name, taken in seconds.items():
        median, count = 1e3 * statistics.median(taken), int(name)
        cells = [name, f"{median / 1e3:.3g}", spread(taken), f"{median / count:.3g}"]
        if before:
            growth = [ratio * fewer / count for ratio in ratios(taken, before)]
            further = (median - 1e3 * statistics.median(before)) / (count - fewer)
            cells += [f"{statistics.median(growth):.2f}", spread(growth), f"{further:.3g}"]
        else:
            cells += [""] * 3
        print("| " + " | ".join(cells) + " |")
        before, fewer = taken, count
    print()


def step(batch: int, num_frames: int, num_slots: int) -> Callable[[], object]:
    """A training step with a model for so many clips."""
    torch.manual_seed(0)
    settings = TrainSettings.model_validate(SMALL)
    layout = ClipLayout(num_slots, clip_length=16, rgb_dim=1024)
    text = build_text_encoder(settings.text, settings.embedding_dim, with_weights=False)
    model = RetrievalModel(settings, "fusion", layout, text).train()
    videos = random_videos(layout, [num_frames] * batch)
    alone = Processes(0, 1, torch.device("cpu"))
    gradient_pass = GradientPass(model, alone, SimilaritySettings(), LossSettings())
    optimiser = build_optimiser(model, settings.optimisation)
    scaler = loss_scaler(alone.device, "float32")
    taken = TrainingStep(gradient_pass, optimiser, scaler, settings.optimisation, 1000)
    return lambda: taken(videos, 100)


if __name__ == "__main__":
    main()
