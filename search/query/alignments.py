"""A sentence aligned with a video of the index, for the stream that ranks and for the others."""

from collections.abc import Mapping

import torch

from search.engine.alignment import align
from search.engine.ragged_tokens import QueryTokens
from search.index.build import last_data
from search.query.one_video import encode_video, query_tokens, stores_of
from search.query.part_search import FoundEntry
from search.query.sentence import SentenceQuery
from search.results import Alignment, Span
from seds_core.errors import UsageError
from train.data.retrieval_data import sign_reader
from train.data.stage_stores import open_stage_stores
from train.evaluation.load_model import RunModel

SAME = 0.02
"""By which a coordinate of a token may differ that was encoded again, on another device maybe."""


def explained(entry: FoundEntry, sentence: SentenceQuery, run: RunModel) -> tuple[Alignment, ...]:
    """Aligns a sentence with a video or window, the stream that ranks first.

    That one needs the index alone. Raises ``UsageError`` where the times of the clips are not
    known.
    """
    record = entry.record
    clips = [Span(*map(float, span)) for span in record.clip_spans]
    num_clips = int(entry.tokens.is_real.sum()) - 1
    if len(clips) != num_clips:
        raise UsageError(
            f"when each of the {num_clips} clips of '{record.video_id}' begins is not known to the "
            "index, and so no word can be placed in it"
        )
    streams: dict[str, QueryTokens] = {run.stage: entry.tokens, **_other_streams(entry, run)}
    return tuple(
        align(
            tokens,
            sentence.tokens,
            run.settings.similarity,
            stream=stream,
            words=sentence.pieces.pieces,
            clips=clips,
        )
        for stream, tokens in streams.items()
    )


def _other_streams(entry: FoundEntry, run: RunModel) -> Mapping[str, QueryTokens]:
    """The streams that the index does not keep, where stores of it or of its run hold the video.

    Windows of recordings are rows of no store.
    """
    video_id = entry.record.video_id
    if entry.record.span is not None:
        return {}
    last = last_data(entry.part)
    for rgb, pose in ((last.rgb, last.pose) if last else (None, None), stores_of(run.trained_on)):
        try:
            stores = open_stage_stores(run.stage, run.settings.keypoints, rgb=rgb, pose=pose)
            if video_id not in stores.video_ids:
                continue
            signs = encode_video(run, sign_reader(stores), video_id)
        except (UsageError, OSError):
            # Stores that are gone or changed: what the index itself knows is answer enough.
            continue
        found = {stream: query_tokens(signs, stream, run) for stream in signs.streams}
        own = found.pop(run.stage).tokens
        # Other rows under the same id would be explained by the wrong times.
        if own.shape == entry.tokens.tokens.shape and torch.allclose(
            own, entry.tokens.tokens, atol=SAME
        ):
            return found
    return {}
