"""Random damage to stores, and what no command may do with a damaged one."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from extract.inspection.info import describe, report
from extract.inspection.verify import verify_store
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader
from seds_core.store.records import rows_checksum
from seds_core.store.repair import repair_store

Contents = dict[str, tuple[object, int]]
"""Video -> its entry of the table without the place of its rows, and their checksum."""


def contents(path: Path) -> Contents:
    """All that a store says about its videos."""
    store = StoreReader(path)
    return {
        video_id: (
            {name: value for name, value in vars(entry).items() if name != "first_row"},
            rows_checksum(store.rows(video_id)),
        )
        for video_id, entry in store.videos.items()
    }


def damage(path: Path, choice: random.Random) -> str:
    """Damages one or two files of a store, and says how."""
    done = []
    for _ in range(choice.choice([1, 1, 1, 2])):
        files = sorted(p for p in path.rglob("*") if p.is_file())
        if not files:
            break
        file = choice.choice(files)
        way = choice.choice([*WAYS, *(JSON_WAYS if file.suffix == ".json" else ())])
        way(file, choice)
        done.append(f"{way.__name__} {file.relative_to(path)}")
    return ", ".join(done)


def flip_bit(file: Path, choice: random.Random) -> None:
    """One bit of one byte."""
    content = bytearray(file.read_bytes())
    if content:
        content[choice.randrange(len(content))] ^= 1 << choice.randrange(8)
    file.write_bytes(content)


def garble_bytes(file: Path, choice: random.Random) -> None:
    """A run of bytes becomes random."""
    content = bytearray(file.read_bytes())
    first = choice.randrange(len(content) + 1)
    content[first : first + 16] = choice.randbytes(len(content[first : first + 16]))
    file.write_bytes(content)


def cut_off(file: Path, choice: random.Random) -> None:
    """The end is lost."""
    os.truncate(file, choice.randrange(file.stat().st_size + 1))


def zero_page(file: Path, choice: random.Random) -> None:
    """Zeros, as some file systems leave them after a power cut."""
    file.write_bytes(bytes(file.stat().st_size))


def lose(file: Path, choice: random.Random) -> None:
    """The file is not there."""
    file.unlink()


def lose_folder(file: Path, choice: random.Random) -> None:
    """Nor is what lay beside it."""
    shutil.rmtree(file.parent)


def change_value(file: Path, choice: random.Random) -> None:
    """A value of a JSON file becomes another one, or disappears."""
    try:
        document = json.loads(file.read_bytes())
    except ValueError:
        return
    node = document
    while isinstance(node, dict) and node:
        key = choice.choice(sorted(node))
        if not isinstance(node[key], dict) or choice.random() < 0.2:
            node[key] = choice.choice([None, [], {}, -1, 10**12, "", True, [[]], {"a": 1}, 0.5])
            if choice.random() < 0.3:
                del node[key]
            break
        node = node[key]
    file.write_text(json.dumps(document, indent=2))


def become(file: Path, choice: random.Random) -> None:
    """A JSON file of something else."""
    file.write_text(choice.choice(["[]", "{}", "null", '"', "{" * 5_000, '{"attributes": 3}']))


WAYS: tuple[Callable[[Path, random.Random], None], ...] = (
    flip_bit, flip_bit, garble_bytes, cut_off, zero_page, lose, lose_folder,
)  # fmt: skip
JSON_WAYS = (change_value, change_value, become)


def check(path: Path, before: Contents, *, is_covered: bool) -> str:
    """Tries everything on a damaged store; raises ``AssertionError`` for what must not be.

    Every other exception than ``UsageError`` comes out. ``is_covered`` says that the store has a
    checksum of every byte. Gives what became of it.
    """
    outcome = "unharmed"
    try:
        now = contents(path)
        report(describe(StoreReader(path)))
        assert not is_covered or now.items() <= before.items(), "reads what was not written"
    except UsageError:
        outcome = "refused"
    try:
        if verify_store(path, sample=0, device="cpu").problems:
            outcome = "found"
        elif is_covered:
            assert outcome != "refused", "refused, but verified"
            assert now == before, "differs, but verified"
    except UsageError:
        assert outcome == "refused"
        outcome = "no longer a store"
    try:
        repair_store(path)
    except UsageError:
        return outcome
    assert verify_store(path, sample=0, device="cpu").problems == (), "not mended"
    after = contents(path)
    assert not is_covered or after.items() <= before.items(), "repair changed a video"
    return f"{outcome}, mended with {len(after)} of {len(before)} videos"
