"""Runs on a Ray cluster of two local nodes: an actor and a node are killed in the middle."""

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from extraction_runs import assert_same_videos, events, start, wait_for

cluster_utils = pytest.importorskip("ray.cluster_utils", exc_type=ImportError)


@pytest.fixture(scope="module")
def cluster():
    """A head without processors, and two nodes with one each."""
    # Workers import what the tests do.
    repository = Path(__file__).parents[3]
    paths = os.pathsep.join((str(repository), str(repository / "tests")))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", paths)
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        small = {"object_store_memory": 80 << 20, "include_dashboard": False}
        cluster = cluster_utils.Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, **small}
        )
        for _ in range(2):
            cluster.add_node(num_cpus=1, object_store_memory=80 << 20)
        yield cluster
        cluster.shutdown()


@pytest.fixture
def whole(run, tmp_path):
    """What one process makes."""
    store = tmp_path / "whole.zarr"
    assert run(store=store)[0] == 0
    return store


def actors_of(node):
    """Process ids of a node's actors."""
    raylet = node.all_processes["raylet"][0].process.pid
    children = []
    for task in Path(f"/proc/{raylet}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return [pid for pid in children if b"ray::_Worker" in Path(f"/proc/{pid}/cmdline").read_bytes()]


# A node takes a while to go; the videos must not be over by then.
@pytest.mark.parametrize(("victim", "seconds"), [("actor", 0.4), ("node", 2.0)])
def test_what_dies_costs_what_it_had_in_hand(cluster, corpus, whole, tmp_path, victim, seconds):
    """The node goes last: what is left of the cluster then finishes the run."""
    store, log = tmp_path / "rgb.zarr", tmp_path / "run.log"
    run = start(store, corpus.index, log, "--ray", cluster.address, seconds=seconds)
    wait_for(log, "finished")
    node = cluster.worker_nodes.copy().pop()
    if victim == "actor":
        [actor] = actors_of(node)
        os.kill(actor, signal.SIGKILL)
    else:
        cluster.remove_node(node, allow_graceful=False)
    assert run.wait(timeout=180) == 0
    [lost] = events(log, "worker_lost")
    # Only where its machine is there still can a video be to blame.
    assert ("its node has died" in lost["reason"]) == (victim == "node")
    done = Counter(event["video_id"] for event in events(log, "finished"))
    assert sorted(done) == corpus.ids
    # What was written when its worker died, but not told, is done again: at most what it held.
    assert {video_id for video_id, count in done.items() if count > 1} <= set(lost["videos"])
    assert_same_videos(whole, store)
