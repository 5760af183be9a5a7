"""A stream that needs no network, and a program that extracts with it.

``python mean_stream.py STORE INDEX [--seconds S] [--wait] [--devices D]`` runs ``seds-extract rgb``
with it, spending S seconds on every video, so that tests can kill it in the middle; other options
inject faults.
"""

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
from finished_videos import RGB

from extract.videos.decoding import confirmed_frames, expected_frames
from seds_core.clip_plan import timeline_length, timeline_step
from seds_core.errors import UsageError
from seds_core.store.provenance import Provenance

PIPELINE = """pipelines:
  tiny: {extract: {frames: {max_frames: 30}, run: {decode_workers: 2, video_timeout: LIMIT}}}
"""


@dataclass
class MeanStream:
    """Row i holds the mean colours of timeline frame i."""

    provenance: Provenance = RGB
    batch_size = 7
    seconds: float = 0.0
    break_on: str = ""
    """Video at which the program fails; ``*``: all."""
    die_of: str = ""
    """Video at which the process is killed; ``*``: all."""
    hang_on: str = ""
    """Video that never ends."""

    def cut(self, video_id):
        return None

    def num_rows(self, video):
        num_frames = expected_frames(video)
        return timeline_length(num_frames, timeline_step(num_frames, 30))

    def pieces(self, video):
        if self.break_on in (video.job.video_id, "*"):
            raise RuntimeError("the network broke")
        if self.die_of in (video.job.video_id, "*"):
            os.kill(os.getpid(), signal.SIGKILL)
        if self.hang_on == video.job.video_id:
            time.sleep(1000)
        time.sleep(self.seconds)
        numbers = count(0, video.frame_step)
        for frames in confirmed_frames(video):
            for frame in frames:
                yield next(numbers), video.frame_step, frame.mean(axis=(0, 1))

    def rows(self, pieces):
        return [
            {
                "features": np.pad(mean[None], ((0, 0), (0, 5))).astype(np.float32),
                "first_frame": np.array([number], np.int32),
                "frame_step": np.array([step], np.int32),
            }
            for number, step, mean in pieces
        ]


def write_pipeline(folder: Path, video_timeout: float | None = None) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(PIPELINE.replace("LIMIT", str(video_timeout or "null")))
    return path


def load(stream, _kind, _settings, device, _pose_store):
    """Loads it in a worker: ``stream``, on its device."""
    if device.startswith("cuda"):
        raise UsageError(f"there is no {device}")
    if stream.provenance.device:
        return replace(stream, provenance=replace(stream.provenance, device=device))
    return stream


def main():
    import mean_stream

    from extract.run import command
    from extract.run.engine import ClusterShare

    parser = argparse.ArgumentParser()
    parser.add_argument("store")
    parser.add_argument("index", type=Path)
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--devices", default="auto")
    parser.add_argument("--ray", metavar="ADDRESS")
    parser.add_argument("--video-timeout", type=float)
    for fault in ("break_on", "die_of", "hang_on"):
        parser.add_argument(f"--{fault.replace('_', '-')}", default="")
    asked = parser.parse_args()
    # Under its own name, and not that of the program, workers can import it.
    stream = mean_stream.MeanStream(
        seconds=asked.seconds,
        break_on=asked.break_on,
        die_of=asked.die_of,
        hang_on=asked.hang_on,
    )
    command.load_stream = partial(mean_stream.load, stream)
    command.known_provenance = lambda *_: RGB
    return command.extract(
        "rgb",
        asked.store,
        index=asked.index,
        pipeline="tiny",
        pipelines=write_pipeline(asked.index.parent, asked.video_timeout),
        cluster=ClusterShare(asked.ray, cpus=1.0) if asked.ray else None,
        devices=asked.devices,
        wait=asked.wait,
        as_json=True,
    )


if __name__ == "__main__":
    sys.exit(main())
