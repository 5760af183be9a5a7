"""Several processes make the index that one makes, in the same order; a lost one costs nothing."""

from collections import deque
from functools import partial

import numpy as np
import pytest
import torch

from extract.run.engine import Broken, ClusterShare, Lost, Slot, Stop
from reference.small_indexes import made_up_record, small_run
from search.index import encoding_workers
from search.index.build import add_to_index, build_index
from search.index.encoding_workers import (
    Encoded,
    EncodingCrew,
    EncodingWork,
    Ready,
    RunEnded,
    RunOfVideos,
)
from search.index.entries import EncodedVideo
from search.index.identity import IndexIdentity
from search.index.part import Part
from search.settings import SearchSettings
from seds_core.errors import UnavailableError, UsageError
from train.evaluation.load_model import load_run


def contents(path):
    """Ids in the order of the entries, and their tokens."""
    snapshot = Part.open(path).snapshot()
    records = snapshot.records(np.flatnonzero(snapshot.is_live))
    return [record.video_id for record in records], snapshot.signs.tokens


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Of a data set of eight videos, which are four runs of two."""
    monkeypatch.setattr(encoding_workers, "BATCHES_OF_A_RUN", 1)
    return small_run(tmp_path)


def test_two_processes_make_the_same_index(run, tmp_path):
    for name, devices in (("one", "cpu"), ("two", "cpu:2")):
        result = build_index(tmp_path / name, run=run, devices=devices, batch_size=2, workers=0)
        assert (result.num_new, result.num_entries, result.failed) == (8, 8, ())
    (ids, tokens), (others, other_tokens) = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert ids == others
    # In half precision; a process of several has other numbers of threads.
    np.testing.assert_allclose(tokens, other_tokens, atol=2e-3)
    assert add_to_index(tmp_path / "two", devices="cpu:2").num_unchanged == 8


def test_actors_of_ray_make_the_same_index(run, tmp_path):
    ray = pytest.importorskip("ray", exc_type=ImportError)
    share = ClusterShare("local", num_workers=2, gpus=0.0, cpus=1.0)
    try:
        build_index(
            tmp_path / "ray", run=run, devices="cpu", cluster=share, batch_size=2, workers=0
        )
    finally:
        ray.shutdown()
    build_index(tmp_path / "one", run=run, devices="cpu", batch_size=2, workers=0)
    (ids, tokens), (others, other_tokens) = contents(tmp_path / "one"), contents(tmp_path / "ray")
    assert ids == others
    np.testing.assert_allclose(tokens, other_tokens, atol=2e-3)


class Scripted:
    """An engine whose workers do as a test says; a worker encodes a run once it is asked to."""

    def __init__(self, num_workers):
        self.slots = [Slot("cpu", 0)] * num_workers
        self.told = {}
        self.events = deque()

    def start(self, number, slot):
        self.told[number] = []
        self.events.append((number, Ready()))

    def tell(self, number, message):
        self.told[number].append(message)

    def next_event(self, timeout_s):
        return self.events.popleft() if self.events else self.idle()

    def kill(self, number): ...

    def __enter__(self):
        return self

    def __exit__(self, *error): ...

    def idle(self):
        raise AssertionError("nothing would ever happen")

    def encode(self, number):
        """A worker's run, with as many videos as it has names."""
        [run] = [told for told in self.told[number][-1:] if isinstance(told, RunOfVideos)]
        self.events += [(number, Encoded(Named(name))) for name in run.video_ids]
        self.events.append((number, RunEnded()))


class Named(EncodedVideo):
    """What became of a video of this name."""

    def __init__(self, name):
        super().__init__()
        self.name = name


def runs(count):
    return [RunOfVideos(number, (f"a{number}", f"b{number}"), {}) for number in range(count)]


def test_videos_come_in_their_order_whichever_worker_is_first():
    engine = Scripted(2)
    crew = EncodingCrew(engine, runs(2))
    steps = deque([2, 1])  # the second worker is done before the first
    engine.idle = lambda: engine.encode(steps.popleft())
    assert [video.name for video in crew.videos()] == ["a0", "b0", "a1", "b1"]
    assert all(isinstance(told[-1], Stop) for told in engine.told.values())


