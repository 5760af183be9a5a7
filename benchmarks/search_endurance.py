"""Random changes of an index while processes read it, and a writer that is killed again and again.

Every change is drawn from its number and what the index holds before it, so that what a version
must hold can be told from its number alone. Readers check each answer against that: which videos
are there, the ten best for a query by brute force, sentences, columns, and the same for older
versions that they keep. Prints what was wrong, which has to be nothing.

    python benchmarks/search_endurance.py --changes 10000 --kills 50 --readers 2
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from reference.small_indexes import (
    SENTENCES,
    SIGNERS,
    made_up_entry,
    made_up_identity,
    made_up_record,
    made_up_sentence,
    unit_tokens,
)
from search.engine.engine import Engine
from search.engine.ragged_tokens import QueryTokens
from search.index.changes import NewEntry
from search.index.compaction import compact_part
from search.index.identity import IndexIdentity
from search.index.part import Part
from search.index.records import EntryRecord
from search.index.snapshot import Snapshot
from search.index.verify import VerifyResult, verify
from search.index.writer import PartWriter, open_writer
from train.model.fine_grained_similarity import retrieval_score
from train.settings import SimilaritySettings

FEW, MANY = 150, 350
"""Videos between which the index is kept, so that brute force stays quick."""

HITS = 10
TOLERANCE = 1e-4
"""Of scores: the two ways add in different orders."""

OLD_VERSIONS = 3
"""Versions that a reader keeps and asks again."""


def generator_of(*key: object) -> np.random.Generator:
    """The same random numbers for the same key, in every process."""
    return np.random.default_rng([hash_of(str(part)) for part in key])


def hash_of(text: str) -> int:
    """A number for a text; Python's own differs from process to process."""
    return int.from_bytes(text.encode(), "big") % (2**61 - 1)


@dataclass(frozen=True)
class Video:
    """What the index must say of a video."""

    revision: int
    """Number of the change that encoded it: decides its tokens."""
    text: str
    signer: str

    def entry(self, video_id: str) -> NewEntry:
        """The entry as it is given to the writer."""
        drawn = generator_of(video_id, self.revision)
        return made_up_entry(video_id, drawn, self.text, signer=self.signer)


@dataclass
class Truth:
    """What each version holds, made step by step."""

    seed: int
    version: int = 0
    videos: dict[str, Video] = field(default_factory=dict)

    def change(self) -> tuple[str, dict[str, "Video | None"]]:
        """The kind of the next change, and the videos that it is about with what they become."""
        drawn = random.Random(f"{self.seed} {self.version}")
        ids = list(self.videos)
        if drawn.random() < 1 / 400:
            return "compact", {}
        grows = len(ids) < FEW or (len(ids) < MANY and drawn.random() < 0.5)
        kind = "add" if grows else "delete"
        if ids and drawn.random() < 0.15:
            kind = "describe"
        if kind == "add":
            # Some ids come again: as a newer version of a video, or after its deletion.
            some = {f"v{drawn.randrange(2000)}" for _ in range(drawn.randint(1, 4))}
            return kind, {v: self._drawn(drawn, self.version + 1) for v in sorted(some)}
        some = drawn.sample(ids, min(len(ids), drawn.randint(1, 3)))
        if kind == "delete":
            return kind, dict.fromkeys(some)
        return kind, {v: self._drawn(drawn, self.videos[v].revision) for v in some}

    def _drawn(self, drawn: random.Random, revision: int) -> Video:
        return Video(revision, drawn.choice(["", *SENTENCES]), drawn.choice(SIGNERS))

    def advance(self, version: int) -> dict[str, Video]:
        """Goes on to a version; returns what it holds."""
        while self.version < version:
            kind, changed = self.change()
            for video_id, video in changed.items():
                # A video that comes again stands behind the others, as its entry does.
                if kind != "describe":
                    self.videos.pop(video_id, None)
                if video is not None:
                    self.videos[video_id] = video
            self.version += 1
        return dict(self.videos)


def make_change(writer: PartWriter, truth: Truth) -> None:
    """Makes the next change of the index, as one version."""
    kind, changed = truth.change()
    version = writer.state.version
    assert version == truth.version, f"version {version} where {truth.version} was left"
    if kind == "compact":
        compact_part(writer)
    elif kind == "delete":
        writer.delete(changed)
    else:
        texts = writer.missing_sentences(video.text for video in changed.values())
        sentences = [made_up_sentence(text, generator_of(text)) for text in texts]
        if kind == "add":
            writer.append([video.entry(v) for v, video in changed.items()], sentences)
        else:
            writer.replace_records(described(writer, changed), sentences)
    truth.advance(version + 1)


