"""Holds this project's search against engines that rank by MaxSim: recall against latency.

    python -m venv fp && fp/bin/pip install fast-plaid
    python -m venv xw && xw/bin/pip install xtr-warp-rs
    python -m venv qd && qd/bin/pip install qdrant-edge-py numpy
    python benchmarks/search_rivals.py RUN WORK --fast-plaid fp/bin/python \
        --xtr-warp xw/bin/python --qdrant qd/bin/python

Each rival lives in an environment of its own, because its pins and ours differ; one that is not
named is left out, and MaxSim of all entries in torch always takes part. All get the same tokens
(``search_tokens.py``) and the same threads. All are loaded at once and take turns, query by query,
so that a busy machine is equally busy for each; a rival's clock runs inside its own process.

The truth is the SEDS score of all entries. MaxSim is one half of that score, without its softmax;
so every rival is also measured with its best hits ranked again by the exact score: "of 100" is its
100 best, re-ranked, with the time which that takes. Ours does the same by itself.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from measurement import print_conditions
from search_speed import FOUND, built, engine_of, identity_of, recall
from search_tokens import Corpus, add_options, corpus_of, describe

from search.engine.engine import Engine
from search.engine.ragged_tokens import QueryTokens
from search.index.part import Part
from seds_core.console import track

OURS = ((16, 0.01), (32, 0.02), (64, 0.03), (128, 0.06), (256, 0.12))
"""Settings of ours: entries scored exactly, and the share whose compressed tokens are read;
the third are the defaults."""

SETTINGS: dict[str, list[dict[str, int]]] = {
    "fast-plaid": [
        {"n_ivf_probe": 2, "n_full_scores": 512},
        {"n_ivf_probe": 8, "n_full_scores": 4096},
        {"n_ivf_probe": 32, "n_full_scores": 16384},
    ],
    "xtr-warp-rs": [{"nprobe": 2}, {"nprobe": 8}, {"nprobe": 32}],
    "Qdrant": [{"candidates": 200}, {"candidates": 1000}, {"candidates": 5000}],
    "brute force": [{}],
}
"""Settings of the rivals, from quick to thorough; the second is about their own default."""

RERANKED = {100: (10, 50, 100), 1000: (1000,)}
"""Hits that a rival is asked for -> how many of them are ranked again."""


@dataclass
class Curve:
    """What one setting of one engine came to."""

    engine: str
    setting: str
    seconds: list[float] = field(default_factory=list)
    computed: list[float] = field(default_factory=list)
    """Seconds of the processor."""
    found: list[list[int]] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """Entries, best first, and the seconds that it took: by the clock, and of the processor."""

    entries: list[int]
    seconds: float
    computed: float


class Rival:
    """An engine in a process of its own."""

    def __init__(self, name: str, process: "subprocess.Popen[str]") -> None:
        self.name, self.process = name, process
        self.facts = self._answer()
        self.resident = 0.0

    @classmethod
    @contextmanager
    def started(cls, name: str, python: Path, work: Path, threads: int) -> Iterator["Rival"]:
        """Starts it, which builds its index where there is none."""
        script = Path(__file__).with_name("search_rival_engines.py")
        command = [python, script, name, work / "corpus", work / name, str(threads)]
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": ""}
        # What engines log is not the reader's.
        with (
            (work / f"{name}.log").open("w") as log,
            subprocess.Popen(
                [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, env=environment,
            ) as process,
        ):  # fmt: skip
            try:
                yield cls(name, process)
            finally:
                process.kill()

    def search(self, query: int, depth: int, setting: dict[str, int]) -> "Found":
        """Asks for so many hits."""
        assert self.process.stdin is not None
        request = {"query": query, "depth": depth, "setting": setting}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        reply = self._answer()
        self.resident = max(self.resident, reply["resident"])
        return Found(reply["found"], reply["seconds"], reply["computed"])

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} died; its log is in the work folder")
        answer: dict[str, Any] = json.loads(line)
        return answer


def ask(
    corpus: Corpus,
    ours: dict[str, Engine],
    rivals: list[Rival],
    scorer: Engine,
    num_queries: int,
) -> list[Curve]:
    """Lets all engines with all settings take turns, query by query; ``scorer`` ranks again."""
    curves: dict[tuple[str, str], Curve] = {}

    def note(engine: str, setting: str, *parts: Found) -> None:
        curve = curves.setdefault((engine, setting), Curve(engine, setting))
        curve.seconds.append(sum(part.seconds for part in parts))
        curve.computed.append(sum(part.computed for part in parts))
        curve.found.append(parts[-1].entries[:FOUND])

    for number in track(range(num_queries), "queries"):
        query = corpus.query(number)
        for setting, engine in ours.items():
            note("ours", setting, timed(partial(best_of, engine, query)))
        for rival in rivals:
            for settings in SETTINGS[rival.name]:
                text = " ".join(f"{name} {value}" for name, value in settings.items()) or "all"
                # As few hits as are wanted: some engines search more widely for many.
                for depth, again in RERANKED.items():
                    found = rival.search(number, depth, settings)
                    if depth == min(RERANKED):
                        note(rival.name, text, found)
                    for most in again:
                        among = np.zeros(len(corpus.rows), bool)
                        among[found.entries[:most]] = True
                        best = timed(partial(best_of, scorer, query, among))
                        note(rival.name, f"{text}, of {most}", found, best)
    return list(curves.values())


def timed(action: Callable[[], list[int]]) -> Found:
    """Runs it, and says how long it took."""
    start, before = time.perf_counter(), time.process_time()
    entries = action()
    return Found(entries, time.perf_counter() - start, time.process_time() - before)


def best_of(
    engine: Engine, query: QueryTokens, among: Bool[np.ndarray, " entry"] | None = None
) -> list[int]:
    """The best entries, of all or of a few, all of which are scored exactly."""
    return engine.search(query, FOUND, allowed=among).entries.tolist()


def print_curves(curves: list[Curve], corpus: Corpus) -> None:
    """Every setting, and what ours finds in the same time."""
    ours = [curve for curve in curves if curve.engine == "ours"]
    print("| engine | setting | p50 ms | p99 ms | processor ms | recall@10 | ours in that time |")
    print("|---" * 7 + "|")
    better: dict[str, list[bool]] = defaultdict(list)
    for curve in curves:
        p50, p99 = np.percentile(curve.seconds, [50, 99]) * 1000
        share, beside = recall(curve.found, corpus), ""
        if curve.engine != "ours":
            as_quick = [
                recall(own.found, corpus)
                for own in ours
                if np.median(own.seconds) <= np.median(curve.seconds)
            ]
            beside = f"{max(as_quick):.3f}" if as_quick else "slower"
            better[curve.engine].append(bool(as_quick) and max(as_quick) > share)
        cells = [
            curve.engine, curve.setting, f"{p50:.1f}", f"{p99:.1f}",
            f"{np.median(curve.computed) * 1000:.1f}", f"{share:.3f}", beside,
        ]  # fmt: skip
        print("| " + " | ".join(cells) + " |")
    print()
    for name, each in better.items():
        print(
            f"At equal latency ours finds more than {name} in {sum(each)} of {len(each)} settings."
        )


def main() -> None:
    """Builds what is missing, asks, prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, entries=100_000)
    parser.add_argument("--asked", type=int, default=100, help="queries that all engines get")
    parser.add_argument("--fast-plaid", type=Path, help="Python of its environment")
    parser.add_argument("--xtr-warp", type=Path, help="Python of its environment")
    parser.add_argument("--qdrant", type=Path, help="Python of its environment")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    corpus = corpus_of(options)
    describe(corpus)

    pythons = {
        "fast-plaid": options.fast_plaid, "xtr-warp-rs": options.xtr_warp,
        "Qdrant": options.qdrant, "brute force": Path(sys.executable),
    }  # fmt: skip
    folder, num_entries = options.work / "index-rivals", len(corpus.rows)
    with ExitStack() as stack:
        rivals = [
            stack.enter_context(Rival.started(name, python, options.work, options.threads))
            for name, python in pythons.items()
            if python
        ]
        seconds, _ = built(folder, identity_of(options.run), corpus, range(num_entries))
        snapshot = Part.open(folder).snapshot()
        ours = {
            f"{number} candidates of {share:.0%}": engine_of(
                snapshot, candidates=number, first_share=share, exhaustive_below=1
            )
            for number, share in OURS
        }
        asked = min(options.asked, options.queries)
        curves = ask(corpus, ours, rivals, engine_of(snapshot), asked)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"\nours: built in {seconds:.0f} s, {size / num_entries:,.0f} bytes an entry")
        for rival in rivals:
            print(
                f"{rival.name}: built in {rival.facts['build_seconds']:.0f} s, "
                f"{rival.facts['bytes'] / num_entries:,.0f} bytes an entry on disk, "
                f"{rival.resident * 2**20 / num_entries:,.0f} in memory"
            )
        print(f"load average {os.getloadavg()[0]:.1f}\n")
        print_curves(curves, corpus)


if __name__ == "__main__":
    main()
