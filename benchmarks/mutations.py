"""Breaks one line that matters at a time and asks the tests that should see it.

    python benchmarks/mutations.py
    python benchmarks/mutations.py --only seds_core/store --seconds 300

``mutations.yaml`` lists the mutations: a file, what stands there exactly once, what replaces it,
and the few tests that should fail then. Each is made in a copy of the working tree, never in the
tree itself. Ends with 1 where fewer than 95 % are caught, or where the tests fail unmutated.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_name("mutations.yaml")
COPIED = ("extract", "train", "search", "seds_core", "reference", "tests", "benchmarks",
          "pipelines.yaml", "pyproject.toml", "README.md", "DESIGN.md", "CHANGELOG.md",
          "Makefile")  # fmt: skip
AIM = 0.95
"""Share of the mutations that tests must catch."""


@dataclass(frozen=True)
class Mutation:
    """One change that some test must not survive."""

    file: str
    find: str
    replace: str
    tests: tuple[str, ...]

    @property
    def title(self) -> str:
        """File and changed line, for people."""
        line = " ".join(self.find.split())
        return f"{self.file}: {line[:70]}"

    def applied(self, source: str) -> str:
        """The changed source. Raises ``ValueError`` unless ``find`` occurs exactly once."""
        if (count := source.count(self.find)) != 1:
            raise ValueError(f"{self.title}: occurs {count} times, not once")
        return source.replace(self.find, self.replace)


def read_mutations(path: Path = LIST) -> list[Mutation]:
    """The listed mutations, in order."""
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    return [
        Mutation(entry["file"], entry["find"], entry["replace"], tuple(entry["tests"]))
        for entry in entries
    ]


def main() -> None:
    """Runs the mutations that were asked for, and prints a table and the share caught."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="Beginning of the mutated files' paths.")
    parser.add_argument("--seconds", type=float, default=600, help="Time limit of a test run.")
    options = parser.parse_args()
    chosen = [m for m in read_mutations() if m.file.startswith(options.only)]
    if not chosen:
        parser.error(f"no mutation of files whose paths begin with {options.only!r}")
    with tempfile.TemporaryDirectory() as folder:
        copy = copied_tree(Path(folder))
        broken = failing_unmutated(copy, chosen, options.seconds)
        survivors = [m for m in chosen if not is_caught(copy, m, options.seconds)]
    caught = len(chosen) - len(survivors)
    print("\n| survived | tests that should have seen it |\n|---|---|")
    for mutation in survivors:
        print(f"| `{mutation.title}` | {', '.join(mutation.tests)} |")
    print(f"\ncaught {caught} of {len(chosen)} mutations ({100 * caught / len(chosen):.1f} %)")
    for test in broken:
        print(f"fails without any mutation: {test}")
    sys.exit(1 if broken or caught < AIM * len(chosen) else 0)


def copied_tree(folder: Path) -> Path:
    """A copy of the working tree beside which shared test data is found as beside the tree."""
    copy = folder / "tree"
    copy.mkdir()
    for name in COPIED:
        source = REPOSITORY / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy / name)
    if (shared := REPOSITORY.parent / "shared").exists():
        (folder / "shared").symlink_to(shared)
    return copy


def failing_unmutated(copy: Path, mutations: Sequence[Mutation], seconds: float) -> list[str]:
    """The test files that fail as things stand: what they say of a mutation means nothing."""
    files = sorted({test for mutation in mutations for test in mutation.tests})
    return [test for test in files if tests_fail(copy, [test], seconds)]


def is_caught(copy: Path, mutation: Mutation, seconds: float) -> bool:
    """Whether a test fails, or never ends, while the mutation is in place."""
    path = copy / mutation.file
    source = path.read_text(encoding="utf-8")
    began = time.monotonic()
    path.write_text(mutation.applied(source), encoding="utf-8")
    try:
        caught = tests_fail(copy, mutation.tests, seconds)
    finally:
        path.write_text(source, encoding="utf-8")
    verdict = "caught" if caught else "SURVIVED"
    print(f"{verdict:8} {time.monotonic() - began:4.0f} s  {mutation.title}", flush=True)
    return caught


def tests_fail(copy: Path, tests: Sequence[str], seconds: float) -> bool:
    """Runs tests in a process group of their own, which ends with them."""
    # No bytecode: a file that changes twice within a second and keeps its size looks unchanged.
    environment = os.environ | {"PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    run = subprocess.Popen(
        command, cwd=copy, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        return run.wait(timeout=seconds) != 0
    except subprocess.TimeoutExpired:
        return True
    finally:
        end_group(run)


def end_group(run: "subprocess.Popen[bytes]") -> None:
    """Ends what a test run has left behind."""
    try:
        os.killpg(run.pid, 9)
    except ProcessLookupError:
        return
    finally:
        run.wait()


if __name__ == "__main__":
    main()