def described(writer: PartWriter, changed: dict[str, Video]) -> dict[int, tuple[EntryRecord, str]]:
    """The rows of some videos' entries, with their new records."""
    rows = {}
    for video_id, video in changed.items():
        (entry,) = writer.connection.execute(
            "SELECT entry FROM entries JOIN records ON records.id = entries.record "
            "WHERE generation = ? AND is_live = 1 AND video_id = ?",
            (writer.state.generation, video_id),
        ).fetchone()
        record = made_up_record(video_id, video.text, signer=video.signer)
        rows[entry] = record, f"rows of {video_id}"
    return rows


def write(path: Path, seed: int, changes: int) -> None:
    """A writing process: goes on from the version that is there."""
    with open_writer(path, create=identity()) as writer:
        truth = Truth(seed)
        truth.advance(writer.state.version)
        while writer.state.version < changes:
            make_change(writer, truth)


def identity() -> IndexIdentity:
    """Of an index whose engine takes the steps of a large one."""
    return made_up_identity(exhaustive_below=32, candidates=16, coarse_dim=8)


class Reader:
    """Asks one version after the other, and counts what is wrong."""

    def __init__(self, path: Path, seed: int, number: int) -> None:
        self.part, self.truth = Part.open(path), Truth(seed)
        self.counts: Counter[str] = Counter()
        self.drawn = np.random.default_rng([seed, number])
        self.kept: list[tuple[Snapshot, dict[str, Video]]] = []

    def ask(self) -> None:
        """Checks the newest version, and one of the older ones."""
        snapshot = self.part.snapshot()
        if not self.kept or self.kept[-1][0] is not snapshot:
            self.counts["versions"] += 1
            self.kept.append((snapshot, self.truth.advance(snapshot.version)))
            self.kept = self.kept[-50:]
        self.check(*self.kept[-1])
        # Old versions are asked as a query does that began before a change.
        older = self.kept[:-1]
        if older:
            self.check(*older[self.drawn.integers(len(older))])
        del self.kept[: -OLD_VERSIONS - int(self.drawn.integers(1, 40))]

    def check(self, snapshot: Snapshot, videos: dict[str, Video]) -> None:
        """Compares one version with what it must hold."""
        self.counts["queries"] += 1
        live = np.flatnonzero(snapshot.is_live)
        records = {int(e): r for e, r in zip(live, snapshot.records(live), strict=True)}
        found = Counter(record.video_id for record in records.values())
        self.counts["missing videos"] += len(videos.keys() - found.keys())
        self.counts["wrong videos"] += sum(found.values()) - len(videos.keys() & found.keys())
        for entry, record in records.items():
            video = videos.get(record.video_id)
            if video is None:
                continue
            row = int(snapshot.sentence_of_entry[entry])
            text = snapshot.texts([row])[0] if row >= 0 else ""
            right = record.text == text == video.text and record.columns["signer"] == video.signer
            self.counts["wrong records"] += not right
        signer = SIGNERS[self.drawn.integers(len(SIGNERS))]
        allowed = np.flatnonzero(snapshot.allowed({"signer": [signer]}))
        expected = sum(video.signer == signer for video in videos.values())
        self.counts["wrong filters"] += len(allowed) != expected
        if len(videos) and snapshot.projection is not None:
            self.check_hits(snapshot, videos, records)

    def check_hits(
        self, snapshot: Snapshot, videos: dict[str, Video], records: dict[int, EntryRecord]
    ) -> None:
        """Compares the engine's hits with those of brute force over the true tokens."""
        words = torch.from_numpy(unit_tokens(5, self.drawn).astype(np.float32))
        similarity = snapshot.identity.settings.similarity
        engine = Engine(similarity, snapshot.identity.search, snapshot.projection)
        engine.update(snapshot.signs, snapshot.compressed_signs, snapshot.is_live)
        query = QueryTokens(words, torch.ones(len(words), dtype=torch.bool))
        ranked = engine.search(query, HITS, exact=True)
        true = self.true_scores(videos, words, similarity)
        best = sorted(true.values(), reverse=True)[:HITS]
        got = [records[int(entry)].video_id for entry in ranked.entries]
        self.counts["missing hits"] += max(0, len(best) - len(set(got)))
        for video_id, score, expected in zip(got, ranked.scores, best, strict=False):
            is_right = abs(true.get(video_id, np.inf) - score) < TOLERANCE
            self.counts["wrong hits"] += not (is_right and abs(score - expected) < TOLERANCE)

    def true_scores(
        self, videos: dict[str, Video], words: Tensor, similarity: SimilaritySettings
    ) -> dict[str, float]:
        """Scores of all videos, from tokens that never were in the index."""
        entries = {video_id: tokens_of(video_id, video) for video_id, video in videos.items()}
        longest = max(len(tokens) for tokens in entries.values())
        signs = torch.zeros(len(entries), longest, words.shape[1])
        is_real = torch.zeros(len(entries), longest, dtype=torch.bool)
        for row, tokens in enumerate(entries.values()):
            signs[row, : len(tokens)] = tokens
            is_real[row, : len(tokens)] = True
        scores = retrieval_score(
            signs, words[None], is_real, torch.ones(1, len(words), dtype=torch.bool), similarity
        )
        return dict(zip(entries, scores[:, 0].tolist(), strict=True))


