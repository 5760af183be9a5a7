"""Passes of pieces of several videos, and what a failure costs."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from extract.run.loop import Computing, Ended, Pieces, Restarted, Started, VideoAtWork
from extract.run.profile import RunProfile
from extract.stream import joined
from extract.videos.decoding import DecodeJob


@dataclass
class DoublingStream:
    """A piece is a number, its row the double; some numbers break the network."""

    batch_size: int = 3
    broken: frozenset = frozenset()
    batches: list = field(default_factory=list)

    provenance = None

    def cut(self, video_id):
        return None

    def num_rows(self, video):
        return 0

    def pieces(self, video):
        yield from ()

    def rows(self, pieces):
        self.batches.append(list(pieces))
        if self.broken & set(pieces):
            raise RuntimeError(f"{self.broken & set(pieces)} broke it")
        return [{"double": np.array([2 * piece])} for piece in pieces]


def video(name):
    return VideoAtWork(DecodeJob(name, Path(name)))


def steps(*videos):
    """Videos with their pieces, and an outcome."""
    for at_work, pieces, outcome in videos:
        yield Started(at_work)
        yield from (
            Pieces(at_work, pieces[first : first + 2]) for first in range(0, len(pieces), 2)
        )
        yield Ended(at_work, outcome)


@pytest.fixture
def source():
    from finished_videos import finished

    return finished("a").source


def compute(stream, all_steps):
    return list(Computing(stream, RunProfile(0)).videos(all_steps))


def rows(at_work):
    return joined(at_work.parts)["double"].tolist()


def test_batches_are_filled_across_videos(source):
    stream = DoublingStream()
    done = compute(stream, steps((video("a"), [1, 2], source), (video("b"), [3, 4, 5], source)))
    assert stream.batches == [[1, 2, 3], [4, 5]]
    assert [at_work.job.video_id for at_work in done] == ["a", "b"]
    assert [rows(at_work) for at_work in done] == [[2, 4], [6, 8, 10]]


def test_a_video_is_done_as_soon_as_its_last_pass_is(source):
    first, second = video("a"), video("b")
    all_steps = list(steps((first, [1, 2, 3], source), (second, [4], source)))
    computing = Computing(DoublingStream(), RunProfile(0))
    seen = []
    for done in computing.videos(seen.append(step) or step for step in all_steps):
        if done is first:
            assert not any(step.video is second for step in seen)
    assert len(seen) == len(all_steps)


def test_videos_stay_in_order_though_a_later_one_fails_first(source):
    done = compute(
        DoublingStream(batch_size=10),
        steps((video("a"), [1], source), (video("b"), [2], ValueError("unreadable"))),
    )
    assert [at_work.job.video_id for at_work in done] == ["a", "b"]
    assert rows(done[0]) == [2]
    assert isinstance(done[1].outcome, ValueError)


def test_a_damaged_video_takes_no_places(source):
    stream = DoublingStream()
    compute(
        stream,
        steps((video("a"), [1, 2], ValueError("damaged")), (video("b"), [3, 4, 5], source)),
    )
    assert stream.batches == [[3, 4, 5]]


def test_a_failing_pass_costs_only_the_video_that_fails_alone(source):
    stream = DoublingStream(batch_size=4, broken=frozenset([3]))
    done = compute(
        stream,
        steps(
            (video("a"), [1, 2], source),
            (video("b"), [3, 30, 31], source),
            (video("c"), [5], source),
        ),
    )
    assert stream.batches == [[1, 2, 3, 30], [1, 2], [3, 30], [5]]
    assert rows(done[0]) == [2, 4]
    assert isinstance(done[1].outcome, RuntimeError)
    assert rows(done[2]) == [10]


def test_a_video_that_is_read_again_starts_anew(source):
    stream = DoublingStream(batch_size=2)
    at_work = video("a")
    (done,) = compute(
        stream,
        [
            Started(at_work), Pieces(at_work, [1, 2]), Pieces(at_work, [3]),
            Restarted(at_work), Pieces(at_work, [10, 20]), Ended(at_work, source),
        ],
    )  # fmt: skip
    assert stream.batches == [[1, 2], [10, 20]]
    assert rows(done) == [20, 40]


def test_the_first_reason_counts(source):
    stream = DoublingStream(batch_size=1, broken=frozenset([1]))
    (done,) = compute(stream, steps((video("a"), [1, 2], ValueError("damaged at its end"))))
    assert isinstance(done.outcome, RuntimeError)
    assert stream.batches == [[1]]
