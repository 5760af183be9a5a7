"""What is said of videos whose stored numbers are not finite, and where they are refused."""

from collections.abc import Iterable, Iterator, Sequence

from seds_core.errors import UsageError
from train.batches import SignBatch

NOT_FINITE = "hold numbers that are not finite"
ADVICE = "extract these videos again, or leave them out of the index"

_NAMES_SHOWN = 10


class UnusableVideosError(UsageError):
    """Videos whose stored numbers are not finite; the message names them."""


def named(video_ids: Sequence[str]) -> str:
    """Some ids, and how many they are where not all are named.

    >>> named(["a", "b"])
    "'a', 'b'"
    """
    names = ", ".join(f"'{video_id}'" for video_id in video_ids[:_NAMES_SHOWN])
    rest = len(video_ids) - _NAMES_SHOWN
    return f"{names} and {rest:,} more" if rest > 0 else names


def refuse_unusable(batch: SignBatch, video_ids: Sequence[str]) -> None:
    """Raises :class:`UnusableVideosError` if some of a batch's videos are not finite."""
    if rows := batch.unusable_rows():
        names = named([video_ids[row] for row in rows])
        raise UnusableVideosError(f"the features of {names} {NOT_FINITE}: {ADVICE}")


def usable_batches(batches: Iterable[SignBatch], video_ids: Sequence[str]) -> Iterator[SignBatch]:
    """The batches, which are all of these videos in their order; raises like
    :func:`refuse_unusable`."""
    first = 0
    for batch in batches:
        refuse_unusable(batch, video_ids[first : first + batch.num_videos])
        first += batch.num_videos
        yield batch
