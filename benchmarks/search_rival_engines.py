"""Other engines for token-wise scores, each asked one query at a time in a process of its own.

``search_rivals.py`` starts it with the Python of an environment that holds the engine:

    PYTHON benchmarks/search_rival_engines.py ENGINE CORPUS FOLDER THREADS

CORPUS holds the entries' tokens as ``search_tokens.py`` writes them, FOLDER the engine's own index,
which is made where it is not there. The first line of standard output says what that took; then
every line of standard input is a request and gets one line. Nothing of this project is imported.
"""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Protocol, TextIO

import numpy as np

BLOCK = 500
"""Entries that are handed over at once, where an engine takes them so."""


class Engine(Protocol):
    """What is asked of an engine. All of them rank by MaxSim: the best token for every word."""

    def build(self) -> None:
        """Makes its index in its folder."""

    def load(self) -> None:
        """Gets ready to be asked."""

    def search(self, query: np.ndarray, depth: int, **setting: Any) -> list[int]:  # noqa: ANN401
        """Returns entries, best first; ``query`` has a row a word, in float32."""


class Corpus:
    """The entries' tokens, read from the disk."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Copy on write: torch warns of arrays that it must not write to.
        self.tokens = np.load(folder / "tokens.npy", mmap_mode="c")
        self.lengths = np.load(folder / "tokens.doclens.npy").astype(np.int64)
        self.first = np.cumsum(self.lengths) - self.lengths

    def of(self, entry: int) -> np.ndarray:
        """An entry's tokens, in float16."""
        first = self.first[entry]
        return self.tokens[first : first + self.lengths[entry]]


class FastPlaid:
    """PLAID in Rust: centroids choose candidates, quantised tokens score them."""

    def __init__(self, corpus: Corpus, folder: Path, threads: int) -> None:
        import torch

        self.torch, self.corpus, self.folder = torch, corpus, folder
        torch.set_num_threads(threads)

    def build(self) -> None:
        """With its own defaults: four bits a dimension."""
        entries = range(len(self.corpus.lengths))
        tokens = [self.torch.from_numpy(self.corpus.of(entry)) for entry in entries]
        self._engine().create(documents_embeddings=tokens)

    def load(self) -> None:
        """Opens the index."""
        self.engine = self._engine()

    def search(self, query: np.ndarray, depth: int, **setting: Any) -> list[int]:  # noqa: ANN401
        """``n_ivf_probe`` clusters a word, ``n_full_scores`` entries scored."""
        queries = self.torch.from_numpy(query)[None]
        [found] = self.engine.search(queries, top_k=depth, show_progress=False, **setting)
        return [entry for entry, _ in found]

    def _engine(self) -> Any:  # noqa: ANN401 - of a library that is not here
        from fast_plaid.search import FastPlaid as Search

        return Search(index=str(self.folder / "index"), device="cpu")


class Warp:
    """XTR-WARP in Rust: scores from centroids and quantised residuals of the probed clusters."""

    def __init__(self, corpus: Corpus, folder: Path, threads: int) -> None:
        import torch
        from xtr_warp.search import XTRWarp

        self.torch, self.corpus, self.threads = torch, corpus, threads
        torch.set_num_threads(threads)
        self.engine = XTRWarp(str(folder / "index"))

    def build(self) -> None:
        """With its own defaults: four bits a dimension. It reads the corpus file itself."""
        self.engine.create(self.corpus.folder, device="cpu", show_progress=False)

    def load(self) -> None:
        """Opens the index, as a memory map."""
        self.engine.load(device="cpu")

    def search(self, query: np.ndarray, depth: int, **setting: Any) -> list[int]:  # noqa: ANN401
        """``nprobe`` clusters a word; what is not named it chooses itself."""
        queries = self.torch.from_numpy(query)[None]
        [found] = self.engine.search(
            queries, top_k=depth, num_threads=self.threads, show_progress=False, **setting
        )
        return [entry for entry, _ in found]


