"""Measures an index of 100,000 videos: building, searching, adding, deleting, disk and memory.

    python benchmarks/search_speed.py RUN WORK                    # about half an hour, 5 GB in WORK
    python benchmarks/search_speed.py RUN WORK --entries 10000 --queries 100

The entries are made by ``search_tokens.py``, and go through the index's own writer; the last 1,000
are added when the others are searchable. What is not in the figures: encoding videos and sentences
by the model. A query is timed alone, from its words to the entries, tokens read from the disk's
maps; the first round begins with nothing of the index in memory. Recall counts how many of the
exact ten best are among the ten found, truth being exhaustive scoring of all entries.
"""

import argparse
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from measurement import print_conditions, seconds_of
from search_tokens import CPU, Corpus, add_options, best_entries, corpus_of, describe

from search.engine.engine import Engine
from search.index.changes import NewEntry, NewSentence
from search.index.identity import IndexIdentity
from search.index.part import Part
from search.index.records import EntryRecord
from search.index.snapshot import Snapshot
from search.index.writer import open_writer
from search.settings import SearchSettings
from train.batches import TextTokens
from train.evaluation.load_model import load_run

FOUND = 10
"""Hits of a query."""

AT_ONCE = 5000
"""Entries of one change of the index."""

EXHAUSTIVE = 5
"""Queries whose exhaustive scoring is timed."""

LATER = 1000
"""Entries that are added, and others that are deleted, when the index is in use."""


def identity_of(run: Path) -> IndexIdentity:
    """The identity of an index that the run's best checkpoint builds."""
    return IndexIdentity.of_run(
        load_run(run / "best.pt", CPU), run, "best", search=SearchSettings()
    )


def add(folder: Path, identity: IndexIdentity, corpus: Corpus, entries: Iterable[int]) -> None:
    """Appends entries of the corpus to the part in a folder, or makes it."""
    waiting: list[NewEntry] = []
    with open_writer(folder, create=identity) as writer:
        missing = set(writer.missing_sentences(corpus.texts))
        sentences = [new for new in sentences_of(corpus) if new.text in missing]
        for entry in entries:
            tokens = np.asarray(corpus.rows.of(entry))
            waiting.append(NewEntry(record_of(entry, corpus), "made", tokens, len(tokens)))
            if len(waiting) == AT_ONCE:
                writer.append(waiting, sentences)
                waiting, sentences = [], []
        if waiting:
            writer.append(waiting, sentences)


def sentences_of(corpus: Corpus) -> Iterator[NewSentence]:
    """The sentences that the index holds, encoded."""
    words = corpus.text_words
    for text, values, is_real in zip(corpus.texts, words.words, words.word_is_real, strict=True):
        kept = values[is_real].numpy().astype(np.float16)
        yield NewSentence(text, kept, len(kept))


def record_of(entry: int, corpus: Corpus) -> EntryRecord:
    """What a data set would say of the video."""
    return EntryRecord(
        video_id=video_id(entry), path=Path(f"/videos/{entry:07}.mp4"),
        text=corpus.texts[entry % len(corpus.texts)], span=None,
        duration=None, columns={"split": "test", "signer": f"signer{entry % 50}"},
        clip_spans=np.zeros((0, 2), np.float32),
    )  # fmt: skip


def video_id(entry: int) -> str:
    """Ids by which an entry is told from all others."""
    return f"video{entry:07}"


def built(
    folder: Path, identity: IndexIdentity, corpus: Corpus, entries: range
) -> tuple[float, float]:
    """Builds an index, unless it is there; returns the seconds, and those of the processor."""
    record = folder.with_suffix(".json")
    if not record.exists():
        shutil.rmtree(folder, ignore_errors=True)
        start, before = time.perf_counter(), time.process_time()
        add(folder, identity, corpus, entries)
        seconds = time.perf_counter() - start, time.process_time() - before
        record.write_text(json.dumps(seconds))
    taken, computed = json.loads(record.read_text())
    return taken, computed


def engine_of(snapshot: Snapshot, **changed: float) -> Engine:
    """An engine that holds the snapshot, with changed settings of the search."""
    identity = snapshot.identity
    assert snapshot.projection is not None
    engine = Engine(identity.settings.similarity, SearchSettings(**changed), snapshot.projection)
    follow(engine, snapshot)
    return engine


def follow(engine: Engine, snapshot: Snapshot) -> None:
    """Brings an engine to the newest version."""
    engine.update(snapshot.signs, snapshot.compressed_signs, snapshot.is_live)


def ask(
    engine: Engine, corpus: Corpus, numbers: range, *, exact: bool = False
) -> tuple[list[float], list[float], list[Int64[np.ndarray, " _"]]]:
    """Seconds, seconds of the processor, and entries of some queries, one at a time."""
    seconds, computed, found = [], [], []
    for number in numbers:
        query = corpus.query(number)
        start, before = time.perf_counter(), time.process_time()
        ranked = engine.search(query, FOUND, exact=exact)
        seconds.append(time.perf_counter() - start)
        computed.append(time.process_time() - before)
        found.append(ranked.entries)
    return seconds, computed, found


def recall(found: Sequence[Sequence[int]], corpus: Corpus) -> float:
    """Share of the exact ten best that are among the ten found."""
    shares = [
        len(set(best[:FOUND].tolist()) & {int(entry) for entry in entries[:FOUND]}) / FOUND
        for entries, best in zip(found, corpus.best, strict=False)
    ]
    return float(np.mean(shares))


def milliseconds(seconds: Sequence[float], computed: Sequence[float]) -> str:
    """p50 and p99, and what is left of them where nobody else is on the machine."""
    p50, p99, own50, own99 = np.percentile([seconds, computed], [50, 99], axis=1).T.ravel() * 1000
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms (processor {own50:.1f}, {own99:.1f})"


