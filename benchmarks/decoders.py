"""Compares video decoders, file by file, with what the ffmpeg command decodes.

    python benchmarks/decoders.py --videos FOLDER --python OTHER_ENVIRONMENT/bin/python

Every file is decoded from its first frame to its last by this project's two decoders (PyAV, and
decord as it comes), by torchcodec and by decord2; those that are not installed are looked for in
the other environments, and left out with a word if they are in none. Besides the videos of the
folder, others are made: HEVC, frames at uneven times, edit lists, frames that are only referred to,
two fields a frame, damage, missing ends. ``ffmpeg -fps_mode passthrough`` is the reference. A frame
counts as the same when its picture is, up to the rounding of colours; whether two decoders give
the same bits is told besides. Processor time is compared on files that all decoders give alike.
"""

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

DECODERS = ("pyav", "decord", "torchcodec", "decord2")
OURS = "pyav"
_BATCH = 60
_SECONDS_A_FILE = 60
_GRID = 8
_SAME_PICTURE = 4.0
"""Of 255: how far the mean colours of a frame's 64 parts may be off."""


@dataclass
class Decoded:
    """What one decoder gives of one file."""

    signatures: np.ndarray
    """The mean colours of 8 x 8 parts, frame by frame."""
    bits: str = ""
    """Hash of all pixels."""
    seconds: float = 0.0
    """Of the processor."""
    error: str = ""