class Qdrant:
    """Qdrant's engine inside the process: candidates by the tokens' mean, scored by MaxSim.

    That is its makers' own advice for many tokens; a graph over sets of tokens would take hours.
    """

    def __init__(self, corpus: Corpus, folder: Path, threads: int) -> None:
        import qdrant_edge

        self.qdrant, self.corpus, self.folder = qdrant_edge, corpus, folder / "index"
        self.threads = threads

    def build(self) -> None:
        """A graph over the means; the tokens lie beside it in float16, without one."""
        qdrant, dim = self.qdrant, self.corpus.tokens.shape[1]
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        # m = 0: no graph.
        tokens = qdrant.EdgeVectorParams(
            size=dim, distance=qdrant.Distance.Dot,
            multivector_config=qdrant.MultiVectorConfig(qdrant.MultiVectorComparator.MaxSim),
            datatype=qdrant.VectorStorageDatatype.Float16,
            hnsw_config=qdrant.HnswIndexConfig(0, 0, 0),
        )  # fmt: skip
        mean = qdrant.EdgeVectorParams(
            size=dim, distance=qdrant.Distance.Cosine,
            hnsw_config=qdrant.HnswIndexConfig(16, 100, 0, max_indexing_threads=self.threads),
        )  # fmt: skip
        config = qdrant.EdgeConfig(
            vectors={"tokens": tokens, "mean": mean}, max_search_threads=self.threads,
            optimizers=qdrant.EdgeOptimizersConfig(
                default_segment_number=1, indexing_threshold=1000
            ),
        )  # fmt: skip
        shard = qdrant.EdgeShard.create(str(self.folder), config)
        for start in range(0, len(self.corpus.lengths), BLOCK):
            points = []
            for entry in range(start, min(start + BLOCK, len(self.corpus.lengths))):
                values = self.corpus.of(entry).astype(np.float32)
                vectors = {"tokens": values.tolist(), "mean": values.mean(axis=0).tolist()}
                points.append(qdrant.Point(entry, vectors, {}))
            shard.update(qdrant.UpdateOperation.upsert_points(points))
        shard.flush()
        shard.optimize()
        shard.close()

    def load(self) -> None:
        """Opens the index."""
        self.shard = self.qdrant.EdgeShard.load(str(self.folder))

    def search(self, query: np.ndarray, depth: int, **setting: Any) -> list[int]:  # noqa: ANN401
        """``candidates`` by the mean, 0 for all entries; ``ef`` is the width of its search."""
        qdrant = self.qdrant
        nearest = qdrant.Query.Nearest
        prefetches = []
        if candidates := setting["candidates"]:
            prefetches = [
                qdrant.Prefetch(
                    limit=candidates,
                    query=nearest(query.mean(axis=0).tolist(), using="mean"),
                    params=qdrant.SearchParams(hnsw_ef=max(candidates, 64)),
                )
            ]
        request = qdrant.QueryRequest(
            limit=depth, query=nearest(query.tolist(), using="tokens"), prefetches=prefetches,
            params=qdrant.SearchParams(exact=not candidates),
        )  # fmt: skip
        return [point.id for point in self.shard.query(request)]


class BruteForce:
    """MaxSim of all entries in torch, bfloat16, all tokens in memory."""

    def __init__(self, corpus: Corpus, folder: Path, threads: int) -> None:
        import torch

        self.torch, self.corpus, self.folder = torch, corpus, folder
        torch.set_num_threads(threads)

    def build(self) -> None:
        """Needs nothing."""

    def load(self) -> None:
        """Reads all tokens into memory, block by block."""
        torch = self.torch
        self.tokens = torch.empty(self.corpus.tokens.shape, dtype=torch.bfloat16)
        for start in range(0, len(self.tokens), 2**16):
            block = np.asarray(self.corpus.tokens[start : start + 2**16], np.float32)
            self.tokens[start : start + 2**16] = torch.from_numpy(block)

    def search(self, query: np.ndarray, depth: int, **_: Any) -> list[int]:  # noqa: ANN401
        """Every token with every word; the best of an entry are added up."""
        torch = self.torch
        words = torch.from_numpy(query).to(torch.bfloat16).T.contiguous()
        lengths, first = self.corpus.lengths, self.corpus.first
        scores = np.empty(len(lengths), np.float32)
        start = 0
        while start < len(lengths):  # Blocks that the cache holds.
            stop = int(np.searchsorted(first, first[start] + 2**14))
            rows = slice(int(first[start]), int(first[stop - 1] + lengths[stop - 1]))
            values = (self.tokens[rows] @ words).float().numpy()
            best = np.maximum.reduceat(values, first[start:stop] - first[start], axis=0)
            scores[start:stop] = best.sum(axis=1)
            start = stop
        best = np.argpartition(-scores, depth)[:depth]
        return best[np.argsort(-scores[best])].tolist()


ENGINES: dict[str, type[Engine]] = {
    "fast-plaid": FastPlaid, "xtr-warp-rs": Warp, "Qdrant": Qdrant, "brute force": BruteForce,
}  # fmt: skip


def main() -> None:
    """Answers requests until standard input ends."""
    # Engines print progress to standard output, where only answers may go.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    name, corpus, folder, threads = sys.argv[1:]
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    engine = ENGINES[name](Corpus(Path(corpus)), path, int(threads))
    finished = path / "built.json"
    if not finished.exists():
        start = time.perf_counter()
        engine.build()
        finished.write_text(json.dumps({"seconds": time.perf_counter() - start}))
    before = resident()
    engine.load()
    queries = np.load(Path(corpus).parent / "queries.npz")
    words = [
        np.ascontiguousarray(values[is_real])
        for values, is_real in zip(queries["words"], queries["word_is_real"], strict=True)
    ]
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    built = json.loads(finished.read_text())
    print(json.dumps({"build_seconds": built["seconds"], "bytes": size}), file=answers)
    answer(engine, words, before, answers)


def answer(engine: Engine, words: list[np.ndarray], before: float, answers: TextIO) -> None:
    """Each line: the entries, the seconds of the search alone, and MiB more than before loading."""
    for line in sys.stdin:
        asked = json.loads(line)
        start, first = time.perf_counter(), time.process_time()
        found = engine.search(words[asked["query"]], asked["depth"], **asked["setting"])
        seconds, computed = time.perf_counter() - start, time.process_time() - first
        reply = {
            "found": found, "seconds": seconds, "computed": computed,
            "resident": resident() - before,
        }  # fmt: skip
        print(json.dumps(reply), file=answers)


def resident() -> float:
    """MiB in memory now, pages of mapped files among them."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
