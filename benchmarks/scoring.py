"""Measures the scoring of all pairs, fusion included, against the published order of computation.

    python benchmarks/scoring.py
    python benchmarks/scoring.py --captions data_ph/test.pkl   # lengths of a released test set

Given are encoded streams: pose and RGB tokens of all videos, words of all sentences. The published
scorer takes blocks of 64 videos and 64 sentences, fuses the videos of every pair of blocks anew
(``reference/training_step.py``) and weighs all similarities by two softmaxes. Ours fuses every
video once and scores in small blocks with shared exponentials (``train/evaluation/scoring.py``).

A turn is one block of videos against all sentences, which is the same share of either way;
``--all`` takes all videos. Lengths are drawn: videos of 60 to 180 frames, that is min(64, frames -
15) clips, and sentences of 10 to 32 places; or they are those of a released caption file (pickle
with ``text`` and ``num_frames``): CLIP's tokens, and the published plan of PHOENIX-2014T, which
keeps every second frame. They matter with ``similarity.padding: masked``, where ours leaves padding
out; with ``published`` the softmaxes see it. What is said to be the most that is possible is the
published way's time over that of ours if it took nothing but its counted matrix products.
"""

import argparse
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from measurement import OURS, matrix_rate, print_conditions, print_table, take_turns
from torch import Tensor

from reference.training_step import naive_fusion
from seds_core.untrusted_pickles import read_pickle
from train.evaluation.scoring import score_all_pairs
from train.model.cross_gloss_fusion import CrossGlossFusion
from train.model.fine_grained_similarity import retrieval_score, unit_length
from train.settings import CgafSettings, SimilaritySettings, TextSettings
from train.text.text_encoder import build_tokenizer

DIM, SLOTS, WORDS = 512, 64, 32
BLOCK = 64
"""Videos, and sentences, of a block of the published scorer."""

