"""The ranks that the release of SEDS counts, to compare with published scores and for nothing else.

The release does not rank videos for a sentence, and it does not know that two of its entries may
hold one sentence. An *entry* is one line of its caption files: a sentence and its videos. With as
many entries as sentences:

- text to video ranks the entries by their best video. An entry that is tied with ``m`` others gives
  ``m + 1`` ranks, one for each of their places, and all of them are counted;
- video to text gives one rank a video, and the median of an even number of ranks is the lower of
  the two in the middle. Tied entries stand in whatever order a sort that is not stable leaves them
  in; here the earlier one stands first.

How2Sign's 1,964 test entries hold 1,925 sentences, PHOENIX-2014T's 642 hold 630: equal sentences of
two entries are tied for every video, and that order is what decides between them.
"""

import numpy as np
from jaxtyping import Float, Int64

from train.evaluation.ranks import Direction


def published_ranks(
    scores: Float[np.ndarray, "video text"],
    text_of_video: Int64[np.ndarray, " video"],
    entry_of_video: Int64[np.ndarray, " video"],
) -> dict[Direction, Int64[np.ndarray, " _"]]:
    """Ranks from 1 of both directions; more text-to-video ranks than entries where some are tied.

    Entries are numbered from 0, and all videos of one have one sentence.
    """
    num_entries = int(entry_of_video.max()) + 1
    text_of_entry = np.zeros(num_entries, np.int64)
    text_of_entry[entry_of_video] = text_of_video
    return {
        "text_to_video": _every_tied_place(_best_videos(scores, entry_of_video), text_of_entry),
        "video_to_text": _earlier_first(scores[:, text_of_entry], entry_of_video),
    }


def _best_videos(
    scores: Float[np.ndarray, "video text"], entry_of_video: Int64[np.ndarray, " video"]
) -> Float[np.ndarray, "candidate text"]:
    """The highest score of each entry's videos for each sentence."""
    by_entry = np.argsort(entry_of_video, kind="stable")
    starts = np.searchsorted(entry_of_video[by_entry], np.arange(entry_of_video.max() + 1))
    return np.maximum.reduceat(scores[by_entry], starts, axis=0)


def _every_tied_place(
    best: Float[np.ndarray, "candidate text"], text_of_entry: Int64[np.ndarray, " candidate"]
) -> Int64[np.ndarray, " _"]:
    own = best[np.arange(len(text_of_entry)), text_of_entry]
    asked = best[:, text_of_entry]  # one column a query
    first_place = np.count_nonzero(asked > own, axis=0) + 1
    num_places = np.count_nonzero(asked == own, axis=0)
    ends = np.cumsum(num_places)
    within = np.arange(ends[-1]) - np.repeat(ends - num_places, num_places)
    return np.repeat(first_place, num_places) + within


def _earlier_first(
    scores: Float[np.ndarray, "query candidate"], correct: Int64[np.ndarray, " query"]
) -> Int64[np.ndarray, " query"]:
    own = scores[np.arange(len(correct)), correct][:, None]
    is_earlier = np.arange(scores.shape[1]) < correct[:, None]
    stands_before = (scores > own) | ((scores == own) & is_earlier)
    return np.count_nonzero(stands_before, axis=1) + 1
