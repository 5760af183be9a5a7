"""Indexes real signs of three languages, asks for some, and finds them again in a long recording.

    python benchmarks/sign_search.py DATA --work WORK [--dictionary CLIPS] [--report FILE]

DATA holds folders with ``index.csv`` (video_id, split, text, path) and their videos: ``asl78``,
``karsl70`` and ``tid``. Each is a single sign. The model learns the train splits; its first hits
among the test clips, which it has never seen, are printed for ten words, with the mistakes, and how
often the first hit is right. Then test clips are joined into one recording, which is indexed by
windows: a moment is found when it overlaps the true one by at least half (intersection over union).
What is in WORK already is not computed again.
"""

import argparse
import csv
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from extract.videos.video_writing import write_video
from search.query.retriever import Retriever
from search.results import Hit, Span
from seds_core.dataset_index import IndexedVideo, read_index, write_index

RECIPES = Path(__file__).with_suffix(".yaml")
LANGUAGES = {"asl78": "ASL", "karsl70": "ArSL", "tid": "TİD"}
NUM_JOINED = 60
FRAME_RATE = 12.5
"""Of the recording: signs of two seconds had about this rate in training, 32 frames at most."""
SIZE = (360, 288)
WINDOWS, STEP = (1.6, 2.0, 2.4), 0.4
"""Seconds. No window may be longer than the timeline of a clip in training, 2.56 s here."""
SAME_MOMENT = 0.5


def main() -> None:
    """Print the figures; write the queries with their hits as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--dictionary", type=int, help="Clips of tid at most; they take hours.")
    parser.add_argument("--report", type=Path, help="Markdown file for the queries and their hits.")
    options = parser.parse_args()
    work: Path = options.work
    index = combined_index(options.data, work / "index.csv", options.dictionary)
    stores = work / "rgb.zarr", work / "pose.zarr"
    run = work / "runs" / "real-signs"
    for kind, store in zip(("pose", "rgb"), reversed(stores), strict=True):
        extract(kind, "--index", index, "--out", store, "--pipeline", "real-signs")
    call(
        "seds-train", "--stage", "fusion", "--pipelines", RECIPES, "--pipeline", "real-signs",
        "--index", index, "--rgb", stores[0], "--pose", stores[1],
        "--runs", run.parent, "--name", run.name, *["--resume"] * (run / "last.pt").exists(),
    )  # fmt: skip
    build(run, stores, index, work / "search")
    lines = first_hits(Retriever.load(work / "search"), read_index(index))
    lines += found_in_recording(work, run, stores, read_index(index))
    print("\n".join(lines))
    if options.report:
        options.report.write_text("\n".join(lines) + "\n")


def call(*words: object) -> None:
    """Run one of the project's commands."""
    subprocess.run([str(word) for word in words], check=True)


def extract(kind: str, *words: object) -> None:
    """Extract a stream; videos that cannot be used are no reason to stop."""
    command = ["seds-extract", kind, "--pipelines", RECIPES, *words]
    subprocess.run([str(word) for word in command], check=False)


def build(run: Path, stores: tuple[Path, Path], index: Path, out: Path, *windows: object) -> None:
    """Build an index."""
    call(
        "seds-search", "build", "--run", run, "--rgb", stores[0], "--pose", stores[1],
        "--index", index, "--out", out, *windows,
    )  # fmt: skip


def combined_index(data: Path, path: Path, dictionary: int | None) -> Path:
    """Write one index of all three sets, with their languages and sources."""
    videos = []
    for name, language in LANGUAGES.items():
        limit = dictionary if name == "tid" else None
        for video in read_index(data / name / "index.csv")[:limit]:
            other = {
                "language": language,
                "source": video.other.get("source", name),
                "data_set": name,
            }
            videos.append(
                IndexedVideo(video.video_id, video.path.resolve(), video.split, video.text, other)
            )
    write_index(path, videos)
    return path


