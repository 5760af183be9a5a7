"""A stream that needs no network, and a program that extracts with it.

``python mean_stream.py STORE INDEX [SECONDS [wait]]`` runs ``seds-extract rgb`` with it, spending
SECONDS on every video, so that tests can kill it in the middle; ``wait`` stands for ``--wait``.
"""

import sys
import time
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from finished_videos import RGB

from extract.videos.decoding import confirmed_frames, expected_frames
from seds_core.clip_plan import timeline_length, timeline_step
from seds_core.store.provenance import Provenance

PIPELINE = "pipelines: {tiny: {extract: {frames: {max_frames: 30}, run: {decode_workers: 2}}}}"


@dataclass
class MeanStream:
    """Row i holds the mean colours of timeline frame i."""

    provenance: Provenance = RGB
    fit = None
    batch_size = 7
    seconds: float = 0.0
    break_on: str = ""

    def num_rows(self, video):
        num_frames = expected_frames(video)
        return timeline_length(num_frames, timeline_step(num_frames, 30))

    def pieces(self, video):
        if self.break_on in (video.job.video_id, "*"):
            raise RuntimeError("the network broke")
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


def write_pipeline(folder: Path) -> Path:
    path = folder / "tiny.yaml"
    path.write_text(PIPELINE)
    return path


def main(store, index, seconds="0.0", wait=""):
    from extract.run import command

    command.load_stream = lambda *_: MeanStream(seconds=float(seconds))
    command.known_provenance = lambda *_: RGB
    pipelines = write_pipeline(Path(store).parent)
    return command.extract(
        "rgb",
        Path(store),
        index=Path(index),
        pipeline="tiny",
        pipelines=pipelines,
        wait=bool(wait),
        as_json=True,
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
