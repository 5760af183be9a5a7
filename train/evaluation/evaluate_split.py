"""Encodes a split and scores all pairs: what validation and the command have in common."""

from contextlib import closing

import torch

from train.data.finite_numbers import usable_batches
from train.data.loading import sign_batches
from train.data.retrieval_data import RetrievalData, SplitVideos
from train.evaluation.encode_split import encode_sentences, encode_videos
from train.evaluation.gallery import Gallery, build_gallery
from train.evaluation.scoring import score_streams
from train.evaluation.split_scores import SplitScores
from train.model.retrieval_model import RetrievalModel
from train.settings import TrainSettings
from train.text.tokenizer import Tokenizer

ENTRY_COLUMN = "sentence_id"
"""Column of an index that tells which videos a published caption file puts together."""


def evaluate_split(
    model: RetrievalModel,
    data: RetrievalData,
    split: str,
    tokenizer: Tokenizer,
    *,
    settings: TrainSettings,
    device: torch.device,
    workers: int = 0,
) -> SplitScores:
    """Scores of all pairs of a split; the model, already on the device, trains on as before.

    Raises ``SplitError`` for a split without usable videos, and ``UnusableVideosError`` for videos
    whose stored numbers are not finite.
    """
    videos = data.split(split)
    gallery = gallery_of(split, videos)
    batch_size, precision = settings.evaluation.batch_size, settings.evaluation.precision
    with closing(
        sign_batches(data, videos, batch_size, workers, pin_memory=device.type == "cuda")
    ) as batches:
        usable = usable_batches(batches, [video.video_id for video in videos])
        signs = encode_videos(model, usable, len(videos), device=device, precision=precision)
        text = encode_sentences(
            model, tokenizer, gallery.sentences, batch_size, device=device, precision=precision
        )
        scores = score_streams(signs, text, settings.similarity, device=device)
    return SplitScores(gallery, scores)


def gallery_of(split: str, videos: SplitVideos) -> Gallery:
    """The videos of a split with their sentences."""
    entries = [video.other.get(ENTRY_COLUMN) or video.text for video in videos]
    return build_gallery(
        split, [video.video_id for video in videos], [video.text for video in videos], entries
    )
