"""A claim costs the same whatever is done already, and however many writers there are."""

import random

import pytest

from seds_core.store.wanted import WantedVideos


def shared_out(num_writers, num_videos):
    """Attempts a claim, and longest run of them, when all begin at once at the same list."""
    random.seed(1)
    ids = [f"v{number}" for number in range(num_videos)]
    writers = {number: WantedVideos(ids) for number in range(num_writers)}
    taken, attempts, longest = set(), 0, 0
    while writers:
        number = random.choice(list(writers))
        tried = 0
        while True:
            tried += 1
            wanted = writers[number]
            if (video_id := wanted.candidate) is None:
                if not (rest := [v for v in wanted.rest() if v not in taken]):
                    del writers[number]
                    break
                writers[number] = WantedVideos(rest)
            elif video_id in taken:
                attempts += 1
                wanted.is_taken()
            else:
                attempts += 1
                taken.add(video_id)
                wanted.is_free()
                break
        longest = max(longest, tried)
    assert taken == set(ids)
    return attempts / num_videos, longest


@pytest.mark.parametrize(("num_writers", "num_videos"), [(2, 100), (16, 4_000), (64, 20_000)])
def test_two_or_three_attempts_are_enough(num_writers, num_videos):
    attempts, longest = shared_out(num_writers, num_videos)
    assert attempts < 3
    assert longest < 40


def test_one_writer_goes_in_order():
    wanted = WantedVideos("abc")
    order = []
    while video_id := wanted.candidate:
        order.append(video_id)
        wanted.is_free()
    assert order == ["a", "b", "c"]
    assert wanted.rest() == []