PUBLISHED = "fusion in every pair of blocks"
TOLERANCE = 1e-6
"""Largest difference of two scores, which lie between -1 and 1: float32 rounding."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Streams:
    """What both ways are given."""

    pose: Tensor
    rgb: Tensor
    words: Tensor
    token_is_real: Tensor
    word_is_real: Tensor


def main() -> None:
    """Prints a table for either padding."""
    options = parse_options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    clips, words = lengths(options)
    streams = random_streams(clips, words)
    fusion = CrossGlossFusion(DIM, CgafSettings()).eval()
    print_conditions(vars(options))
    print(
        f"{len(clips)} videos of {clips.float().mean():.1f} clips, "
        f"{len(words)} sentences of {words.float().mean():.1f} places on average"
    )
    videos = slice(None) if options.all else slice(BLOCK)
    for padding in options.padding:
        compare(fusion, streams, SimilaritySettings(padding=padding), videos, options.turns)


def parse_options() -> argparse.Namespace:
    """The command line's."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=642, help="videos, and sentences")
    parser.add_argument("--captions", type=Path, help="a released caption file with num_frames")
    parser.add_argument("--padding", nargs="+", default=["published", "masked"])
    parser.add_argument("--all", action="store_true", help="a turn takes all videos")
    parser.add_argument("--turns", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def lengths(options: argparse.Namespace) -> tuple[Tensor, Tensor]:
    """Clips of every video, places of every sentence."""
    if options.captions is None:
        frames = torch.randint(60, 181, (options.pairs,))
        return (frames - 15).clamp(max=SLOTS), torch.randint(10, WORDS + 1, (options.pairs,))
    entries = list(read_pickle(options.captions).values())
    frames = torch.tensor([entry["num_frames"] for entry in entries]) // 2
    tokenizer = build_tokenizer(TextSettings(encoder="clip", max_words=WORDS))
    words = tokenizer([entry["text"] for entry in entries]).word_is_real.sum(dim=1)
    return (frames - 15).clamp(1, SLOTS), words


def random_streams(clips: Tensor, words: Tensor) -> Streams:
    """Tokens of videos and words of sentences with so many real places."""
    return Streams(
        pose=torch.randn(len(clips), 1 + SLOTS, DIM),
        rgb=torch.randn(len(clips), 1 + SLOTS, DIM),
        words=unit_length(torch.randn(len(words), WORDS, DIM)),
        token_is_real=torch.arange(1 + SLOTS) <= clips[:, None],
        word_is_real=torch.arange(WORDS) < words[:, None],
    )


@torch.inference_mode()
def compare(
    fusion: CrossGlossFusion,
    streams: Streams,
    settings: SimilaritySettings,
    videos: slice,
    turns: int,
) -> None:
    """Both ways' scores against each other, then their times."""
    pose, rgb, real = streams.pose[videos], streams.rgb[videos], streams.token_is_real[videos]
    ways: dict[str, Callable[[], Tensor]] = {
        PUBLISHED: lambda: published_scores(fusion, pose, rgb, real, streams, settings),
        OURS: lambda: our_scores(fusion, pose, rgb, real, streams, settings),
    }
    difference = (ways[PUBLISHED]() - ways[OURS]()).abs().max().item()
    assert difference < TOLERANCE, difference
    pairs = real.shape[0] * len(streams.words)
    seconds = take_turns(ways, turns, warm_up=False)
    counted, rate = operations(fusion, real, streams, settings), matrix_rate()
    floors = {name: number / rate for name, number in counted.items()}
    print(
        f"\npadding {settings.padding}, {real.shape[0]} videos; scores differ by {difference:.1e}"
    )
    print_table(
        seconds, amount=pairs, unit="pairs",
        more={
            "GFLOP": {name: f"{number / 1e9:.0f}" for name, number in counted.items()},
            "floor s": {name: f"{floor:.2f}" for name, floor in floors.items()},
        },
    )  # fmt: skip
    most = statistics.median(seconds[PUBLISHED]) / floors[OURS]
    print(
        f"matrix products {rate / 1e9:.0f} GFLOP/s; {counted[PUBLISHED] / counted[OURS]:.1f} times "
        f"fewer operations; {most:.1f} times as fast is the most that is possible with these"
    )


def published_scores(
    fusion: CrossGlossFusion,
    pose: Tensor,
    rgb: Tensor,
    is_real: Tensor,
    streams: Streams,
    settings: SimilaritySettings,
) -> Tensor:
    """Fusion, then all pairs, for each pair of blocks."""
    rows = []
    for video in range(0, len(pose), BLOCK):
        some = slice(video, video + BLOCK)
        blocks = []
        for text in range(0, len(streams.words), BLOCK):
            fused = unit_length(naive_fusion(fusion, pose[some], rgb[some], is_real[some]))
            words = streams.words[text : text + BLOCK]
            words_real = streams.word_is_real[text : text + BLOCK]
            blocks.append(retrieval_score(fused, words, is_real[some], words_real, settings))
        rows.append(torch.cat(blocks, dim=1))
    return torch.cat(rows)


def our_scores(
    fusion: CrossGlossFusion,
    pose: Tensor,
    rgb: Tensor,
    is_real: Tensor,
    streams: Streams,
    settings: SimilaritySettings,
) -> Tensor:
    """Fusion once a video, then all pairs."""
    rows = []
    for video in range(0, len(pose), BLOCK):
        some = slice(video, video + BLOCK)
        fused = unit_length(fusion(pose[some], rgb[some], is_real[some]))
        sides = (fused, streams.words, is_real[some], streams.word_is_real)
        rows.append(torch.from_numpy(score_all_pairs(*sides, settings, device=CPU)))
    return torch.cat(rows)


def operations(
    fusion: CrossGlossFusion, is_real: Tensor, streams: Streams, settings: SimilaritySettings
) -> dict[str, float]:
    """Of the linear layers of the fusion and of the similarities; two a multiply-add."""
    weights = sum(weight.numel() for weight in fusion.parameters() if weight.dim() == 2)
    fused = 2.0 * is_real.numel() * weights
    blocks = -(-len(streams.words) // BLOCK)
    similarities = 2.0 * is_real.numel() * streams.word_is_real.numel() * DIM
    counted = similarities
    if settings.padding == "masked":
        counted = 2.0 * is_real.sum().item() * streams.word_is_real.sum().item() * DIM
    return {PUBLISHED: blocks * fused + similarities, OURS: fused + counted}


if __name__ == "__main__":
    main()
