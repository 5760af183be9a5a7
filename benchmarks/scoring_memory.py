"""Scores 10,000 videos against 10,000 sentences and prints the memory that it needs.

    python benchmarks/scoring_memory.py               # 1 % of the blocks, extrapolated
    python benchmarks/scoring_memory.py --share 1     # all of them: an hour or more
    python benchmarks/scoring_memory.py --held        # one stream, whose tokens are all in memory

By default it does what ``seds-eval`` does for a run of the stage ``fusion``: videos come in batches
with the tokens of three streams, are scored against all sentences
(``train.evaluation.scoring.score_streams``) and are let go; then all are ranked. With ``--held``
the tokens of one stream are made first, of all videos, and stay. Random tokens stand in for
encoded ones: what the encoders need themselves is not in the figures.

Everything has its full size, all batches come and all scores are written, but only a share of the
blocks between them is computed: the others are filled with a constant. Memory is the largest
resident one of the whole process, Python and torch included.
"""

import argparse
import time
from collections.abc import Iterator

import numpy as np
import torch
from measurement import largest_resident, print_conditions
from torch import Tensor

from train.batches import SignTokens, TextTokens, rows_of
from train.evaluation import scoring
from train.evaluation.ranks import rank_both_ways
from train.evaluation.scoring import block_scores
from train.settings import SimilaritySettings

DIM, TOKENS, WORDS = 512, 65, 32
BATCH = 64
"""Videos of a batch: the default of ``evaluation.batch_size``."""

LIMIT = 4e9 / 2**20
"""MiB; 4 GB."""


class ShareOfBlocks:
    """Stands in for ``block_scores``: computes a share of the blocks, and keeps the time."""

    def __init__(self, share: float) -> None:
        """``share`` of all blocks, evenly among them."""
        self.share, self.called, self.done, self.pairs, self.seconds = share, 0, 0, 0, 0.0

    def __call__(self, signs: Tensor, words: Tensor, *others: object) -> Tensor:
        """The block's scores, or zeros."""
        self.called += 1
        if self.done >= self.called * self.share:
            return signs.new_zeros(len(signs), len(words))
        start = time.perf_counter()
        scores = block_scores(signs, words, *others)
        self.seconds += time.perf_counter() - start
        self.done += 1
        self.pairs += scores.numel()
        return scores


def main() -> None:
    """Prints memory after every part, and the rate."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--size", type=int, default=10_000, help="videos, and sentences")
    parser.add_argument("--share", type=float, default=0.01, help="of the blocks")
    parser.add_argument("--held", action="store_true")
    parser.add_argument("--padding", default="published")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print_conditions(vars(options))
    peaks = {"Python, torch": largest_resident()}
    text = TextTokens(unit_tokens(options.size, WORDS), random_mask(options.size, 10, WORDS))
    peaks["all words"] = largest_resident()
    batches = held_batches(options.size) if options.held else new_batches(options.size)
    if options.held:
        peaks["all tokens of a stream"] = largest_resident()
    blocks = ShareOfBlocks(options.share)
    scoring.block_scores = blocks
    settings = SimilaritySettings(padding=options.padding)
    start = time.perf_counter()
    cpu = torch.device("cpu")
    scores = scoring.score_streams(batches, options.size, text, settings, device=cpu)
    taken = time.perf_counter() - start
    peaks[f"scores: {', '.join(scores)}"] = largest_resident()
    for of_stream in scores.values():
        rank_both_ways(of_stream, np.arange(options.size))
    peaks["ranks"] = largest_resident()
    print_peaks(peaks)
    print_rate(blocks, len(scores) * options.size**2, taken)


def new_batches(num_videos: int) -> Iterator[SignTokens]:
    """Batches of three streams, as ``encode_videos`` brings them."""
    for first in range(0, num_videos, BATCH):
        size = min(BATCH, num_videos - first)
        streams = {name: unit_tokens(size, TOKENS) for name in ("pose", "rgb", "fusion")}
        yield SignTokens(random_mask(size, 31, TOKENS), **streams)


def held_batches(num_videos: int) -> Iterator[SignTokens]:
    """Batches of one stream, all of which are in memory."""
    held = SignTokens(random_mask(num_videos, 31, TOKENS), fusion=unit_tokens(num_videos, TOKENS))
    return (rows_of(held, slice(first, first + BATCH)) for first in range(0, num_videos, BATCH))


def unit_tokens(num_rows: int, places: int) -> Tensor:
    """Random tokens of unit length, made without a second array of their size."""
    tokens = torch.empty(num_rows, places, DIM)
    for some in tokens.split(BATCH):
        some.normal_()
        some /= some.norm(dim=-1, keepdim=True)
    return tokens


def random_mask(num_rows: int, least: int, places: int) -> Tensor:
    """So many real places at least."""
    return torch.arange(places) < torch.randint(least, places + 1, (num_rows, 1))


def print_peaks(peaks: dict[str, float]) -> None:
    """The largest resident memory up to the end of each part."""
    print("| up to | largest resident MiB |\n|---|---|")
    for name, peak in peaks.items():
        print(f"| {name} | {peak:.0f} |")
    most = max(peaks.values())
    verdict = "within" if most <= LIMIT else "MORE THAN"
    print(f"\n{most * 2**20 / 1e9:.2f} GB, {verdict} 4 GB")


def print_rate(blocks: ShareOfBlocks, all_pairs: int, taken: float) -> None:
    """Pairs a second, and the time of all pairs; says so where most of it was not measured."""
    others = taken - blocks.seconds
    print(
        f"{blocks.pairs} of {all_pairs} pairs in {blocks.seconds:.0f} s: "
        f"{blocks.pairs / blocks.seconds:.0f} pairs/s; {others:.0f} s for all that is not a block, "
        "tokens and copies"
    )
    if blocks.pairs < all_pairs:
        whole = others + blocks.seconds * all_pairs / blocks.pairs
        print(f"all pairs: {whole / 60:.0f} minutes, EXTRAPOLATED from that share of the blocks")
    else:
        print(f"all pairs: {taken / 60:.0f} minutes, measured")


if __name__ == "__main__":
    main()