def print_disk(folder: Path, num_entries: int) -> None:
    """Bytes an entry, file by file."""
    sizes: dict[str, int] = defaultdict(int)
    for file in folder.rglob("*"):
        if file.is_file():
            sizes[file.name] += file.stat().st_size
    parts = ", ".join(
        f"{name} {size / num_entries:,.0f}"
        for name, size in sorted(sizes.items(), key=lambda item: -item[1])
        if size >= num_entries
    )
    print(f"On disk, bytes a video: {sum(sizes.values()) / num_entries:,.0f} ({parts})")


def resident(folder: Path) -> tuple[float, float]:
    """MiB of this process's own memory, and of a folder's mapped files that are in memory."""
    status = Path("/proc/self/status").read_text().splitlines()
    own = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
    files, counts = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        name, *values = line.split()
        if not name.endswith(":"):  # The first line of a mapping: its path stands last.
            counts = values[-1].startswith(f"{folder.resolve()}/")
        elif name == "Rss:" and counts:
            files += int(values[0])
    return own / 1024, files / 1024


def forget(folder: Path) -> None:
    """Asks the operating system to drop the files' pages, so that they come from the disk."""
    for file in folder.rglob("*"):
        if file.is_file():
            descriptor = os.open(file, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def measure(options: argparse.Namespace, corpus: Corpus) -> None:
    """Prints every figure, in the order in which an index lives."""
    folder, num_entries = options.work / "index", len(corpus.rows)
    identity, early = identity_of(options.run), range(len(corpus.rows) - LATER)
    seconds, computed = built(options.work / "index-built", identity, corpus, early)
    print(
        f"Built from tokens: {seconds:.0f} s (processor {computed:.0f}), "
        f"{1e6 * computed / len(early):.0f} us a video"
    )
    # What is measured changes it.
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(options.work / "index-built", folder)

    forget(folder)
    before = resident(folder)
    start = time.perf_counter()
    part = Part.open(folder)
    engine = engine_of(part.snapshot())
    opened = time.perf_counter() - start
    held = resident(folder)
    print(f"Opened, and the engine made: {opened:.2f} s")

    adding = seconds_of(lambda: add(folder, identity, corpus, range(len(early), num_entries)))
    updated = seconds_of(lambda: follow(engine, part.snapshot()))
    print(f"1,000 added in {adding:.2f} s, searchable {updated:.2f} s later (aim: 10 s)")
    print_disk(folder, num_entries)

    every = range(len(corpus.best))
    for name in ("first round, from the disk", *options.turns * ("again",)):
        taken, computed, found = ask(engine, corpus, every)
        load = os.getloadavg()[0]
        print(
            f"{name}: {milliseconds(taken, computed)}, recall of the exact ten best "
            f"{recall(found, corpus):.4f} (load average {load:.1f})"
        )
    asked = resident(folder)
    for title, then in (("engine made", held), ("all queries asked", asked)):
        own, files = (after - at_first for after, at_first in zip(then, before, strict=True))
        print(
            f"Memory, {title}: own {own * 2**20 / num_entries:,.0f} bytes a video ({own:.0f} MiB), "
            f"pages of files {files * 2**20 / num_entries:,.0f} ({files:.0f} MiB)"
        )
    print_exact(engine, corpus, min(options.exact, len(every)))
    print_deletion(folder, part, engine, corpus, options.exact)


def print_exact(engine: Engine, corpus: Corpus, number: int) -> None:
    """Compares ``--exact`` with the truth, for some queries."""
    taken, computed, found = ask(engine, corpus, range(number), exact=True)
    same = sum(
        np.array_equal(entries, best[: len(entries)])
        for entries, best in zip(found, corpus.best[:number], strict=True)
    )
    # The plain way, with the same tokens in the same file: score all, keep the best.
    exhaustive = [processor_seconds(corpus, number) for number in range(EXHAUSTIVE)]
    factor = np.median(exhaustive) / np.median(computed[:EXHAUSTIVE])
    print(
        f"--exact: {milliseconds(taken, computed)}; the very ten of exhaustive scoring for {same} "
        f"of {len(found)} queries, {factor:.1f} times less of the processor ({EXHAUSTIVE} queries)"
    )


def processor_seconds(corpus: Corpus, number: int) -> float:
    """What scoring every entry for one query takes."""
    row = slice(number, number + 1)
    query = TextTokens(corpus.queries.words[row], corpus.queries.word_is_real[row])
    before = time.process_time()
    best_entries(corpus.rows, query, corpus.similarity, FOUND)
    return time.process_time() - before


def print_deletion(folder: Path, part: Part, engine: Engine, corpus: Corpus, number: int) -> None:
    """Deletes what is found most, and looks whether it is found again."""
    often = dict.fromkeys(corpus.best.T.ravel().tolist())
    gone = list(often)[:LATER]

    def delete() -> None:
        with open_writer(folder) as writer:
            writer.delete([video_id(entry) for entry in gone])
        follow(engine, part.snapshot())

    seconds = seconds_of(delete)
    *_, found = ask(engine, corpus, range(min(number, len(corpus.best))))
    again = len(set(gone) & set(np.concatenate(found).tolist()))
    print(f"1,000 deleted in {seconds:.2f} s (aim: 2 s); {again} of them found after it")


def main() -> None:
    """Makes the entries where they are missing, and measures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, entries=100_000)
    parser.add_argument(
        "--turns", type=int, default=1, help="rounds of all queries after the first"
    )
    parser.add_argument(
        "--exact", type=int, default=50, help="queries asked exactly, and after the deletion"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print_conditions(vars(options))
    corpus = corpus_of(options)
    describe(corpus)
    measure(options, corpus)


if __name__ == "__main__":
    main()
