"""Fuzzes stores, and opens them with ``info``, ``verify`` and ``seds-train --dry-run``.

    python benchmarks/fuzzed_stores.py --number 2000

Stores are damaged byte by byte, cut off, have files swapped with each other's or with those of
another store, and values of their JSON edited, also with checksums made anew as somebody would who
means harm. Each command is called in this process and has a time limit. It must end in a sentence,
or with a right answer: no row of a video that anybody gets is another than the one written, unless
the store was forged with checksums of its own. Ends with an error at the first command that breaks
that. Tracebacks, and what took longest, are printed.
"""

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import extract.cli
import train.cli
from reference.damaged_stores import Contents, contents, damage
from reference.small_stores import small_data_set
from reference.stores_made_before import made_before
from seds_core.errors import UsageError
from seds_core.store.commit import _checksum
from seds_core.store.reader import StoreReader

SECONDS = 120.0
"""That a command may take, on a machine that does other things too."""

BYTES = 4 * 2**30
"""Of memory that all commands may take; with sound stores they take half a gigabyte."""

PIPELINES = """
pipelines:
  small:
    train:
      data: {workers: 0}
      keypoints: {max_clips: 6}
      embedding_dim: 64
      text: {encoder: clip, weights: random, max_words: 12, width: 64, layers: 1}
      pose_encoder: {width: 8}
      streams: {width: 64, layers: 1, initial: random}
      cgaf: {neighbours: [3], heads: 2, hidden: 32}
      optimisation: {epochs: 1, batch_size: 6, learning_rates: {text: 0.001, streams: 0.001}}
"""

TRAIN = (
    "seds-train --stage fusion --pipelines pipelines.yaml --pipeline small --index index.csv "
    "--rgb rgb.zarr --pose pose.zarr --device cpu --dry-run"
)
"""A batch holds all training videos, so that every row is read."""

COMMANDS: dict[str, Callable[[], None]] = {
    "seds-extract info rgb.zarr": extract.cli.main,
    "seds-extract info pose.zarr --json": extract.cli.main,
    "seds-extract verify rgb.zarr": extract.cli.main,
    "seds-extract verify pose.zarr": extract.cli.main,
    TRAIN: train.cli.main,
}


