"""Peak memory of extracting a short and a long 720p video: it must not grow with the length.

    python benchmarks/long_video.py

Prints, for both streams, the peak of the memory that the command and its decoders hold together
(proportional set size, so that shared pages count once; Linux only).
"""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import av
import numpy as np

LENGTHS = (1_000, 10_000)
WIDTH, HEIGHT = 1280, 720
SECONDS_BETWEEN_LOOKS = 0.2


def write_moving_pattern(path: Path, num_frames: int) -> None:
    """A video whose every frame differs from the others, cheap to make and to decode."""
    picture = np.random.default_rng(0).integers(0, 255, (45, 80, 3), np.uint8)
    picture = picture.repeat(16, axis=0).repeat(16, axis=1)
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(num_frames):
            frame = np.roll(picture, index, axis=1)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, "rgb24")))
        film.mux(stream.encode(None))


def process_tree(root: int) -> list[int]:
    """Process ids of a process and of all its descendants."""
    ids = [root]
    for process in ids:
        for children in Path(f"/proc/{process}/task").glob("*/children"):
            ids += [int(child) for child in children.read_text().split()]
    return ids


def held_bytes(process: int) -> int:
    """Memory of one process; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def peak_bytes(command: list[str]) -> int:
    """Runs a command to its end and gives the peak memory of its process tree."""
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:

        def watch() -> None:
            nonlocal peak
            while run.poll() is None:
                peak = max(peak, sum(map(held_bytes, process_tree(run.pid))))
                time.sleep(SECONDS_BETWEEN_LOOKS)

        watcher = threading.Thread(target=watch)
        watcher.start()
        run.wait()
        watcher.join()
    if run.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {run.returncode}")
    return peak


def main() -> None:
    """Measures every stream on every length."""
    command = str(Path(sys.executable).with_name("seds-extract"))
    with tempfile.TemporaryDirectory() as folder:
        for num_frames in LENGTHS:
            video = Path(folder) / f"{num_frames}.mp4"
            write_moving_pattern(video, num_frames)
            for stream in ("rgb", "pose"):
                store = Path(folder) / f"{stream}-{num_frames}.zarr"
                arguments = ["--pipeline", "demo", "--videos", str(video), "--out", str(store)]
                peak = peak_bytes([command, stream, *arguments])
                print(f"{stream:4} {num_frames:6,} frames of 720p: peak {peak / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