TOKENS: dict[tuple[str, int], Tensor] = {}


def tokens_of(video_id: str, video: Video) -> Tensor:
    """True tokens, made once in a process."""
    key = video_id, video.revision
    if key not in TOKENS:
        TOKENS[key] = torch.from_numpy(video.entry(video_id).tokens.astype(np.float32))
    return TOKENS[key]


def read(path: Path, seed: int, number: int, stop: Event, result: Path) -> None:
    """A reading process; writes its counts to a file."""
    torch.set_num_threads(1)
    reader = Reader(path, seed, number)
    while not stop.is_set():
        try:
            reader.ask()
        except Exception:
            reader.counts["failed queries"] += 1
            sys.stderr.write(traceback.format_exc())
    result.write_text(json.dumps(reader.counts))


def main() -> None:
    """Runs it and prints a table; the exit code is 1 where something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--readers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the index is made; by default a new one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        sys.exit(endure(Path(folder), options))


def endure(folder: Path, options: argparse.Namespace) -> int:
    """Starts readers and one writer after the other; returns the exit code."""
    torch.set_num_threads(1)
    path, begin, drawn = folder / "index", time.monotonic(), random.Random(options.seed)
    write(path, options.seed, 1)  # before it, there is no column to filter by
    # Forks: a new process would take seconds to load torch, and live through few kills.
    context = multiprocessing.get_context("fork")
    stop = context.Event()
    results = [folder / f"reader{number}.json" for number in range(options.readers)]
    readers = [
        context.Process(target=read, args=(path, options.seed, number, stop, result))
        for number, result in enumerate(results)
    ]
    for reader in readers:
        reader.start()
    killed_at: list[int] = []
    part = Part.open(path)
    while part.snapshot().version < options.changes:
        writer = context.Process(target=write, args=(path, options.seed, options.changes))
        writer.start()
        left = options.kills - len(killed_at)
        if left:
            # Kills are spread over the changes, and fall anywhere within one.
            goal = part.snapshot().version + (options.changes - part.snapshot().version) // (
                left + 1
            )
            while writer.is_alive() and part.snapshot().version < goal:
                time.sleep(0.01)
            time.sleep(drawn.random() * 0.2)
            if writer.is_alive():
                os.kill(writer.pid, signal.SIGKILL)
                killed_at.append(part.snapshot().version)
        writer.join()
        if writer.exitcode not in (0, -signal.SIGKILL):
            break
    stop.set()
    for reader in readers:
        reader.join()
    counts = sum((Counter(json.loads(result.read_text())) for result in results), Counter())
    last = Reader(path, options.seed, 0)
    last.ask()
    counts += last.counts
    return table(options, part, killed_at, counts, verify(path), time.monotonic() - begin)


WRONG = (
    "failed queries", "missing videos", "wrong videos", "missing hits", "wrong hits",
    "wrong records", "wrong filters",
)  # fmt: skip


def table(
    options: argparse.Namespace,
    part: Part,
    killed_at: list[int],
    counts: Counter[str],
    verified: VerifyResult,
    seconds: float,
) -> int:
    """Prints what happened; 1 where anything was wrong."""
    snapshot = part.snapshot()
    rows = {
        "changes": snapshot.version,
        "writers killed": len(killed_at),
        "compactions": snapshot.generation - 1,
        "videos at the end": snapshot.num_live,
        "reading processes": options.readers,
        "versions seen": counts["versions"],
        "queries checked": counts["queries"],
        **{name: counts[name] for name in WRONG},
        "damaged videos, by verify": len(verified.damaged) + len(verified.problems),
        "minutes": f"{seconds / 60:.1f}",
    }
    print("| | |\n|---|---|")
    for name, value in rows.items():
        print(f"| {name} | {value} |")
    is_right = not any(counts[name] for name in WRONG) and verified.is_whole
    return 0 if is_right and snapshot.version >= options.changes else 1


if __name__ == "__main__":
    main()
