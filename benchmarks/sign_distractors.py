"""Clips of a dictionary in another language beside the clips that are asked for.

Part of benchmarks/real_signs.py. The dictionary's words are candidates as well; those that are
asked for are left out, since a model that finds another language's sign of the same word has made
no mistake that it could know of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

from seds_core.dataset_index import IndexedVideo
from seds_core.store.reader import StoreReader
from train.data.retrieval_data import open_data
from train.evaluation.load_model import LoadedModel
from train.evaluation.metrics import SplitScores, build_gallery
from train.evaluation.scoring import score_videos
from train.text.text_encoder import build_tokenizer


@dataclass(frozen=True)
class Distractors:
    """Clips that nobody asks for."""

    index: Path
    stores: Path
    """The folder of their stores."""


@dataclass(frozen=True)
class JoinedStores:
    """Several stores, read as if they were one."""

    stores: tuple[StoreReader, ...]

    def rows(self, video_id: str) -> dict[str, np.ndarray]:
        """All rows of a video of the first store that has it, or the last one's reason for none."""
        for store in self.stores:
            if video_id in store.videos:
                return store.rows(video_id)
        return self.stores[-1].rows(video_id)


def chosen_distractors(
    dictionary: Sequence[IndexedVideo], asked: Sequence[IndexedVideo], limit: int
) -> list[IndexedVideo]:
    """The first clips of a dictionary none of whose words is asked for.

    An entry may hold several words: "He, She, It".
    """
    words = {video.text.casefold() for video in asked}
    others = [
        video
        for video in dictionary
        if words.isdisjoint(word.strip().casefold() for word in video.text.split(","))
    ]
    return others[:limit]


def scores_among(
    index: Path, rgb: Path, pose: Path, loaded: LoadedModel, split: str, device: torch.device
) -> SplitScores:
    """Scores a split's clips, and after them the distractors of an index and of two stores, with
    the words of both."""
    settings = loaded.settings
    others = open_data(settings, loaded.facts["stage"], index=index, rgb=rgb, pose=pose)
    assert others.layout == loaded.data.layout, "both are extracted with the same settings"
    asked = loaded.data.split(split)
    videos = (*asked, *others.videos)
    gallery = build_gallery(split, [v.video_id for v in videos], [v.text for v in videos])
    score = partial(
        score_videos,
        loaded.model,
        tokenizer=build_tokenizer(loaded.text),
        sentences=gallery.sentences,
        settings=settings,
        device=device,
    )
    found = [score(loaded.data, videos=asked), score(others, videos=others.videos)]
    return SplitScores(
        gallery,
        {stream: np.concatenate([of[stream] for of in found]) for stream in found[0]},
    )
