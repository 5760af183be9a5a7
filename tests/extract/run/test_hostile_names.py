"""Ids and paths that somebody made up to do harm, or that no file can have."""

import csv
import os

import pytest
from finished_videos import RGB, finished
from rich.console import Console

from extract.interchange.export import run_export
from seds_core import console
from seds_core.dataset_index import IndexFileError
from seds_core.store.reader import StoreReader
from seds_core.store.writer import BulkWriter
from seds_core.video_id import file_name_of, look_alikes

HOSTILE_IDS = [
    "../../escaped", "/etc/escaped", "..", ".", "a/../../escaped", 
    "long" * 1000, "\u202egnp.exe", "\x1b[2Jcleared", "caf\u00e9", "-rf", "~root", "$(id)",
    "a//b", "./a", "con\tol", "C:\\windows", "%2e%2e%2f",
]  # fmt: skip

NO_INDEX_HAS = ["nul\x00byte", "two\nlines"]


def write_index(path, lines):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("video_id", "path"), *lines])


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_an_id_is_a_name_in_the_store_and_never_a_path(run, corpus, tmp_path):
    write_index(corpus.index, [(name, corpus.path("video0")) for name in HOSTILE_IDS])
    above = files_of(tmp_path.parent)
    code, last = run()
    assert (code, last["failed"]) == (0, [])
    store = StoreReader(tmp_path / "rgb.zarr")
    assert sorted(store.videos) == sorted(HOSTILE_IDS)
    assert len(store.rows("../../escaped")["features"]) == 20
    new = files_of(tmp_path.parent) - above
    assert [name for name in new if not name.startswith(f"{tmp_path.name}/")] == []
    made = {name.split("/")[0] for name in files_of(tmp_path)}
    assert made == {"rgb.zarr", "rgb.zarr.logs", "videos", "index.csv", "tiny.yaml"}


@pytest.mark.parametrize(
    "path",
    [
        "no/such.mp4", "long" * 1000 + ".mp4", "http://127.0.0.1:1/a.mp4",
        "concat:index.csv", "file:index.csv", "/dev/zero", "/proc/self/mem", "/dev/stdin", "..",
        "index.csv", "fifo",
    ],
)  # fmt: skip
def test_a_path_that_is_no_video_costs_only_itself(run, corpus, tmp_path, path):
    os.mkfifo(tmp_path / "fifo")
    write_index(corpus.index, [("bad", path), ("good", corpus.path("video0"))])
    code, last = run()
    assert code == 3
    [failed] = last["failed"]
    assert failed["video_id"] == "bad"
    assert failed["reason"]
    assert list(StoreReader(tmp_path / "rgb.zarr").videos) == ["good"]
    assert last["broken"] == []


@pytest.mark.parametrize(
    ("name", "reason"), [("nul\x00byte", "NUL characters"), ("two\nlines", "line 2: .*quotation")]
)
def test_an_index_with_such_characters_is_refused(run, corpus, name, reason):
    write_index(corpus.index, [(name, corpus.path("video0"))])
    with pytest.raises(IndexFileError, match=reason):
        run()


def test_ids_that_look_alike_are_told(run, corpus):
    ids = ["hallo", "h\u0430llo", "tag", "t\u200bag", "\u212bre"]
    write_index(corpus.index, [(name, corpus.path("video0")) for name in ids])
    run()
    assert "look alike: 'hallo' and 'h\\u0430llo'" in run.told.err
    assert "look alike: 'tag' and 't\\u200bag'" in run.told.err
    assert run.told.err.count("look alike") == 2
    assert list(look_alikes(["hallo", "Hallo", "hall0"])) == []


@pytest.fixture
def hostile_store(tmp_path):
    """A store whose table somebody has filled with the names of files outside."""
    with BulkWriter(tmp_path / "s.zarr", RGB) as writer:
        for video_id in [*HOSTILE_IDS, *NO_INDEX_HAS, "a/b", "a"]:
            writer.add(finished(video_id))
    return tmp_path / "s.zarr"


def test_an_export_stays_in_its_folder(hostile_store, tmp_path, capsys):
    above, out = files_of(tmp_path.parent), tmp_path / "out" / "deep"
    assert run_export(hostile_store, out, "published", overwrite=False, as_json=False) == 3
    new = files_of(tmp_path.parent) - above
    assert [name for name in new if not name.startswith(f"{tmp_path.name}/out")] == []
    told = capsys.readouterr().err
    for video_id in ("../../escaped", "/etc/escaped", "..", "a/../../escaped"):
        assert f"{video_id}: its id would be a file outside" in told
    # Two ids of one file: the plain one has it.
    assert "a//b: its id would be the file of 'a/b'" in told
    assert "./a: its id would be the file of 'a'" in told
    assert (out / "a" / "b.pkl").exists()
    assert (out / "a.pkl").exists()


def test_a_picture_has_a_name_that_is_none_of_another_folder():
    names = [file_name_of(video_id) for video_id in [*HOSTILE_IDS, *NO_INDEX_HAS, "\udcfc", ""]]
    assert all("/" not in name and "\x00" not in name and "\n" not in name for name in names)
    assert all(name.strip(".") and len(os.fsencode(name)) < 200 for name in names)
    assert len(set(names)) == len(names)
    assert file_name_of("caf\u00e9-01 (front)") == "caf\u00e9-01 (front)"


def test_a_name_does_not_command_the_terminal(monkeypatch, capsys):
    with monkeypatch.context() as patched:
        patched.setenv("FORCE_COLOR", "1")
        shown = type(console.messages)(stderr=True, force_terminal=True, highlight=False)
        patched.setattr(console, "messages", shown)
        console.warn("a \x1b]0;owned title, \x1b[2J, \u202egnp.exe, \x9b2J and caf\u00e9")
    told = capsys.readouterr().err
    assert "a \\x1b]0;owned title, \\x1b[2J, \\u202egnp.exe, \\x9b2J and caf\u00e9" in told
    assert isinstance(console.messages, Console)
    assert "\x1b[1;33mwarning:" in told  # our own colours are there
