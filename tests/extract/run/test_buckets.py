"""Extractions into a bucket: the same store as on a disk, whatever happens to connections."""

import numpy as np
import pytest
from finished_videos import problems_of

from extract.inspection.info import describe
from extract.inspection.verify import verify_store
from extract.interchange.export import run_export
from seds_core.store.bucket import BucketPlace
from seds_core.store.place import place_of
from seds_core.store.reader import StoreReader
from seds_core.store.repair import repair_store
from seds_core.store.staging import num_finished


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    """The log of a run into a bucket lies in the working folder."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def on_disk(run, tmp_path):
    """The store of an undisturbed run on a disk."""
    assert run(store=tmp_path / "disk.zarr")[0] == 0
    return StoreReader(tmp_path / "disk.zarr")


def refuse_differences(found, expected):
    assert sorted(found.videos) == sorted(expected.videos)
    for video_id in expected.videos:
        for name, values in expected.rows(video_id).items():
            np.testing.assert_array_equal(found.rows(video_id)[name], values)


def test_connections_are_cut_during_a_run(run, bucket, proxy, on_disk):
    proxy.cuts_left, proxy.share = 12, 0.05
    url = f"{bucket}/rgb.zarr"
    assert run(store=url)[0] == 0
    assert proxy.num_cut >= 5
    proxy.cuts_left = 0
    refuse_differences(StoreReader(url), on_disk)
    assert problems_of(url) == []
    # A second run finds everything there, and asks for no video.
    proxy.requests.clear()
    code, summary = run(store=url)
    assert (code, summary["already_there"], summary["finished"]) == (0, 6, 0)
    assert not [line for line in proxy.requests if line.startswith("PUT")]


def test_a_damaged_video_is_found_dropped_and_done_again(run, bucket, on_disk, tmp_path):
    url = f"{bucket}/rgb.zarr"
    assert run(store=url)[0] == 0
    place = BucketPlace(url)
    name = "rows/features/c/0/0"
    content = bytearray(place.read(name))
    content[40] ^= 1
    place.write(name, bytes(content))
    assert any(name in problem for problem in verify_store(url).problems)
    dropped = repair_store(url).failures
    assert dropped
    assert verify_store(url).problems == ()
    code, summary = run(store=url)
    assert (code, summary["finished"]) == (0, len(dropped))
    refuse_differences(StoreReader(url), on_disk)

    described = describe(StoreReader(url))
    assert (described["store"], described["videos"], described["waiting_videos"]) == (url, 6, 0)
    sizes = {name: seen.num_bytes for name, seen in place_of(url).names()}
    sizes.pop("replacing.json")  # of no commit
    assert described["bytes"] == sum(sizes.values())
    assert num_finished(url) == 0
    assert run_export(url, tmp_path / "exported") == 0
    assert len(list((tmp_path / "exported").iterdir())) == 6
