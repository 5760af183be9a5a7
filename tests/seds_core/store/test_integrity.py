import json
from dataclasses import replace

import pytest
import zarr
from finished_videos import RGB, finished, problems_of
from stores_made_before import made_before

from seds_core.errors import UsageError
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.reader import StoreReader
from seds_core.store.repair import checksum_problem, structure_problems
from seds_core.store.writer import StoreWriter


def make_store(path):
    with StoreWriter(path, RGB) as writer:
        writer.want(["a", "b"])
        while (video_id := writer.claim()) is not None:
            writer.finish(finished(video_id))
    return StoreReader(path)


def test_a_whole_store_has_no_problems(tmp_path):
    store = make_store(tmp_path / "s.zarr")
    assert structure_problems(store) == []
    assert [checksum_problem(store, v) for v in store.videos] == [None, None]


def test_a_changed_row_is_found_and_named(tmp_path):
    path = tmp_path / "s.zarr"
    with StoreWriter(path, RGB) as writer:
        writer.want(["a", "b"])
        while (video_id := writer.claim()) is not None:
            writer.finish(finished(video_id))
    zarr.open_array(path / "rows" / "features")[4] = 7
    store = StoreReader(path, even_damaged=True)
    assert checksum_problem(store, "a") is None
    assert "'b'" in checksum_problem(store, "b")


def test_a_damaged_file_is_found(tmp_path):
    path = tmp_path / "s.zarr"
    make_store(path)
    shard = path / "rows" / "features" / "c" / "0" / "0"
    content = bytearray(shard.read_bytes())
    content[len(content) // 3] ^= 0xFF
    shard.write_bytes(content)
    store = StoreReader(path)
    assert any(checksum_problem(store, v) for v in store.videos)


def test_a_missing_array_and_impossible_rows_are_found(tmp_path):
    path = made_before(tmp_path)
    zarr.open_array(path / "videos" / "first_row")[1] = 11
    (path / "rows" / "frame_step" / "zarr.json").unlink()
    problems = problems_of(path)
    assert any("rows/frame_step/zarr.json" in problem for problem in problems)
    assert any("'b': rows 11 + " in problem for problem in problems)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("committed", {"videos": 1, "rows": 3}),
        ("failures", {"c": {"video_id": "c", "path": "", "reason": "none"}}),
        ("weights", replace(RGB.weights, sha256="1" * 64).recorded()),
        ("files", {}),
    ],
)
def test_attributes_that_were_not_written_are_refused(tmp_path, name, value):
    path = tmp_path / "s.zarr"
    make_store(path)
    attributes = zarr.open_group(path).attrs
    attributes["a note of somebody's"] = "kept"
    assert list(StoreReader(path).videos) == ["a", "b"]
    attributes[name] = value
    with pytest.raises(DamagedStoreError, match=r"zarr\.json is not what was written.*copy"):
        StoreReader(path)


OPTIONAL = {"clip_frames"}  # stores of evenly spaced clips may lack it


def test_a_root_of_the_earlier_version_that_lacks_something_is_refused_by_name(tmp_path):
    root = made_before(tmp_path) / "zarr.json"
    whole = json.loads(root.read_text())
    for name in whole["attributes"].keys() - OPTIONAL:
        attributes = {key: value for key, value in whole["attributes"].items() if key != name}
        root.write_text(json.dumps(whole | {"attributes": attributes}))
        with pytest.raises(UsageError, match=rf"{name}|layout version None|not a store"):
            StoreReader(root.parent)