def test_a_fast_worker_waits_for_a_slow_one():
    engine = Scripted(2)
    crew = EncodingCrew(engine, runs(20))
    given = []

    def idle():
        run = engine.told[2][-1]
        if given[-1:] == [run.number]:
            raise TimeoutError("the fast one waits")
        given.append(run.number)
        engine.encode(2)

    engine.idle = idle
    with pytest.raises(TimeoutError):
        list(crew.videos())
    # The first run is never done: no more than a few behind it are.
    assert given == [1, 2, 3]


def test_the_run_of_a_lost_worker_is_done_by_another(capsys):
    engine = Scripted(1)
    crew = EncodingCrew(engine, runs(20))

    def idle():
        if 2 not in engine.told:
            # It has told of a part of its run.
            engine.events += [(1, Encoded(Named("a0"))), (1, Lost("out of memory?"))]
        else:
            engine.encode(2)

    engine.idle = idle
    assert [video.name for video in crew.videos()] == [
        name for number in range(20) for name in (f"a{number}", f"b{number}")
    ]
    assert "out of memory?" in capsys.readouterr().err


def test_a_run_that_ends_two_workers_ends_the_build():
    engine = Scripted(1)
    crew = EncodingCrew(engine, runs(1))
    engine.idle = lambda: engine.events.append((max(engine.told), Lost("out of memory?")))
    with pytest.raises(UnavailableError, match=r"from 'a0' on: out of memory\?"):
        list(crew.videos())


def test_idle_workers_that_end_are_not_missed():
    engine = Scripted(3)
    crew = EncodingCrew(engine, runs(3))
    # Two are done, and end while the first is at the last run.
    steps = deque([partial(engine.encode, 2), partial(engine.encode, 3)])
    steps += [partial(engine.events.append, (worker, Lost("killed"))) for worker in (2, 3)]
    steps.append(partial(engine.encode, 1))
    engine.idle = lambda: steps.popleft()()
    assert len(list(crew.videos())) == 6
    assert len(engine.told) == 3


class Heard:
    """A driver that says what a test does, and hears a worker out."""

    def __init__(self, *messages):
        self.messages = deque(messages)
        self.events = []

    def receive(self):
        return self.messages.popleft()

    def send(self, event):
        self.events.append(event)


def test_a_worker_is_told_what_only_the_index_knows(run, tmp_path):
    """Of a video that no table describes, which is encoded again."""
    identity = IndexIdentity.of_run(
        load_run(run / "best.pt", torch.device("cpu")), run, "best", search=SearchSettings()
    )
    data = identity.settings.data.model_copy(
        update={"rgb": tmp_path / "rgb.zarr", "pose": tmp_path / "pose.zarr", "index": None}
    )
    known = made_up_record("a", text="a kept sentence", signer="anna")
    channel = Heard(RunOfVideos(0, ("a", "b"), {"a": known}), Stop())
    EncodingWork(identity, run / "best.pt", data, 2, tmp_path)(Slot("cpu", 0), channel)
    ready, first, second, ended = channel.events
    assert (type(ready), type(ended)) == (Ready, RunEnded)
    records = [entry.record for told in (first, second) for entry in told.video.entries]
    assert [(r.text, r.columns) for r in records] == [
        ("a kept sentence", {"signer": "anna"}),
        ("", {}),
    ]


def test_machines_that_are_taken_away_are_no_runs_fault():
    engine = Scripted(1)
    crew = EncodingCrew(engine, runs(1))

    def idle():
        worker = max(engine.told)
        if worker < 5:
            engine.events.append((worker, Lost("preempted", is_preempted=True)))
        else:
            engine.encode(worker)

    engine.idle = idle
    assert len(list(crew.videos())) == 2


@pytest.mark.parametrize("is_usage", [True, False])
def test_a_workers_error_is_the_builds(is_usage):
    engine = Scripted(1)
    crew = EncodingCrew(engine, runs(1))
    engine.idle = lambda: engine.events.append((1, Broken("no such store", "", is_usage=is_usage)))
    with pytest.raises(UsageError if is_usage else UnavailableError, match="no such store"):
        list(crew.videos())
