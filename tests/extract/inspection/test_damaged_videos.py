"""``verify`` names the videos that damage concerns, and ``repair`` drops exactly these."""

import os
import shutil

import numpy as np
import pytest
from finished_videos import RGB, finished, problems_of

from extract.inspection.verify import verify_store
from seds_core.store.reader import StoreReader
from seds_core.store.repair import repair_store
from seds_core.store.writer import BulkWriter

IDS = ["first", "second", "third", "fourth"]
ROWS = 4_096
"""A chunk: each video has its own."""

FEATURES = "rows/features/c/0/0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "whole.zarr"
    with BulkWriter(path, RGB) as writer:
        for video_id in IDS:
            writer.add(finished(video_id, ROWS))
    return path


@pytest.fixture
def path(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "s.zarr")


def swap(path):
    first, second = path / FEATURES, path / "rows/first_frame/c/0"
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)


def mix_up(path):
    """A file of another store, which is whole in itself."""
    with BulkWriter(path.with_name("other.zarr"), RGB) as writer:
        for video_id in IDS:
            content = "c1" if video_id in ("second", "fourth") else "c0"
            writer.add(finished(video_id, ROWS, content))
    shutil.copyfile(path.with_name("other.zarr") / FEATURES, path / FEATURES)


def truncate(path):
    os.truncate(path / FEATURES, (path / FEATURES).stat().st_size // 2)


def lose(path):
    (path / FEATURES).unlink()


def flip(path):
    content = bytearray((path / FEATURES).read_bytes())
    index = np.frombuffer(content[-4_100:-4], "<u8").reshape(-1, 2)
    content[int(index[2].sum()) - 9] ^= 1  # close to the end of the third video's chunk
    (path / FEATURES).write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "concerned"),
    [
        (swap, IDS),
        (mix_up, ["second", "fourth"]),
        (truncate, IDS),
        (lose, IDS),
        (flip, ["third"]),
    ],
)
def test_the_videos_concerned_are_named_dropped_and_done_again(path, damage, concerned):
    damage(path)
    problems = verify_store(path).problems
    assert [v for v in IDS if any(f"'{v}'" in problem for problem in problems)] == concerned
    assert any("rows/features/c/" in problem for problem in problems)
    assert sorted(repair_store(path).failures) == sorted(concerned)
    store = StoreReader(path)
    assert list(store.videos) == [video_id for video_id in IDS if video_id not in concerned]
    for video_id in store.videos:
        features = finished(video_id, ROWS).rows["features"]
        np.testing.assert_array_equal(store.rows(video_id)["features"], features)
    with BulkWriter(path, RGB) as writer:
        for video_id in IDS:
            if video_id not in writer.videos:
                writer.add(finished(video_id, ROWS))
    assert problems_of(path) == []
    assert sorted(StoreReader(path).videos) == sorted(IDS)
    assert verify_store(path).problems == ()
