"""Fits to the run's own data what an index keeps beside its entries: a bank, and probabilities.

The bank is of the training split, the probabilities of the validation split; what is searched, and
any test split, has no part in them.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from rich.markup import escape

from search.engine.ragged_tokens import RaggedTokens
from search.index.bank import Bank, pair_scores
from search.index.encoding import TokenEncoder
from search.index.part import Part
from search.index.token_files import ragged
from search.index.writer import PartWriter
from seds_core.console import messages
from seds_core.dataset_index import IndexedVideo
from seds_core.errors import UsageError
from train.data.collation import usable_batches
from train.data.loading import sign_batches
from train.data.retrieval_data import RetrievalData, open_data
from train.evaluation import Normalisation
from train.evaluation.calibration import MatchCalibration, answer_scores, fit_calibration
from train.evaluation.hubness import NORMALISATIONS
from train.evaluation.load_model import RunModel, refuse_other_stores
from train.evaluation.ranks import DIRECTIONS, Direction
from train.evaluation.scoring import gallery_of
from train.settings import DataSettings

Item = TypeVar("Item")


CALIBRATIONS = "calibrations"
"""The fact of an index that holds them."""

Calibrations = Mapping[Direction, Mapping[Normalisation | None, MatchCalibration]]
"""By direction, and by what is taken off the scores."""


def fit_to_run(
    writer: PartWriter,
    model: RunModel,
    encoder: TokenEncoder,
    asked: DataSettings,
    checkpoint: Path,
    *,
    workers: int,
) -> None:
    """Gives a part its bank and probabilities, unless it has them.

    They are fitted to the stores and the table of the run or, where these are gone, to those that
    were ``asked`` for. Where neither has the run's training split, the index goes without.
    """
    size = writer.identity.search.query_bank
    if not size or writer.has_bank:
        return
    try:
        data = _data_of_run(model, asked, checkpoint)
        train = data.split(model.settings.data.train_split)
    except UsageError as error:
        messages.print(
            escape(
                f"the index goes without scores free of hubs, and without probabilities: {error}"
            )
        )
        return
    texts = list(dict.fromkeys(video.text for video in train))
    bank = Bank(
        _videos(data, _evenly(train, size), encoder, workers),
        _sentences(_evenly(texts, size), encoder),
        model.settings.similarity,
    )
    facts: dict[str, str] = {}
    # A window of a recording is no video: it would be judged by what videos score.
    if writer.identity.windows is None:
        facts[CALIBRATIONS] = calibrations_json(
            _calibrations(data, model, bank, encoder, size, workers)
        )
    with closing(Part.open(writer.path)) as part:
        snapshot = part.snapshot()
        try:
            writer.keep_bank(bank, snapshot.signs, snapshot.sentences, facts)
        finally:
            snapshot.lease.release()


def _data_of_run(model: RunModel, asked: DataSettings, checkpoint: Path) -> RetrievalData:
    """Opens the run's data set, or what was asked for in its place. Raises ``UsageError``."""
    problem: UsageError | None = None
    for known in (model.settings.data, asked):
        if known.index is None:
            continue
        try:
            data = open_data(
                model.settings, model.stage, index=known.index, rgb=known.rgb, pose=known.pose
            )
            refuse_other_stores(model.trained_on, data.provenance, checkpoint)
            return data
        except UsageError as error:
            problem = problem or error
    raise problem or UsageError("the run's index of videos and sentences is not known")


def _calibrations(
    data: RetrievalData,
    model: RunModel,
    bank: Bank,
    encoder: TokenEncoder,
    size: int,
    workers: int,
) -> dict[Direction, dict[Normalisation | None, MatchCalibration]]:
    """Fits probabilities to the validation split: to its scores as they are and without hubs."""
    split = model.settings.data.validation_split
    try:
        videos = _evenly(data.split(split), size)
    except UsageError as error:
        messages.print(escape(f"the index goes without probabilities: {error}"))
        return {}
    gallery = gallery_of(split, tuple(videos))
    signs, words = _videos(data, videos, encoder, workers), _sentences(gallery.sentences, encoder)
    plain = pair_scores(signs, words, bank.similarity).astype(np.float64)
    found: dict[Direction, dict[Normalisation | None, MatchCalibration]] = {}
    of_signs, of_words = bank.statistics("signs", signs), bank.statistics("words", words)
    for direction in DIRECTIONS:
        for how in (None, *NORMALISATIONS):
            scores: Float[np.ndarray, "video text"] = plain
            if how is not None and direction == "text_to_video":
                slope, offset = of_signs.map_of(how)
                scores = slope[:, None] * plain + offset[:, None]
            elif how is not None:
                slope, offset = of_words.map_of(how)
                scores = slope * plain + offset
            fitted = fit_calibration(answer_scores(scores, gallery, direction))
            if fitted is not None:
                found.setdefault(direction, {})[how] = fitted
    return found


def _videos(
    data: RetrievalData, videos: Sequence[IndexedVideo], encoder: TokenEncoder, workers: int
) -> RaggedTokens:
    size = encoder.settings.evaluation.batch_size
    on_gpu = encoder.device.type == "cuda"
    with closing(sign_batches(data, tuple(videos), size, workers, pin_memory=on_gpu)) as batches:
        usable = usable_batches(batches, [video.video_id for video in videos])
        found = [tokens for batch in usable for tokens in encoder.videos(batch)]
    return _joined([(of.tokens, of.num_real) for of in found], encoder)


def _sentences(texts: Sequence[str], encoder: TokenEncoder) -> RaggedTokens:
    return _joined([(of.words, of.num_real) for of in encoder.sentences(texts)], encoder)


def _joined(tokens: Sequence[tuple[np.ndarray, int]], encoder: TokenEncoder) -> RaggedTokens:
    dim = encoder.settings.embedding_dim
    return ragged([values for values, _ in tokens], [count for _, count in tokens], dim)


def _evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Returns at most so many of some items, spread over all of them.

    >>> _evenly("abcdefgh", 3)
    ['a', 'd', 'g']
    """
    return list(items[:: -(-len(items) // count)])


def calibrations_json(calibrations: Calibrations) -> str:
    """Returns them as text."""
    return json.dumps(
        {
            direction: {how or "": asdict(fitted) for how, fitted in of.items()}
            for direction, of in calibrations.items()
        }
    )


def calibrations_from_json(text: str) -> Calibrations:
    """Reads what :func:`calibrations_json` wrote."""
    return {
        direction: {how or None: MatchCalibration(**values) for how, values in of.items()}
        for direction, of in json.loads(text).items()
    }
