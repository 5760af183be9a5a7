"""Failures are a table that grows at its end, also in a store that was made before."""

from finished_videos import RGB, finished, problems_of

from reference.small_stores import RGB as SMALL_RGB
from reference.small_stores import rgb_video
from reference.stores_made_before import made_before
from seds_core.store.reader import StoreReader
from seds_core.store.records import FailedVideo
from seds_core.store.writer import BulkWriter, StoreWriter


def reasons(path):
    return {name: failure.reason for name, failure in StoreReader(path).failures.items()}


def test_the_root_does_not_grow_with_failures(tmp_path):
    path = tmp_path / "s.zarr"
    sizes = []
    for number in (10, 1_000):
        with BulkWriter(path, RGB) as writer:
            for video in range(number):
                writer.fail(FailedVideo.now(f"v{video}", f"/v{video}.mp4", "it is empty"))
        sizes.append((path / "zarr.json").stat().st_size)
    assert len(reasons(path)) == 1_000
    assert sizes[1] - sizes[0] < 500  # the names of files
    assert problems_of(path) == []


def test_the_last_word_on_a_video_counts(tmp_path):
    path = tmp_path / "s.zarr"
    with BulkWriter(path, RGB) as writer:
        for reason in ("first", "second"):
            writer.fail(FailedVideo.now("a", "/a\udcff.mp4", reason))
        writer.fail(FailedVideo.now("b", "/b.mp4", "third"))
    assert reasons(path) == {"a": "second", "b": "third"}
    assert StoreReader(path).failures["a"].path == "/a\\xff.mp4"
    with BulkWriter(path, RGB) as writer:
        writer.add(finished("a"))
        writer.forget_failures(["b", "never seen"])
    assert reasons(path) == {}
    with BulkWriter(path, RGB) as writer:  # it has changed, and fails now
        writer.fail(FailedVideo.now("a", "/a.mp4", "fourth"))
    assert reasons(path) == {"a": "fourth"}
    assert list(StoreReader(path).videos) == ["a"]
    with BulkWriter(path, RGB) as writer:
        writer.fail(FailedVideo.now("a", "/a.mp4", "fifth"))
        writer.add(finished("a", content="c1"))
    assert reasons(path) == {}


def test_failures_of_a_store_made_before_move_into_the_table(tmp_path):
    path = made_before(tmp_path, "rgb")
    before = reasons(path)
    assert list(before) == ["d"]
    attempt = StoreReader(path).failures["d"].attempt
    with StoreWriter(path, SMALL_RGB) as writer:
        assert reasons(path) == before
        writer.want(["d", "e"])
        assert writer.claim() == "d"  # an earlier run's failure is tried again
        writer.release("d")
        assert writer.claim() == "e"
        writer.fail(FailedVideo.now("e", "/e.mp4", "no video"))
    assert reasons(path) == before | {"e": "no video"}
    assert StoreReader(path).failures["d"].attempt == attempt
    assert (path / "failures" / "reason" / "c" / "0").is_file()
    assert problems_of(path) == []
    with StoreWriter(path, SMALL_RGB) as writer:
        writer.want(["d"])
        writer.claim()
        writer.finish(rgb_video("d", 9))
    assert reasons(path) == {"e": "no video"}
