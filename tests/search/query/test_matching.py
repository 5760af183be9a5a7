"""Where each word is matched best."""

import numpy as np
import pytest
import torch

HALF = 2**-0.5


def entry(*clips, start=0.0):
    from search.query.matching import EntryClips

    edges = start + np.arange(len(clips) + 1, dtype=np.float32)
    return EntryClips(np.array(clips, np.float16), np.stack([edges[:-1], edges[1:]], axis=1))


def pieces(words, word_of):
    from train.text.pieces import SentencePieces

    return SentencePieces(tuple(words), tuple(word_of), ("",) * len(word_of), (), 0)


def test_each_word_has_the_clip_that_is_most_like_it():
    from search.query.matching import word_matches
    from search.results import Span

    # Start, rain, sun, end; the padding behind them would be the best of all.
    words = torch.tensor([[0.0, 1.0], [1.0, 0.0], [HALF, HALF], [0.0, 1.0], [1.0, 0.0]])
    clips = entry([0, 1], [0.8, 0.6], [0.6, 0.8])
    found = word_matches(words, pieces(["rain", "sun"], [None, 0, 1, None]), [clips])
    assert [(match.word, match.span) for match in found] == [
        ("rain", Span(1.0, 2.0)),
        ("sun", Span(1.0, 2.0)),
    ]
    assert [match.similarity for match in found] == pytest.approx([0.8, 1.4 * HALF], abs=1e-3)


def test_the_best_piece_of_a_word_counts():
    from search.query.matching import word_matches
    from search.results import Span

    words = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    (match,) = word_matches(words, pieces(["sunflower"], [0, 0]), [entry([0.6, 0.8], [0.5, 0.1])])
    assert match.similarity == pytest.approx(0.8, abs=1e-3)
    assert match.span == Span(0.0, 1.0)


def test_windows_of_a_moment_are_searched_together():
    from search.query.matching import word_matches
    from search.results import Span

    words = torch.tensor([[1.0, 0.0]])
    windows = [entry([0.1, 0], [0.2, 0]), entry([0.3, 0], [0.9, 0], start=5.0)]
    (match,) = word_matches(words, pieces(["rain"], [0]), windows)
    assert match.span == Span(6.0, 7.0)


def test_without_times_there_are_no_matches():
    from search.query.matching import word_matches

    assert word_matches(torch.ones(1, 2), pieces(["rain"], [0]), []) == ()
