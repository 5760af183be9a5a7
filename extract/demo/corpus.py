"""Plans a corpus of drawn signers and writes it as videos, an index and true keypoints.

The demo stands beside the pipeline: nothing that extracts or trains imports it. A sentence of the
invented :mod:`language` becomes the :mod:`motion` of a sampled :mod:`signer`, whose
:mod:`skeleton` is posed in the picture and drawn by the :mod:`renderer`.
"""

import csv
import io
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
from jaxtyping import Float32, UInt8
from pydantic import Field

from extract.demo.language import Sentence, choose_sentences
from extract.demo.motion import FRAME_RATE
from extract.demo.renderer import SignedVideo
from extract.demo.signer import sample_signer
from extract.demo.skeleton import ground_truth
from extract.pose.provenance import DRAWN_CORPUS_FILE
from extract.videos.video_writing import write_video
from seds_core.console import track
from seds_core.errors import UsageError
from seds_core.files import whole_file, write_whole
from seds_core.pipeline_file import Settings

INDEX_COLUMNS = ("video_id", "split", "text", "signer", "glosses", "path")

# More than the 980 signers that a corpus may have, so that two corpora share none; and the largest
# seed stays below those that the keypoint model was trained on.
_SEEDS_OF_A_CORPUS = 1000


class SyntheticCorpus(Settings):
    """What a corpus of drawn signers holds; equal settings give equal files."""

    num_sentences: int = Field(default=64, ge=1)
    """Different sentences; every signer signs all of them."""
    train_signers: int = Field(default=6, ge=0, le=900)
    """Signers of the training split."""
    dev_signers: int = Field(default=1, ge=0, le=40)
    """Signers of the development split, none of whom trains."""
    test_signers: int = Field(default=2, ge=0, le=40)
    """Signers of the test split, none of whom trains."""
    takes: int = Field(default=1, ge=1, le=100)
    """How often a signer signs each sentence."""
    side: int = Field(default=256, ge=64, multiple_of=2)
    """Width and height of the videos in pixels."""
    seed: int = Field(default=0, ge=0, lt=10_000)
    """Chooses the sentences and the signers."""


@dataclass(frozen=True)
class PlannedVideo:
    """One video of a corpus, before it is drawn."""

    video_id: str
    split: str
    sentence: Sentence
    signer_seed: int
    take_seed: int
    side: int

    @property
    def signer(self) -> str:
        """The signer's name in the index."""
        return f"signer{self.signer_seed}"

    @property
    def path(self) -> str:
        """Where the video lies in the corpus's folder."""
        return f"videos/{self.video_id}.mp4"


def plan_corpus(settings: SyntheticCorpus) -> tuple[PlannedVideo, ...]:
    """All videos, signer by signer; no signer is in two splits."""
    sentences = choose_sentences(settings.num_sentences, settings.seed)
    # Signers are numbered through the splits, so that none is in two of them.
    splits = (
        ["train"] * settings.train_signers
        + ["dev"] * settings.dev_signers
        + ["test"] * settings.test_signers
    )
    return tuple(
        PlannedVideo(
            video_id=f"signer{signer:03d}_sentence{number:04d}_take{take}",
            split=split,
            sentence=sentence,
            signer_seed=settings.seed * _SEEDS_OF_A_CORPUS + signer,
            take_seed=settings.takes * number + take,
            side=settings.side,
        )
        for (signer, split), (number, sentence), take in product(
            enumerate(splits), enumerate(sentences), range(settings.takes)
        )
    )


def signed_video(planned: PlannedVideo) -> SignedVideo:
    """The video, posed and ready to be drawn."""
    signer = sample_signer(planned.signer_seed)
    glosses = planned.sentence.glosses
    return SignedVideo(glosses, signer, planned.take_seed, planned.side, planned.side)


def render_video(
    planned: PlannedVideo,
) -> tuple[
    UInt8[np.ndarray, "frame height width channel=3"],
    Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
]:
    """Frames and true keypoints (pixels; third column 1 where visible) of one video."""
    video = signed_video(planned)
    frames = np.stack([video.frame(number) for number in range(len(video))])
    return frames, ground_truth(video.posed)


def read_settings(folder: Path) -> SyntheticCorpus:
    """Reads the settings of a written corpus; raises ``UsageError`` where there is none."""
    try:
        text = (folder / DRAWN_CORPUS_FILE).read_text(encoding="utf-8")
    except OSError:
        raise UsageError(f"{folder} holds no corpus of seds-extract demo-videos") from None
    return SyntheticCorpus.model_validate_json(text)


def write_corpus(folder: Path, settings: SyntheticCorpus) -> tuple[PlannedVideo, ...]:
    """Writes what is missing of ``videos/``, ``truth/`` and ``index.csv`` below ``folder``.

    Raises ``UsageError`` when the folder holds a corpus of other settings.
    """
    for name in ("videos", "truth"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    # The settings claim the folder, so that it never holds videos of two corpora.
    path, wanted = folder / DRAWN_CORPUS_FILE, settings.model_dump_json(indent=2)
    if path.exists() and path.read_text(encoding="utf-8") != wanted:
        raise UsageError(
            f"{folder} holds a corpus of other settings (see {path}); "
            "name another folder, or delete this one"
        )
    write_whole(path, wanted.encode(), durable=False)
    plan = plan_corpus(settings)
    for planned in track(plan, "drawing videos"):
        video, truth = folder / planned.path, folder / "truth" / f"{planned.video_id}.npy"
        # Each is written whole or not at all, so that a stopped command goes on from here.
        if video.exists() and truth.exists():
            continue
        frames, keypoints = render_video(planned)
        with whole_file(truth, durable=False) as file:
            np.save(file, keypoints)
        write_video(video, frames, FRAME_RATE)
    index = io.StringIO(newline="")
    writer = csv.writer(index)
    writer.writerow(INDEX_COLUMNS)
    for planned in plan:
        text, glosses = planned.sentence.text, " ".join(planned.sentence.glosses)
        writer.writerow(
            (planned.video_id, planned.split, text, planned.signer, glosses, planned.path)
        )
    write_whole(folder / "index.csv", index.getvalue().encode(), durable=False)
    return plan