def first_hits(retriever: Retriever, videos: list[IndexedVideo]) -> list[str]:
    """Recall of the test clips, and the first three of them for ten words, as lines of Markdown."""
    lines = []
    for name, language in LANGUAGES.items():
        tests = [v for v in videos if v.split == "test" and v.other["data_set"] == name]
        if not tests:
            continue
        filters = {"split": ["test"], "data_set": [name]}
        ranks = [
            next(hit.rank for hit in retriever.search(v.text, len(tests), filters=filters)
                 if hit.text == v.text)
            for v in tests
        ]  # fmt: skip
        recalls = [f"R@{k} {100 * np.mean(np.array(ranks) <= k):.1f} %" for k in (1, 5, 10)]
        lines.append(f"{language}, {len(tests)} test clips, word to clip: {', '.join(recalls)}.")
    # Every n-th word of the test clips, so that nobody has chosen them.
    words = sorted({v.text for v in videos if v.split == "test" and v.other["data_set"] == "asl78"})
    lines += ["", "| word | first | second | third |", "|---|---|---|---|"]
    chosen = words[:: len(words) // 10][:10]
    for word in chosen:
        hits = retriever.search(word, 3, filters={"split": ["test"]})
        cells = [described(hit, word) for hit in hits]
        lines.append(f"| {word} | {' | '.join(cells)} |")
    right = sum(retriever.search(word, 1)[0].text == word for word in chosen)
    lines += ["", f"Among all clips, learned ones too, the first hit is right for {right} of them."]
    return lines


def described(hit: Hit, word: str) -> str:
    """One cell of the table: what was found, and whether it is what was looked for."""
    mark = "**" if hit.text == word else ""
    return f"{mark}{hit.text}{mark} ({hit.columns['language']}, {hit.score:.2f})"


def found_in_recording(
    work: Path, run: Path, stores: tuple[Path, Path], videos: list[IndexedVideo]
) -> list[str]:
    """How many words are found among cut clips, and as moments of the clips joined together."""
    clips = [v for v in videos if v.split == "test" and v.other["data_set"] == "asl78"]
    clips = clips[:NUM_JOINED]
    folder = work / "recording"
    folder.mkdir(exist_ok=True)
    write_index(folder / "cut.csv", clips)
    build(run, stores, folder / "cut.csv", folder / "cut")
    moments = join(clips, folder / "joined.mp4", folder / "moments.csv")
    long_stores = folder / "rgb.zarr", folder / "pose.zarr"
    write_index(folder / "index.csv", [IndexedVideo("joined", folder / "joined.mp4")])
    for kind, store in zip(("pose", "rgb"), reversed(long_stores), strict=True):
        extract(kind, "--index", folder / "index.csv", "--out", store, "--pipeline", "recording")
    cut = Retriever.load(folder / "cut")
    right = sum(cut.search(clip.text, 1)[0].video_id == clip.video_id for clip in clips)
    total = len(clips)
    lines = [
        "",
        f"{total} test clips joined into a recording of {max(m.end for m in moments.values()):.0f} "
        f"seconds. Among the cut clips the right one is first for {right} words "
        f"({100 * right / total:.1f} %).",
        "",
        "| windows, seconds | every | right moment first | among five |",
        "|---|---|---|---|",
    ]
    for window in WINDOWS:
        out = folder / f"windows-{window}"
        build(
            run, long_stores, folder / "index.csv", out,
            "--windows", f"{window}s", "--step", f"{STEP}s",
        )  # fmt: skip
        windows = Retriever.load(out)
        found = [found_at(windows, clip.text, moments[clip.video_id]) for clip in clips]
        first, among = (sum(0 < rank <= last for rank in found) for last in (1, 5))
        lines.append(
            f"| {window} | {STEP} | {first} ({100 * first / total:.1f} %) "
            f"| {among} ({100 * among / total:.1f} %) |"
        )
    return lines


def found_at(windows: Retriever, word: str, moment: Span) -> int:
    """The rank of the first hit that overlaps the moment enough; 0 where none of five does."""
    for hit in windows.search(word, 5):
        assert hit.span is not None, "every hit in a recording is a moment of it"
        if intersection_over_union(hit.span, moment) >= SAME_MOMENT:
            return hit.rank
    return 0


def intersection_over_union(a: Span, b: Span) -> float:
    """Overlap of two spans, 0 to 1.

    >>> intersection_over_union(Span(0, 2), Span(1, 3))
    0.3333333333333333
    """
    both = max(0.0, min(a.end, b.end) - max(a.start, b.start))
    return both / ((a.end - a.start) + (b.end - b.start) - both)


def join(clips: list[IndexedVideo], path: Path, spans: Path) -> dict[str, Span]:
    """Write the clips one after the other at their own speed, and when each is shown."""
    if not spans.exists():
        moments: dict[str, tuple[float, float]] = {}

        def frames() -> Iterator[np.ndarray]:
            count = 0
            for clip in clips:
                first = count
                for frame in resampled(clip.path):
                    count += 1
                    yield frame
                moments[clip.video_id] = first / FRAME_RATE, count / FRAME_RATE

        write_video(path, frames(), FRAME_RATE)
        with spans.open("w", newline="") as file:
            csv.writer(file).writerows((name, *span) for name, span in moments.items())
    with spans.open(newline="") as file:
        return {name: Span(float(start), float(end)) for name, start, end in csv.reader(file)}


def resampled(path: Path) -> Iterator[np.ndarray]:
    """The frame that is shown at every tick, fitted into one size."""
    tick, step = Fraction(0), 1 / Fraction(FRAME_RATE)
    with av.open(str(path)) as container:
        start = None
        for frame in container.decode(video=0):
            start = frame.time if start is None else start
            # The frame is repeated or left out so that the sign keeps its speed.
            while frame.time - start >= tick - step / 2:
                tick += step
                yield fitted(frame)


def fitted(frame: av.VideoFrame) -> np.ndarray:
    """The whole picture in the middle of a black one of ``SIZE``."""
    factor = min(SIZE[0] / frame.width, SIZE[1] / frame.height)
    width, height = (int(side * factor) // 2 * 2 for side in (frame.width, frame.height))
    picture = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    left, top = (SIZE[0] - width) // 2, (SIZE[1] - height) // 2
    small = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
    picture[top : top + height, left : left + width] = small
    return picture


if __name__ == "__main__":
    main()
