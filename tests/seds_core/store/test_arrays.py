import numpy as np
import pytest
import zarr
from finished_videos import RGB, finished, problems_of
from small_stores import RGB as RGB_MADE_BEFORE
from small_stores import rgb_video, write_store
from stores_made_before import made_before
from zarr.codecs import GzipCodec

from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader
from seds_core.store.writer import BulkWriter


@pytest.fixture
def path(tmp_path):
    with BulkWriter(tmp_path / "s.zarr", RGB) as writer:
        for number in range(9):
            writer.add(finished(f"video-{number}", num_rows=1 + number))
    return tmp_path / "s.zarr"


def test_rows_are_those_that_zarr_reads(path):
    store, group = StoreReader(path), zarr.open_group(path, mode="r")
    for entry in store.videos.values():
        run = slice(entry.first_row, entry.first_row + entry.num_rows)
        for name, values in store.rows(entry.video_id).items():
            np.testing.assert_array_equal(values, group["rows"][name][run])
    assert list(store.videos) == group["videos"]["video_id"][:].tolist()


def test_an_array_that_somebody_stored_anew_is_read_through_zarr(tmp_path):
    path = made_before(tmp_path)
    before = StoreReader(path).rows("c")
    rows = zarr.open_group(path, mode="r+")["rows"]
    values = rows["features"][:]
    rows.create_array(
        "features",
        data=values,
        chunks=(7, 8),
        compressors=[GzipCodec()],
        dimension_names=("row", "rgb"),
        overwrite=True,
    )
    np.testing.assert_array_equal(StoreReader(path).rows("c")["features"], before["features"])
    assert problems_of(path) == []
    with pytest.raises(StoreMismatchError, match="rows/features was stored anew"):
        write_store(path, RGB_MADE_BEFORE, [rgb_video("d", 12)])


def test_a_reader_goes_on_while_the_store_grows(path):
    store = StoreReader(path)
    before = store.rows("video-8")
    with BulkWriter(path, RGB, pack_rows=2) as writer:
        for number in range(4):
            writer.add(finished(f"added-{number}"))
            for name, values in store.rows("video-8").items():
                np.testing.assert_array_equal(values, before[name])
    assert list(store.videos) == [f"video-{number}" for number in range(9)]
    assert len(StoreReader(path).videos) == 13
