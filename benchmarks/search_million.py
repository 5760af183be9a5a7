"""Measures an index of 1,000,000 videos: memory, disk, and a query's time.

    python benchmarks/search_million.py RUN WORK              # 9 GB in WORK, half an hour or more
    python benchmarks/search_million.py RUN WORK --entries 300000 --shortest 10 --longest 30

The entries are made as in ``search_tokens.py``, from a run's real tokens with noise, but go
straight into the index: a folder of parts, each with a share of the entries, as an index is that
grows beyond one machine. A query asks one part after the other, and the hits are merged by their
scores. As long as clips of single signs (9 tokens) a million entries fit most disks; what grows
with tokens is extrapolated to ``--as-if`` tokens, and the output says so. Recall is against the
engine's own exact search, which leaves out only what cannot be among the best.
"""

import argparse
import os
import shutil
import time
from pathlib import Path

import numpy as np
import torch
from measurement import print_conditions
from search_speed import FOUND, engine_of, forget, identity_of, milliseconds, resident
from search_tokens import (
    CPU,
    RealTokens,
    add_options,
    encoded,
    joined_sentence,
    one_entry,
    real_tokens,
    with_noise,
)

from search.engine.engine import Engine
from search.engine.ragged_tokens import QueryTokens
from search.index.changes import NewEntry, NewSentence
from search.index.identity import IndexIdentity
from search.index.part import Part
from search.index.records import EntryRecord
from search.index.writer import open_writer
from seds_core.console import track
from train.evaluation.load_model import load_run_model

AT_ONCE = 5000
"""Entries of one change of a part."""

MILLION = 1_000_000

COMPARED = 20
"""Queries that are also asked for exactly."""


def build(
    folder: Path,
    entries: range,
    identity: IndexIdentity,
    real: RealTokens,
    sentences: list[NewSentence],
    options: argparse.Namespace,
) -> None:
    """Makes one part."""
    with open_writer(folder, create=identity) as writer:
        for start in track(range(entries.start, entries.stop, AT_ONCE), folder.name):
            generator = np.random.default_rng([options.seed, 3, start])
            block = range(start, min(start + AT_ONCE, entries.stop))
            lengths = generator.integers(
                options.shortest, options.longest, len(block), endpoint=True
            )
            clean = [one_entry(real, length, generator)[0] for length in lengths.tolist()]
            tokens = with_noise(np.concatenate(clean), real.clips, options.noise, generator)
            of_entries = np.split(tokens.astype(np.float16), np.cumsum(lengths)[:-1])
            made = [
                NewEntry(record_of(entry), "made", values, len(values))
                for entry, values in zip(block, of_entries, strict=True)
            ]
            writer.append(made, sentences if start == entries.start else ())


def record_of(entry: int) -> EntryRecord:
    """What a data set would say of the video."""
    return EntryRecord(
        video_id=f"video{entry:07}", path=Path(f"/videos/{entry:07}.mp4"), text="", span=None,
        duration=None, columns={"signer": f"signer{entry % 50}"},
        clip_spans=np.zeros((0, 2), np.float32),
    )  # fmt: skip


def search(
    engines: list[Engine], query: QueryTokens, *, exact: bool = False
) -> set[tuple[int, int]]:
    """Part and entry of the best hits of all parts."""
    found = [engine.search(query, FOUND, exact=exact) for engine in engines]
    hits = [(part, entry) for part, ranked in enumerate(found) for entry in ranked.entries.tolist()]
    order = np.argsort(-np.concatenate([ranked.scores for ranked in found]), kind="stable")
    return {hits[place] for place in order[:FOUND]}


