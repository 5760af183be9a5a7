"""Breaks real video files at random and extracts them: every one must be accounted for.

    python benchmarks/fuzzed_videos.py --videos FOLDER --count 300

Ten files of five kinds (mp4, webm, mkv, avi, gif) are changed in the ways in which files break and
in which they are broken on purpose: flipped bits, exchanged and repeated blocks, bytes that are
lost or too many, lengths in headers that lie. A run on them all must end with the code for videos
that failed, having finished or failed each, and nothing may hang: no video takes longer than a
decoder may be silent.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
from measurement import print_conditions

FRAMES = 40
"""Of each file that is made: enough for several groups of frames, few enough for thousands."""

KINDS = {
    "mp4": ("libx264", "yuv420p", {}),
    "webm": ("libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
    "mkv": ("libx264", "yuv420p", {"bf": "0"}),
    "avi": ("mpeg4", "yuv420p", {}),
    "gif": ("gif", "rgb8", {}),
}


def flip_bits(content: bytearray, choose: random.Random) -> None:
    """Some bits, anywhere."""
    for _ in range(choose.choice((1, 4, 32, 256))):
        content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)


def break_header(content: bytearray, choose: random.Random) -> None:
    """Some bytes among the first, where containers say what follows."""
    for _ in range(choose.choice((1, 3, 9))):
        content[choose.randrange(min(1024, len(content)))] = choose.randrange(256)


def lie_about_size(content: bytearray, choose: random.Random) -> None:
    """Four bytes become a number that programs like to trip over."""
    numbers = (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF, len(content))
    place = choose.randrange(max(1, len(content) - 4))
    number = choose.choice(numbers)
    content[place : place + 4] = number.to_bytes(4, choose.choice(("big", "little")))


def cut_off(content: bytearray, choose: random.Random) -> None:
    """The end is missing."""
    del content[choose.randrange(1, len(content)) :]


def lose_block(content: bytearray, choose: random.Random) -> None:
    """A piece in the middle is missing."""
    begin = choose.randrange(len(content))
    del content[begin : begin + choose.choice((1, 7, 188, 4096))]


def blank_block(content: bytearray, choose: random.Random) -> None:
    """A piece in the middle was never written."""
    begin = choose.randrange(len(content))
    length = min(choose.choice((16, 512, 4096)), len(content) - begin)
    content[begin : begin + length] = bytes(length)


def repeat_block(content: bytearray, choose: random.Random) -> None:
    """A piece stands in place of another one, or twice."""
    begin, end = sorted(choose.randrange(len(content)) for _ in range(2))
    end = min(end, begin + 4096)
    place = choose.randrange(len(content))
    replaced = choose.choice((0, end - begin))
    content[place : place + replaced] = content[begin:end]


def append_noise(content: bytearray, choose: random.Random) -> None:
    """Something else follows."""
    content += choose.randbytes(choose.choice((1, 100, 10_000)))


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits, break_header, lie_about_size, cut_off, lose_block, blank_block, repeat_block,
    append_noise,
)  # fmt: skip


def main() -> None:
    """Prints what became of the files, by their kind and by the reason."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=Path, required=True, help="a folder of real videos")
    parser.add_argument("--count", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--limit", type=float, default=3_600.0, help="seconds that the run may take"
    )
    parser.add_argument("--keep", type=Path, help="a folder to leave the broken files in")
    options = parser.parse_args()
    print_conditions(vars(options))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broken = options.keep or folder / "broken"
        broken.mkdir(parents=True, exist_ok=True)
        originals = make_originals(sorted(options.videos.iterdir()), folder)
        files = [
            mutate(originals[number % len(originals)], broken, options.seed, number)
            for number in range(options.count)
        ]
        (folder / "index.csv").write_text(
            "video_id,path\n" + "".join(f"{file.stem},{file}\n" for file in files)
        )
        began = time.monotonic()
        events, code = run(folder, options.limit)
        seconds = time.monotonic() - began
        report(files, events, code, seconds)


def make_originals(real: list[Path], folder: Path) -> list[Path]:
    """Two files of every kind, from ten real videos."""
    originals = []
    step = max(1, len(real) // 10)
    for number, kind in enumerate([*KINDS, *KINDS]):
        path = folder / f"original{number}.{kind}"
        codec, pixel_format, options = KINDS[kind]
        with av.open(str(real[number * step])) as source, av.open(str(path), "w") as target:
            stream = target.add_stream(codec, rate=25, options=options)
            stream.pix_fmt = pixel_format
            stream.width, stream.height = 160, 120
            for count, frame in enumerate(source.decode(video=0)):
                if count == FRAMES:
                    break
                small = frame.reformat(160, 120, pixel_format)
                small.pts, small.time_base = count, Fraction(1, 25)
                target.mux(stream.encode(small))
            target.mux(stream.encode(None))
        originals.append(path)
    return originals


def mutate(original: Path, folder: Path, seed: int, number: int) -> Path:
    """Writes an original, changed in one to three ways."""
    choose = random.Random(f"{seed} {number}")
    content = bytearray(original.read_bytes())
    for change in choose.sample(MUTATIONS, choose.choice((1, 1, 2, 3))):
        if content:
            change(content, choose)
    path = folder / f"broken{number:05d}{original.suffix}"
    path.write_bytes(content)
    return path


def run(folder: Path, limit: float) -> tuple[list[dict[str, object]], int]:
    """Extracts the index of a folder with a network that costs nothing; its events, its exit code.

    Ends this program if the run is not over in time.
    """
    tests = Path(__file__).parents[1] / "tests"
    program = [sys.executable, str(tests / "mean_stream.py")]
    command = [*program, str(folder / "store.zarr"), str(folder / "index.csv")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired as late:
        raise SystemExit(f"the run hangs: it was not over after {limit:g} s") from late
    if done.returncode not in (0, 3):
        raise SystemExit(f"the run ended with {done.returncode}: {done.stderr[-3000:]}")
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode


def report(files: list[Path], events: list[dict[str, object]], code: int, seconds: float) -> None:
    """Prints the counts; ends this program where a file is not accounted for exactly once."""
    outcomes: dict[str, list[str]] = {file.stem: [] for file in files}
    reasons: Counter[str] = Counter()
    for event in events:
        if event["event"] in ("finished", "failed", "broken"):
            outcomes[str(event["video_id"])].append(str(event["event"]))
        if event["event"] == "failed":
            reasons[kind_of(str(event["reason"]))] += 1
    lost = {name: found for name, found in outcomes.items() if len(found) != 1}
    if lost:
        raise SystemExit(f"not accounted for once: {lost}")
    print(f"{len(files):,} files, exit code {code}, {seconds:.0f} s\n")
    print("| | finished | failed | errors of the program |")
    print("|---|---|---|---|")
    for suffix in KINDS:
        found = Counter(outcomes[file.stem][0] for file in files if file.suffix == f".{suffix}")
        print(f"| {suffix} | {found['finished']} | {found['failed']} | {found['broken']} |")
    print("\n| reason | files |\n|---|---|")
    for reason, count in reasons.most_common():
        print(f"| {reason} | {count} |")
    if any(found == ["broken"] for found in outcomes.values()):
        raise SystemExit("the program itself failed at some files")


def kind_of(reason: str) -> str:
    """A reason without its numbers and names."""
    words = reason.split("(")[0].split(":")[0]
    return "".join("N" if letter.isdigit() else letter for letter in words).strip()[:80]


if __name__ == "__main__":
    main()
