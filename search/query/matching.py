"""Where in a video each word of a sentence is matched best."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from search.query.moments import WordPeaks
from search.results import Span, WordMatch
from train.text.pieces import SentencePieces


@dataclass(frozen=True)
class EntryClips:
    """The clips of a video or window: its tokens but for the class token, which is no clip."""

    tokens: Float[np.ndarray, "clip dim"]
    spans: Float32[np.ndarray, "clip 2"]
    """Seconds of the video at which each begins and ends."""


def word_matches(
    words: Float[Tensor, "word dim"], pieces: SentencePieces, entries: Sequence[EntryClips]
) -> tuple[WordMatch, ...]:
    """Returns for each word of a sentence the clip of the entries that is most like it.

    ``words`` are the sentence's positions, of which the real ones come first. Of a word in several
    pieces, the best one counts. Without clips whose times are known there are no matches.
    """
    spans = [Span(*map(float, span)) for entry in entries for span in entry.spans]
    if not spans:
        return ()
    clips = np.concatenate([entry.tokens for entry in entries]).astype(np.float32)
    positions = words[: len(pieces.word_of)]
    similarities = (torch.from_numpy(clips) @ positions.T).numpy()
    matches = []
    for number, word in enumerate(pieces.words):
        of_word = similarities[:, [n == number for n in pieces.word_of]].max(axis=1)
        best = int(of_word.argmax())
        matches.append(WordMatch(word, spans[best], float(of_word[best])))
    return tuple(matches)


def word_peaks(words: Float[Tensor, "word dim"], windows: Sequence[EntryClips]) -> WordPeaks | None:
    """Returns each word's best clip in each window; ``None`` where their times are not known."""
    if not all(len(window.spans) for window in windows):
        return None
    similarities, middles = [], []
    for window in windows:
        of_window = words.numpy() @ window.tokens.astype(np.float32).T
        best = of_window.argmax(axis=1)
        similarities.append(of_window.max(axis=1))
        middles.append(window.spans.mean(axis=1)[best])
    return WordPeaks(np.stack(similarities), np.stack(middles))