def measure(folder: Path, queries: list[QueryTokens], options: argparse.Namespace) -> None:
    """Opens all parts, asks, and prints."""
    forget(folder)
    before = resident(folder)
    start = time.perf_counter()
    parts = [Part.open(path) for path in sorted(folder.iterdir())]
    snapshots = [part.snapshot() for part in parts]
    engines = [engine_of(snapshot) for snapshot in snapshots]
    print(f"{len(engines)} parts opened in {time.perf_counter() - start:.1f} s")
    num_tokens = sum(int(s.signs.num_tokens.sum(dtype=np.int64)) for s in snapshots)
    scale = options.as_if * options.entries / num_tokens

    for name in ("first round, from the disk", "again"):
        seconds, computed = [], []
        for query in queries:
            start, first = time.perf_counter(), time.process_time()
            search(engines, query)
            seconds.append(time.perf_counter() - start)
            computed.append(time.process_time() - first)
        print(
            f"{name}: {milliseconds(seconds, computed)} (load average {os.getloadavg()[0]:.1f}); "
            f"with {options.as_if} tokens a video the processor's p50 would be "
            f"{np.median(computed) * scale * 1000:.0f} ms, were all of it in proportion to tokens"
        )
    own, files = (now - then for now, then in zip(resident(folder), before, strict=True))
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    held = own + files
    print(
        f"Resident after {len(queries)} queries: own {own:.0f} MiB, files {files:.0f} MiB, "
        f"{held * 2**20 / options.entries:,.0f} bytes a video (aim: 4 GB in all). "
        f"Disk: {size / 2**30:.2f} GiB, {size / options.entries:,.0f} bytes a video, "
        f"{size / num_tokens:.0f} a token"
    )
    same = [
        len(search(engines, query) & search(engines, query, exact=True)) / FOUND
        for query in queries[:COMPARED]
    ]
    print(f"Recall of the exact ten best: {np.mean(same):.4f} ({len(same)} queries)")
    compressed = snapshots[0].compressed_signs
    a_token = compressed.coarse.shape[1] * compressed.coarse.itemsize + sum(
        array.itemsize for array in (compressed.rounding, compressed.residual, compressed.code)
    )
    if options.entries < MILLION:
        print(
            f"Extrapolated to {MILLION:,} such videos, because these took less time and disk: "
            f"{held * 2**20 / options.entries * MILLION / 1e9:.2f} GB resident, p50 of the "
            f"processor {np.median(computed) * MILLION / options.entries * 1000:.0f} ms"
        )
    print(
        f"Extrapolated to {options.as_if} tokens a video (these have "
        f"{num_tokens / options.entries:.1f}, so that they fit the disk): a compressed token is "
        f"{a_token} bytes, {options.as_if * a_token * MILLION / 1e9:.2f} GB for {MILLION:,}; the "
        f"codes, which every query reads, are {options.as_if * MILLION / 1e9:.2f} GB of it"
    )


def main() -> None:
    """Builds the parts that are missing, and measures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, entries=1_000_000, shortest=4, longest=14, queries=100)
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--as-if", type=int, default=40, help="tokens of a video to extrapolate to")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    loaded = load_run_model(options.run / "best.pt", CPU)
    real, identity = real_tokens(loaded), identity_of(options.run)
    generator = np.random.default_rng(options.seed)
    asked = [
        joined_sentence(real, generator.integers(len(real.texts), size=3).tolist(), generator)
        for _ in range(options.queries)
    ]
    of_texts = encoded(loaded, list(dict.fromkeys(real.texts)))
    sentences = [
        NewSentence(str(text), words[is_real].astype(np.float16), int(is_real.sum()))
        for text, words, is_real in zip(
            of_texts["sentences"], of_texts["words"], of_texts["word_is_real"], strict=True
        )
    ]
    of_queries = encoded(loaded, asked)
    queries = [
        QueryTokens(torch.from_numpy(words[is_real]), torch.from_numpy(is_real[is_real]))
        for words, is_real in zip(of_queries["words"], of_queries["word_is_real"], strict=True)
    ]
    folder = options.work / "million"
    share = -(-options.entries // options.parts)
    start = time.perf_counter()
    for number in range(options.parts):
        part = folder / f"part{number}"
        entries = range(number * share, min((number + 1) * share, options.entries))
        if not part.exists():
            partial = part.with_name(f"{part.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            build(partial, entries, identity, real, sentences, options)
            partial.rename(part)
    print(f"Built, tokens made on the way: {time.perf_counter() - start:.0f} s")
    measure(folder, queries, options)


if __name__ == "__main__":
    main()