def main() -> None:
    """Prints a table of agreement, one of damaged files, and one of speed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--videos", type=Path, action="append", default=[], help="folders of files")
    parser.add_argument("--every", type=int, default=1, help="only every so many of their files")
    parser.add_argument("--made", type=int, default=200)
    parser.add_argument("--python", action="append", default=[], help="of other environments")
    parser.add_argument("--decode", nargs=2, metavar=("DECODER", "LIST"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.decode:
        decode_all(*options.decode)
        return
    pythons = find_pythons([sys.executable, *options.python])
    with tempfile.TemporaryDirectory() as name:
        files: dict[str, list[Path]] = defaultdict(list)
        for folder in options.videos:
            files[f"real: {folder.name if folder.name != 'videos' else folder.parent.name}"] += [
                path for path in sorted(folder.iterdir()) if path.is_file()
            ][:: options.every if folder.name == "videos" else 1]
        for kind, path in make_videos(Path(name), options.made):
            files[f"made: {kind}"].append(path)
        everything = [path for of_kind in files.values() for path in of_kind]
        found = {path: {"ffmpeg": by_ffmpeg(path)} for path in everything}
        # Decoders take turns, so that whoever else is at work slows all of them down alike.
        for first in range(0, len(everything), _BATCH):
            batch = everything[first : first + _BATCH]
            for decoder, python in pythons.items():
                for path, decoded in decoded_by(decoder, python, batch, Path(name)):
                    found[path][decoder] = decoded
        print_agreement(files, found, list(pythons))
        print_speed(found, list(pythons))


def find_pythons(pythons: Sequence[str]) -> dict[str, str]:
    """Decoder -> the first interpreter that has it."""
    where = {}
    for decoder in DECODERS:
        package = {"pyav": "av"}.get(decoder, decoder)
        code = f"from importlib import metadata; print(metadata.version({package!r}))"
        for python in pythons:
            asked = subprocess.run(
                [python, "-c", code], capture_output=True, text=True, check=False
            )
            if not asked.returncode:
                where[decoder] = python
                print(f"{decoder} {asked.stdout.strip()}")
                break
        else:
            print(f"{decoder} is left out: it is not installed")
    version = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=True)
    print(version.stdout.splitlines()[0] + "\n")
    return where


def signature(frame: np.ndarray) -> np.ndarray:
    """The mean colours of the parts of a frame."""
    return cv2.resize(np.ascontiguousarray(frame), (_GRID, _GRID), interpolation=cv2.INTER_AREA)


def by_ffmpeg(path: Path) -> Decoded:
    """The reference; where ffmpeg complains its words are the error, and its frames are kept."""
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-i", str(path), "-map", "0:V:0",
               "-fps_mode", "passthrough", "-f", "image2pipe", "-c:v", "ppm", "-"]  # fmt: skip
    signatures = []
    with tempfile.TemporaryFile() as complaints:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=complaints) as process:
            assert process.stdout is not None
            # A PPM picture tells its size, which ffmpeg has turned as players do.
            while process.stdout.readline() == b"P6\n":
                width, height = map(int, process.stdout.readline().split())
                process.stdout.readline()
                pixels = np.frombuffer(process.stdout.read(3 * width * height), np.uint8)
                signatures.append(signature(pixels.reshape(height, width, 3)))
        complaints.seek(0)
        error = complaints.read().decode(errors="replace").strip().split("\n")[0]
    return Decoded(np.array(signatures, np.uint8).reshape(-1, _GRID, _GRID, 3), error=error)


def decoded_by(
    decoder: str, python: str, files: Sequence[Path], folder: Path
) -> Iterator[tuple[Path, Decoded]]:
    """Decodes files in a process of its own, and in another one behind a file that it dies of."""
    waiting = list(files)
    while waiting:
        (folder / "list.json").write_text(json.dumps([str(path) for path in waiting]))
        command = [python, __file__, "--decode", decoder, str(folder / "list.json")]
        why = "crash"
        try:
            limit = _SECONDS_A_FILE * len(waiting)
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=limit, check=False
            )
            printed = done.stdout
        except subprocess.TimeoutExpired as late:
            printed, why = (late.stdout or b"").decode(), "hang"
        lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
        for line in lines:
            signatures = np.array(line.pop("signatures"), np.uint8).reshape(-1, _GRID, _GRID, 3)
            yield waiting.pop(0), Decoded(signatures, **line)
        if waiting:
            yield waiting.pop(0), Decoded(np.zeros((0, _GRID, _GRID, 3), np.uint8), error=why)


def decode_all(decoder: str, listed: str) -> None:
    """Decodes every file of a list; prints a line each."""
    frames_of = {
        "pyav": pyav_frames, "decord": decord_frames, "decord2": decord_frames,
        "torchcodec": torchcodec_frames,
    }[decoder]  # fmt: skip
    names = json.loads(Path(listed).read_text())
    with suppress(Exception):  # what is loaded with the first frame is not the file's cost
        next(frames_of(Path(names[0])))
    for name in names:
        signatures, digest, error = [], hashlib.blake2b(digest_size=16), ""
        frames = iter(frames_of(Path(name)))
        seconds = 0.0
        while True:
            began = time.process_time()
            try:
                frame = next(frames, None)
            except BaseException as raised:
                frame, error = None, f"{type(raised).__name__}: {raised}"[:200] or "error"
            seconds += time.process_time() - began
            if frame is None:
                break
            signatures.append(signature(frame).ravel().tolist())
            digest.update(np.ascontiguousarray(frame))
        result = {
            "signatures": signatures,
            "bits": digest.hexdigest(),
            "seconds": seconds,
            "error": error,
        }
        print(json.dumps(result), flush=True)


def pyav_frames(path: Path) -> Iterator[np.ndarray]:
    """As this project reads a file: looked through first, and upright."""
    from extract.videos.frame_source import VideoFile

    yield from VideoFile(path).frames()


def decord_frames(path: Path) -> Iterator[np.ndarray]:
    """All frames in order, by decord or by decord2."""
    import decord

    reader = decord.VideoReader(str(path), num_threads=1)
    for _ in range(len(reader)):
        yield reader.next().asnumpy()


def torchcodec_frames(path: Path) -> Iterator[np.ndarray]:
    """All frames in order, one thread."""
    from torchcodec.decoders import VideoDecoder

    for frame in VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=1):
        yield frame.numpy()


def make_videos(folder: Path, count: int) -> Iterator[tuple[str, Path]]:
    """Small videos of all kinds that have been trouble, each with its kind."""
    tests = Path(__file__).parents[1] / "tests"
    sys.path.insert(0, str(tests))
    from video_damage import blank, copy_packets, cut_off, hide_vp8_frame, show_only
    from video_files import numbered_frames, write_video

    frames = numbered_frames(60)

    def written(path: Path, **how: object) -> Path:
        return write_video(path, frames, **how)

    def hidden(path: Path, _: random.Random) -> Path:
        plain = written(path.with_suffix(".plain.webm"), codec="libvpx", options={"b": "1M"})
        return copy_packets(
            plain, path, lambda n, content: hide_vp8_frame(content) if n % 10 == 5 else content
        )

    kinds: dict[tuple[str, str], Callable[[Path, random.Random], Path]] = {
        ("H.264", "mp4"): lambda path, choose: written(
            path, options={"g": str(choose.randint(5, 60)), "bf": str(choose.randint(0, 4))}
        ),
        ("HEVC", "mp4"): lambda path, choose: written(
            path, codec="libx265",
            options={"x265-params": f"log-level=none:keyint={choose.randint(5, 60)}"},
        ),
        ("uneven times", "mp4"): lambda path, choose: written(
            path, times=sorted(choose.sample(range(400), 60))
        ),
        ("edit list", "mp4"): lambda path, choose: show_only(
            written(path, options={"g": "10"}), choose.randint(1, 20), choose.randint(9, 30), 25
        ),
        ("only referred to", "webm"): hidden,
        ("two fields", "mp4"): lambda path, _: written(path, options={"x264-params": "tff=1"}),
        ("turned", "mp4"): lambda path, choose: written(
            path, rotation=choose.choice((90, 180, 270))
        ),
        ("MPEG-4", "avi"): lambda path, choose: written(
            path, codec="mpeg4", options={"bf": str(choose.randint(0, 2))}
        ),
        ("damage", "mp4"): lambda path, choose: blank(
            written(path, options={"g": "15"}), choose.uniform(0.3, 0.8), choose.choice((40, 400))
        ),
        ("cut off", "mkv"): lambda path, choose: cut_off(written(path), choose.uniform(0.4, 0.95)),
    }  # fmt: skip
    for number in range(count):
        (kind, suffix), make = list(kinds.items())[number % len(kinds)]
        path = folder / f"made{number:04d}.{suffix}"
        yield kind, make(path, random.Random(number))


def verdict(decoded: Decoded, reference: Decoded) -> str:
    """How what a decoder gives compares with what ffmpeg does."""
    ours, theirs = decoded.signatures, reference.signatures
    if decoded.error:
        return decoded.error if decoded.error in ("crash", "hang") else "refused"
    if not reference.error and len(ours) != len(theirs):
        return "other number"
    # Of a damaged file ffmpeg gives what it can: what lies between the errors cannot be compared.
    if reference.error:
        return "taken" if len(ours) == len(theirs) else "taken, other number"
    off = np.abs(ours.astype(float) - theirs).max() if len(ours) else 0.0
    return "same" if off <= _SAME_PICTURE else "other pictures"


def print_agreement(
    files: Mapping[str, Sequence[Path]],
    found: Mapping[Path, Mapping[str, Decoded]],
    decoders: Sequence[str],
) -> None:
    """One row a kind of files: what each decoder makes of them."""
    print("| files | | ffmpeg complains | " + " | ".join(decoders) + " |")
    print("|---" * (3 + len(decoders)) + "|")
    for kind, paths in files.items():
        complaints = sum(bool(found[path]["ffmpeg"].error) for path in paths)
        cells = []
        for decoder in decoders:
            counted = Counter(
                verdict(found[path][decoder], found[path]["ffmpeg"]) for path in paths
            )
            cells.append(", ".join(f"{number} {what}" for what, number in counted.most_common()))
        print(f"| {kind} | {len(paths)} | {complaints} | " + " | ".join(cells) + " |")
    print()


def print_speed(found: Mapping[Path, Mapping[str, Decoded]], decoders: Sequence[str]) -> None:
    """Processor time of each decoder on the files that all of them give as ffmpeg does."""
    agreed = [
        of_file for of_file in found.values()
        if all(verdict(of_file[decoder], of_file["ffmpeg"]) == "same" for decoder in decoders)
    ]  # fmt: skip
    num_frames = sum(len(of_file["ffmpeg"].signatures) for of_file in agreed)
    print(f"{len(agreed):,} files, {num_frames:,} frames that all decoders give alike\n")
    if not agreed:
        return
    print("| decoder | processor time, times ours | files of the same bits as ours |")
    print("|---|---|---|")
    seconds = {name: sum(of_file[name].seconds for of_file in agreed) for name in decoders}
    for name in decoders:
        equal = sum(of_file[name].bits == of_file[OURS].bits for of_file in agreed)
        print(f"| {name} | {seconds[name] / seconds[OURS]:.2f} | {equal:,} |")


if __name__ == "__main__":
    main()
