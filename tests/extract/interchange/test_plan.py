"""What an import still has to do."""

import os

import pytest
from finished_videos import finished

from extract.interchange.import_command import has_changed
from extract.interchange.imported import ImportItem, content_hash, quick_identity
from extract.run.existing_store import compare
from seds_core.store.reader import VideoEntry


@pytest.fixture
def item(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(b"abc")
    return ImportItem("a", path)


def entry_of(item):
    size_bytes, mtime_ns = quick_identity(item.path)
    values = vars(finished(item.video_id).source) | {
        "size_bytes": size_bytes,
        "mtime_ns": mtime_ns,
        "content_hash": content_hash(item.path),
    }
    return VideoEntry(**values, first_row=0, num_rows=1, rows_checksum=0)


def test_missing_changed_and_there(item, tmp_path):
    other = ImportItem("b", tmp_path / "b.pkl")
    gone = ImportItem("c", tmp_path / "c.pkl")
    plan = compare([item, other, gone], {"a": entry_of(item), "c": entry_of(item)}, has_changed)
    assert plan.missing == (other,)
    assert plan.changed == (gone,)
    assert plan.todo == (other, gone)
    assert plan.num_there == 1


def test_a_touched_file_is_the_same_and_one_of_equal_size_may_not_be(item):
    entry = entry_of(item)
    os.utime(item.path, ns=(1, 1))
    assert not has_changed(item, entry)
    item.path.write_bytes(b"abd")
    assert has_changed(item, entry)
    item.path.write_bytes(b"abcd")
    assert has_changed(item, entry)


def test_an_id_is_known_however_it_is_spelled(item):
    spelled = ImportItem("u\u0308", item.path)
    assert compare([spelled], {"\u00fc": entry_of(item)}, has_changed).num_there == 1
