"""A sentence aligned with a video of the index, for the stream that ranks and for the others."""

from collections.abc import Mapping

from search.engine.alignment import align
from search.engine.ragged_tokens import QueryTokens
from search.query.one_video import encode_video, open_video, query_tokens, stores_of
from search.query.part_search import FoundEntry
from search.query.sentence import SentenceQuery
from search.results import Alignment, Span
from seds_core.errors import UsageError
from train.evaluation.load_model import RunModel


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
    """The streams that the index does not keep, where the run's stores hold the video.

    Windows of recordings are in no store.
    """
    rgb, pose = stores_of(run.trained_on)
    video_id = entry.record.video_id
    if entry.record.span is not None:
        return {}
    try:
        data = open_video(run, video_id, rgb=rgb, pose=pose)
        if not data.videos:
            return {}
        signs = encode_video(run, data, video_id)
    except (UsageError, OSError):
        # Stores that are gone, or changed: what the index itself knows is answer enough.
        return {}
    found = {stream: query_tokens(signs, stream, run) for stream in signs.streams}
    # Another store's clips of the same name would be explained by the wrong times.
    if len(found[run.stage].tokens) != len(entry.tokens.tokens):
        return {}
    return {stream: tokens for stream, tokens in found.items() if stream != run.stage}
