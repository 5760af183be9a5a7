"""One person is followed through a whole video."""

import numpy as np
import pytest

from extract.interchange.signer import (
    REMEMBERED_FRAMES,
    Sighting,
    count_people,
    find_signer,
)

NOTHING = Sighting.of(np.zeros((5, 3), np.float32))


def at(x, confidence=1.0, size=100.0):
    return Sighting(np.array([x, 0.0]), size, float(confidence))


def test_a_sighting_is_where_the_sure_points_are():
    points = np.array([[0, 0, 1], [10, 40, 3], [900, 900, 0]], np.float32)
    seen = Sighting.of(points)
    assert (seen.centre.tolist(), seen.size, seen.confidence) == ([7.5, 30], 40, 4)
    assert (NOTHING.size, NOTHING.confidence) == (0, 0)
    assert count_people([seen, NOTHING, seen]) == 2


def test_a_single_person_is_taken_in_every_frame_wherever_and_however_unsure():
    frames = {n: [at(1000 * (n % 7), 0.01)] for n in range(300) if n % 3}
    frames |= {1000: [NOTHING], 5000: [at(3)], 5001: []}
    assert find_signer(frames) == {n: 0 for n in frames if n != 5001}


@pytest.mark.parametrize("seed", range(3))
def test_two_people_who_take_turns_at_being_surer_are_not_mixed_up(seed):
    random = np.random.default_rng(seed)
    frames, expected = {}, {}
    for n in range(60):
        people = [at(300 + random.normal(0, 10), 5 + n % 2), at(700 + 2 * n, 5.4 - n % 2)]
        order = random.permutation(2)
        frames[n] = [people[i] for i in order]
        expected[n] = list(order).index(0)
    assert find_signer(frames) == expected


def test_people_of_whom_nothing_was_found_do_not_disturb():
    people = [NOTHING, at(500, 9), NOTHING, at(100, 1), NOTHING]
    frames = {n: [people[(i + n) % 5] for i in range(5)] for n in range(20)}
    assert find_signer(frames) == {n: (1 - n) % 5 for n in range(20)}


def test_where_the_signer_is_not_seen_no_other_person_is_taken():
    frames = {n: [at(100, 9), at(700, 1)] for n in range(10)}
    frames[4] = [at(700, 20)]
    assert find_signer(frames) == {n: 0 for n in range(10) if n != 4}


def test_people_who_pass_each_other_go_to_the_nearest_place():
    frames = {n: [at(40 * n, 1), at(200 - n, 2)] for n in range(4)}
    assert find_signer(frames) == dict.fromkeys(range(4), 1)


def test_after_a_cut_the_surest_who_was_never_beside_the_signer_goes_on():
    frames = {n: [at(100, 9), at(700, 3)] for n in range(10)}
    frames |= {n: [at(5000, 2), at(9000, 4)] for n in range(10, 15)}
    signer = find_signer(frames)
    assert [signer[n] for n in range(15)] == [0] * 10 + [1] * 5


def test_a_person_who_was_long_away_is_a_new_one():
    near, late = at(100, 9), 10 + REMEMBERED_FRAMES
    frames = {n: [near, at(700, 1)] for n in range(10)}
    soon = frames | {late - 1: [at(120, 1), at(400, 5)]}
    assert find_signer(soon)[late - 1] == 0
    assert find_signer(frames | {late: [at(120, 1), at(400, 5)]})[late] == 1