def main() -> None:
    """Fuzzes copies of one data set in turn."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--number", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0, help="Turn to begin with.")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        fuzzing = Fuzzing(Path(folder))
        fuzzing.try_sound_stores()
        resource.setrlimit(resource.RLIMIT_DATA, (BYTES, BYTES))
        for turn in range(options.first, options.first + options.number):
            began = time.monotonic()
            for outcome in fuzzing.turn(turn, random.Random(f"{options.seed} {turn}")):
                outcomes[outcome] += 1
            slowest = max(slowest, time.monotonic() - began)
            if turn % 100 == 99:
                print(f"{turn + 1} stores", flush=True)
        os.chdir("/")
    for outcome, count in sorted(outcomes.items()):
        print(f"{count:5} {outcome}")
    print(f"{options.number} fuzzed stores; the slowest took {slowest:.1f} s for all commands")
    sys.exit(any(outcome.startswith("WRONG") for outcome in outcomes))


class Fuzzing:
    """Sound stores, and what each command may say of fuzzed ones."""

    def __init__(self, folder: Path) -> None:
        self._whole = folder / "whole"
        self._whole.mkdir()
        small_data_set(self._whole)
        (self._whole / "pipelines.yaml").write_text(PIPELINES)
        # Stores of an earlier version, with fewer checksums.
        self._before = folder / "before"
        shutil.copytree(self._whole, self._before)
        for kind in ("rgb", "pose"):
            shutil.rmtree(self._before / f"{kind}.zarr")
            made_before(self._before, kind)
        self._contents = {
            place: {kind: contents(place / f"{kind}.zarr") for kind in ("rgb", "pose")}
            for place in (self._whole, self._before)
        }

    def try_sound_stores(self) -> None:
        """Has every command succeed, which also imports what they need outside the time limit."""
        os.chdir(self._whole)
        for command, program in COMMANDS.items():
            sys.argv = command.split()
            code = 0
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    program()
            except SystemExit as end:
                code = end.code
            assert not code, command
        os.chdir("..")

    def turn(self, number: int, choice: random.Random) -> Iterator[str]:
        """Fuzzes one store, and yields what became of each command."""
        place = self._before if number % 8 == 7 else self._whole
        copy = Path(shutil.copytree(place, "copy"))
        fuzz = choice.choice(FUZZES)
        what = fuzz(copy, choice)
        # Whoever makes checksums anew may write any row; it must still end in a sentence.
        known = None if fuzz is forge else self._contents[place]
        os.chdir(copy)
        try:
            told = f"turn {number}, {what}"
            if wrong := self._wrong_rows(known):
                print(f"{told}: {wrong}", flush=True)
                yield f"WRONG row read: {fuzz.__name__}"
            for command, program in COMMANDS.items():
                yield f"{ended(command, program, told)}: {' '.join(command.split()[:3])}"
        finally:
            os.chdir("..")
            shutil.rmtree(copy)

    def _wrong_rows(self, known: dict[str, Contents] | None) -> str | None:
        """Which store gives rows that were not written; ``None`` when none does."""
        for kind in ("rgb", "pose"):
            try:
                now = contents(Path(f"{kind}.zarr"))
            except UsageError:
                continue
            except Exception:
                return f"{kind}: {traceback.format_exc()}"
            if known is None:
                continue
            # The table of a store of an earlier version has no checksum, but its rows have.
            is_covered = bool(StoreReader(Path(f"{kind}.zarr")).arrays.commit.files)
            written = known[kind]
            if is_covered and not now.items() <= written.items():
                return kind
            if any(v not in written or now[v][1] != written[v][1] for v in now):
                return kind
        return None


def ended(command: str, program: Callable[[], None], what: str) -> str:
    """How a command ended: its exit code, or what may not be, which is printed."""
    sys.argv = command.split()
    told = io.StringIO()
    signal.signal(signal.SIGALRM, _too_late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
            program()
    except SystemExit as end:
        if not end.code or told.getvalue().strip():
            return f"exit code {end.code or 0}"
        return "WRONG silence"
    except TimeoutError:
        print(f"{what}, {command}: takes more than {SECONDS:.0f} s", flush=True)
        return "WRONG endless"
    except BaseException:
        print(f"{what}, {command}:\n{traceback.format_exc()}", flush=True)
        return "WRONG traceback"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return "exit code 0"


def _too_late(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError


def broken(folder: Path, choice: random.Random) -> str:
    """Bytes are flipped, cut off or lost, and JSON is edited."""
    return damage(folder / choice.choice(["rgb.zarr", "pose.zarr"]), choice)


def swapped(folder: Path, choice: random.Random) -> str:
    """Two files change places, within a store or between the two."""
    stores = [folder / choice.choice(["rgb.zarr", "pose.zarr"]) for _ in range(2)]
    first, second = (choice.choice(_files(store)) for store in stores)
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    return f"swapped {first.relative_to(folder)} and {second.relative_to(folder)}"


def swapped_twins(folder: Path, choice: random.Random) -> str:
    """A file is that of the same name in the other store, or of another column of one shape."""
    shards = [path for path in _files(folder / "rgb.zarr") if path.suffix != ".json"]
    shards += [path for path in _files(folder / "pose.zarr") if path.suffix != ".json"]
    first = choice.choice(shards)
    twins = [p for p in shards if p != first and p.parts[-2:] == first.parts[-2:]]
    second = choice.choice(twins)
    shutil.copyfile(second, first)
    return f"{first.relative_to(folder)} is {second.relative_to(folder)}"


def forge(folder: Path, choice: random.Random) -> str:
    """Values of the root are edited, and its checksum made anew."""
    path = folder / choice.choice(["rgb.zarr", "pose.zarr"]) / "zarr.json"
    document = json.loads(path.read_bytes())
    attributes = document["attributes"]
    name = choice.choice(sorted(attributes))
    edited = _edited(attributes[name], choice)
    attributes[name] = edited
    if "checksum" in attributes and name != "checksum":
        covered = attributes["checksum"]["of"]
        if choice.random() < 0.2:
            attributes["layout_version"] = choice.choice([0, 2, 99, "1", None, 1.0])
        attributes["checksum"] = _checksum(attributes, [n for n in covered if n in attributes])
    path.write_text(json.dumps(document))
    return f"forged {name} of {path.parent.name}: {json.dumps(edited)[:200]}"


ODD_VALUES = (
    None, [], {}, -1, 0, 1, 2**31, 2**63, 2**70, 1e300, float("nan"), "", "../../etc/passwd",
    "\x00", "a" * 4000, True, [[]], {"a": 1}, 0.5, "pose", "rgb", "any", "how2sign", "\ud800",
)  # fmt: skip


def _edited(value: object, choice: random.Random) -> object:
    """A value with one part replaced, at any depth."""
    if isinstance(value, dict) and value and choice.random() < 0.85:
        key = choice.choice(sorted(value))
        if choice.random() < 0.15:
            return {name: part for name, part in value.items() if name != key}
        return value | {key: _edited(value[key], choice)}
    if isinstance(value, list) and value and choice.random() < 0.85:
        place = choice.randrange(len(value))
        return [*value[:place], _edited(value[place], choice), *value[place + 1 :]]
    return choice.choice(ODD_VALUES)


def replacing(folder: Path, choice: random.Random) -> str:
    """A list of files that are being replaced, as a killed pack leaves it, vouches for anything."""
    store = folder / choice.choice(["rgb.zarr", "pose.zarr"])
    first, second = (choice.choice(_files(store)) for _ in range(2))
    content = second.read_bytes()
    listed: object = choice.choice(
        [
            {first.relative_to(store).as_posix(): ["1 00000000"]},
            {"../../etc/passwd": ["1 00000000"]},
            {"": []},
            [],
            None,
            {first.relative_to(store).as_posix(): 5},
        ]
    )
    (store / "replacing.json").write_text(json.dumps(listed))
    if choice.random() < 0.5:
        first.write_bytes(content)
    return f"replacing.json {json.dumps(listed)[:100]}, {first.name} of {second.name}"


FUZZES: tuple[Callable[[Path, random.Random], str], ...] = (
    broken, broken, broken, swapped, swapped_twins, forge, forge, replacing,
)  # fmt: skip


def _files(store: Path) -> list[Path]:
    return sorted(path for path in store.rglob("*") if path.is_file())


if __name__ == "__main__":
    main()
