"""Runs the benchmarks one after the other, and writes what they print into RESULTS.md.

    python benchmarks/run_all.py
    python benchmarks/run_all.py --only loader model_share --shared ../shared
    python benchmarks/run_all.py --list

A shell runs each command as it stands here, in the repository's root. ``$SHARED`` is a folder of
real sign videos that the project may not pass on; where it is missing, the claims that need it are
skipped. RESULTS.md is written after every command. Sections that were not run stay as they are:
each says itself when and of which commit it was measured.
"""

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from textwrap import indent

from claims import CLAIMS, Claim

REPOSITORY = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).with_name("RESULTS.md")
LAST_LINES = 15
"""What a section keeps of a command that failed."""


@dataclass(frozen=True)
class Outcome:
    """How a claim's command ended."""

    output: str
    errors: str
    code: int
    seconds: float


def main() -> None:
    """Runs what is asked for; ends with 1 where a command failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[c.name for c in CLAIMS])
    parser.add_argument("--list", action="store_true", help="Names and commands, and no more.")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), metavar="FOLDER")
    options = parser.parse_args()
    chosen = [claim for claim in CLAIMS if not options.only or claim.name in options.only]
    if options.list:
        print("\n".join(f"{claim.name}:\n{indent(claim.command, '  ')}" for claim in chosen))
        return
    sys.exit(run_claims(chosen, (REPOSITORY / options.shared).resolve()))


def run_claims(claims: Sequence[Claim], shared: Path) -> int:
    """Runs the claims in turn and writes the results after each; 1 where one failed."""
    head, commit = heading(), commit_now()
    sections = sections_of(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    failed = False
    for number, claim in enumerate(claims, start=1):
        tell(f"[{number}/{len(claims)}] {claim.name}")
        if missing := [name for name in claim.needs if not (shared / name).exists()]:
            reason = f"$SHARED/{missing[0]} is missing; --shared names the folder"
            tell(f"  skipped: {reason}")
            sections.setdefault(claim.name, section(claim, f"Not measured: {reason}.\n"))
        else:
            outcome = run(claim, shared)
            failed = failed or outcome.code != 0
            measured = f"{datetime.now():%Y-%m-%d %H:%M}, commit {commit}"
            told = without_paths(result(outcome, measured), shared)
            sections[claim.name] = section(claim, told)
        RESULTS.write_text(document(head, sections), encoding="utf-8")
    return int(failed)


def run(claim: Claim, shared: Path) -> Outcome:
    """Runs a claim's command, and shows on standard error how long it has been at work."""
    programs = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}", "SHARED": str(shared),
    }  # fmt: skip
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            ["sh", "-ec", claim.command],
            cwd=REPOSITORY, env=environment, stdout=output, stderr=errors,
        )  # fmt: skip
        try:
            while not has_ended(process):
                tell(f"  {time.monotonic() - start:.0f} s", passing=True)
        finally:
            process.terminate()
        seconds = time.monotonic() - start
        tell(f"  ended with {process.returncode} after {seconds:.0f} s")
        for file in (output, errors):
            file.seek(0)
        return Outcome(output.read(), errors.read(), process.returncode, seconds)


def has_ended(process: "subprocess.Popen[bytes]") -> bool:
    """Waits a second for a process."""
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        return False
    return True


def tell(text: str, *, passing: bool = False) -> None:
    """A line on standard error; a passing one is shown on a terminal only, and written over."""
    if not passing:
        print(text, file=sys.stderr, flush=True)
    elif sys.stderr.isatty():
        print(text, end="\r", file=sys.stderr, flush=True)


def heading() -> str:
    """The document's beginning: the machine and the software of the last run."""
    from measurement import processor

    from seds_core.store.provenance import software_versions

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    software = ", ".join(f"{name} {version}" for name, version in software_versions().items())
    return (
        "# Results\n\n"
        "`make bench` writes this file; it is not edited by hand. "
        "`python benchmarks/run_all.py --only NAME`\nmeasures one section again. "
        "`$SHARED` is a folder of real sign videos that are not ours to\npass on.\n\n"
        "| the last run | |\n|---|---|\n"
        f"| machine | {os.cpu_count()} CPUs ({processor()}), {memory:.0f} GiB, "
        f"{platform.system()} {platform.machine()} |\n"
        f"| software | {software} |\n"
        f"| commit | {commit_now()} |\n"
    )


def commit_now() -> str:
    """The repository's commit, and whether files differ from it; the results do not count."""
    name = git("rev-parse", "--short", "HEAD")
    changes = git("status", "--porcelain", "--", ".", f":!benchmarks/{RESULTS.name}")
    return f"{name or 'unknown'}{' with changes' if changes else ''}"


def git(*arguments: str) -> str:
    """What git prints; nothing where there is no repository."""
    command = ["git", *arguments]
    run = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    return run.stdout.strip()


def document(head: str, sections: Mapping[str, str]) -> str:
    """The whole file: the sections of listed claims, in the order of the list."""
    listed = [claim.name for claim in CLAIMS if claim.name in sections]
    return "\n".join([head, *(f"{marker(name)}\n{sections[name]}" for name in listed)])


def sections_of(text: str) -> dict[str, str]:
    """The sections of a document, by the claims' names; the other half of :func:`document`."""
    _, *parts = re.split(marker(r"(\w+)") + "\n", text)
    bodies = [body.rstrip("\n") + "\n" for body in parts[1::2]]
    return dict(zip(parts[::2], bodies, strict=True))


def marker(name: str) -> str:
    """The line that a section begins after; a rendered file does not show it."""
    return f"<!-- {name} -->"


def section(claim: Claim, result: str) -> str:
    """What is claimed, how it is measured, and the result."""
    bar = f"**Bar.** {claim.bar}\n\n" if claim.bar else ""
    return f"## {claim.heading}\n\n{claim.compared}\n\n{bar}```\n{claim.command}\n```\n\n{result}"


def result(outcome: Outcome, measured: str) -> str:
    """What a command printed, or how it failed."""
    when = f"{measured}, {outcome.seconds:.0f} s"
    if outcome.code == 0:
        return f"{when}.\n\n{as_markdown(outcome.output)}"
    lines = f"{outcome.output}\n{outcome.errors}".strip().splitlines()[-LAST_LINES:]
    last = "\n".join(lines)
    return (
        f"**Failed** with exit code {outcome.code} ({when}). Its last lines:\n\n```\n{last}\n```\n"
    )


def as_markdown(output: str) -> str:
    """Tables and single lines as they are; lines that follow each other keep their form."""
    blocks = []
    for kind, lines in groupby(output.splitlines(), kind_of_line):
        text = list(lines)
        if kind == "text" and len(text) > 1:
            text = ["```", *text, "```"]
        if kind != "blank":
            blocks.append("\n".join(text))
    return "\n\n".join(blocks) + "\n"


def kind_of_line(line: str) -> str:
    """``table``, ``text`` or ``blank``."""
    if not line.strip():
        return "blank"
    return "table" if line.startswith("|") else "text"


def without_paths(text: str, shared: Path) -> str:
    """Leaves out where the files lay on this machine."""
    return text.replace(str(shared), "$SHARED").replace(str(REPOSITORY), ".")


if __name__ == "__main__":
    main()
