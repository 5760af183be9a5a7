"""Windows that overlap become one moment, which fits what is sought."""

import numpy as np
import pytest


def spans(count, length=4.0, step=2.0):
    from search.results import Span

    return [Span(n * step, n * step + length) for n in range(count)]


def moment(scores, best, tolerance=0.25, taken=(), peaks=None, **windows):
    from search.query.moments import windows_of_moment

    found = windows_of_moment(
        np.array(scores), spans(len(scores), **windows), best, tolerance, peaks=peaks, taken=taken
    )
    return found.start, found.stop


QUIET = [0.1, 0.12, 0.1, 0.11]


def test_a_window_that_only_touches_what_is_sought_does_not_join():
    assert moment([*QUIET, 0.2, 0.5, 0.25, *QUIET], 5) == (5, 6)


def test_what_is_longer_than_a_window_fills_several():
    assert moment([*QUIET, 0.46, 0.5, 0.45, 0.44, 0.2, *QUIET], 5) == (4, 8)


def test_a_gap_ends_the_moment_even_before_another_good_window():
    assert moment([0.5, 0.1, 0.5, 0.1, 0.1], 0) == (0, 1)


def test_windows_that_do_not_overlap_stay_apart():
    assert moment([0.5, 0.5, 0.1, 0.1, 0.1], 0, length=2.0, step=2.0) == (0, 1)


def test_the_measure_is_the_recording_itself():
    # The same distance of 0.04 is little where scores differ by 0.4, and much where by 0.05.
    assert moment([0.1, 0.5, 0.46, 0.1, 0.1], 1) == (1, 3)
    assert moment([0.45, 0.5, 0.46, 0.45, 0.45], 1) == (1, 2)


def test_a_moment_does_not_grow_into_another_one():
    taken = [spans(6)[4]]
    assert moment([0.1, 0.5, 0.5, 0.5, 0.5, 0.1, 0.1, 0.1], 1, taken=taken) == (1, 3)


def test_no_tolerance_leaves_the_best_window_alone():
    assert moment([0.1, 0.49, 0.5, 0.1, 0.1], 2, tolerance=0.0) == (2, 3)


@pytest.mark.parametrize("best", [0, 4])
def test_the_ends_of_a_recording_are_ends(best):
    assert moment([0.5] * 5, best) == (0, 5)


def word_peaks(*windows):
    """Of each window its (similarity, second) of every word."""
    from search.query.moments import WordPeaks

    values = np.array(windows)
    return WordPeaks(values[..., 0], values[..., 1])


LIKE = [0.1, 0.5, 0.48, 0.1, 0.1]
"""The windows from 2 to 6 and from 4 to 8 seconds score alike."""
NOTHING = [(0.1, 0.0), (0.1, 0.0)]


def test_a_sign_that_two_windows_hold_is_no_longer_than_one():
    # Both words are found at second 5, in both windows.
    held = [(0.9, 5.0), (0.8, 5.0)]
    peaks = word_peaks(NOTHING, held, held, NOTHING, NOTHING)
    assert moment(LIKE, 1, peaks=peaks) == (1, 2)


def test_a_word_that_is_found_behind_the_window_makes_it_longer():
    here, there = [(0.9, 5.0), (0.4, 5.0)], [(0.6, 5.0), (0.8, 7.0)]
    peaks = word_peaks(NOTHING, here, there, NOTHING, NOTHING)
    assert moment(LIKE, 1, peaks=peaks) == (1, 3)
    # Found less well there than here, it does not; nor as poorly as a word that is not signed.
    for similarity in (0.3, 0.5):
        there = [(0.6, 5.0), (similarity, 7.0)]
        peaks = word_peaks(NOTHING, here, there, NOTHING, NOTHING)
        assert moment(LIKE, 1, peaks=peaks) == (1, 2)


def test_a_word_that_is_found_before_the_window_makes_it_longer():
    here, before = [(0.9, 5.0), (0.4, 5.0)], [(0.6, 5.0), (0.8, 1.0)]
    peaks = word_peaks(before, here, NOTHING, NOTHING, NOTHING)
    assert moment([0.48, 0.5, 0.1, 0.1, 0.1], 1, peaks=peaks) == (0, 2)
