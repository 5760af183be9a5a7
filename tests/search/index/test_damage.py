"""What is wrong with an index's files is said, and what a writer leaves half done is not there."""

import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest

from reference.small_indexes import (
    made_up_entries,
    made_up_entry,
    made_up_identity,
    made_up_index,
    made_up_record,
    made_up_sentence,
)
from search.index import token_files
from search.index.compaction import compact
from search.index.database import DamagedIndexError, IndexFolderError
from search.index.layout import array_files
from search.index.part import Part
from search.index.verify import verify
from search.index.writer import open_writer
from seds_core.errors import UnavailableError


@pytest.fixture
def path(tmp_path):
    return made_up_index(tmp_path / "index")


def flip(path, position):
    """Changes one bit of a file."""
    with path.open("r+b") as file:
        file.seek(position)
        (byte,) = file.read(1)
        file.seek(position)
        file.write(bytes([byte ^ 1]))


def execute(path, statement):
    connection = sqlite3.connect(path / "index.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()


def live(path):
    snapshot = Part.open(path).snapshot()
    return {record.video_id for record in snapshot.records(np.flatnonzero(snapshot.is_live))}


def generator():
    return np.random.default_rng(77)


def test_a_whole_index_is_whole(path):
    with open_writer(path) as writer:
        writer.delete(["v3"])
        writer.replace_records({0: (made_up_record("v0", "wind"), "rows")})
    result = verify(path)
    assert result.is_whole
    assert (result.num_entries, result.num_sentences) == (19, 4)


@pytest.mark.parametrize("number", range(len(array_files("signs", 1, 1))))
def test_a_flipped_bit_names_its_video(path, number):
    snapshot = Part.open(path).snapshot()
    file = array_files("signs", *snapshot.projection.matrix.shape)[number]
    row = int(snapshot.signs.first[7]) if file.is_per_token else 7
    flip(path / "generation-1" / file.name, row * file.row_bytes)
    assert verify(path).damaged == {"v7": "its tokens have changed"}
    with pytest.raises(DamagedIndexError, match="v7"):
        compact(path)
    with open_writer(path) as writer:
        writer.delete(["v7"])
    assert verify(path).is_whole


def test_a_flipped_bit_of_a_sentence_names_it(path):
    flip(path / "generation-1/words.tokens", 0)
    assert verify(path).problems == ["the words of the sentence 'good morning' have changed"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("records SET text = 'another' WHERE video_id = 'v4'", "its record has changed"),
        ("records SET path = x'00' WHERE video_id = 'v4'", "its record has changed"),
        ("entries SET is_live = 0 WHERE entry = 4", "its row in the index has changed"),
        ("entries SET record = 5 WHERE entry = 3", "its row in the index has changed"),
    ],
)
def test_a_changed_table_names_its_video(path, change, what):
    execute(path, f"UPDATE {change}")
    result = verify(path)
    assert result.damaged == {"v4": what}
    assert not result.is_whole


def test_a_changed_record_is_not_taken_for_an_answer(path):
    execute(path, "UPDATE records SET text = 'another' WHERE video_id = 'v4'")
    snapshot = Part.open(path).snapshot()
    assert snapshot.records([3])[0].video_id == "v3"
    with pytest.raises(DamagedIndexError, match="v4"):
        snapshot.records([4])


@pytest.mark.parametrize("name", ["signs.tokens", "words.coarse"])
def test_a_file_that_was_copied_in_part_is_refused(path, name):
    file = path / "generation-1" / name
    os.truncate(file, file.stat().st_size - 1)
    part = Part.open(path)
    with pytest.raises(DamagedIndexError, match=rf"{name}.*Copy it again"):
        part.snapshot()


def test_a_lost_file_or_folder_is_refused(path, monkeypatch):
    (path / "generation-1/signs.coarse").unlink()
    with pytest.raises(DamagedIndexError, match=r"signs\.coarse has 0 bytes"):
        Part.open(path).snapshot()
    (path / "generation-1/readers").unlink()
    monkeypatch.setattr("search.index.part.ATTEMPTS", 2)
    with pytest.raises(DamagedIndexError, match="lacks the folder generation-1"):
        Part.open(path).snapshot()


def test_a_state_that_was_copied_in_part_is_refused(path):
    state = path / "index.sqlite"
    content = state.read_bytes()
    state.write_bytes(content[:2000])
    with pytest.raises(DamagedIndexError):
        Part.open(path)
    state.write_bytes(b"")
    with pytest.raises(DamagedIndexError, match="lacks a table"):
        Part.open(path)
    state.write_bytes(b"no database at all" * 100)
    with pytest.raises(DamagedIndexError):
        Part.open(path)


def test_another_layout_version_is_told(path):
    from search.index.database import write_fact

    connection = sqlite3.connect(path / "index.sqlite")
    with connection:
        write_fact(connection, "layout_version", "99")
    connection.close()
    with pytest.raises(IndexFolderError, match="layout version 99, this program reads 1"):
        Part.open(path)


def test_another_folder_is_no_index_and_gets_no_files(tmp_path):
    with pytest.raises(IndexFolderError, match=r"no file index\.sqlite"), open_writer(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_index_as_it_was(path, monkeypatch):
    before = live(path)
    sizes = {file.name: file.stat().st_size for file in (path / "generation-1").iterdir()}
    written, write_at = [], token_files._write_at

    def full(file, position, values):
        if len(written) == 3:
            with file.open("r+b") as some:
                some.seek(0, 2)
                some.write(b"a part of it")
            raise OSError(28, "No space left on device", str(file))
        written.append(file)
        write_at(file, position, values)

    with open_writer(path) as writer:
        monkeypatch.setattr(token_files, "_write_at", full)
        with pytest.raises(OSError, match="No space left"):
            writer.append(made_up_entries(4, generator(), first=50))
        assert live(path) == before
        monkeypatch.undo()
        writer.append(made_up_entries(2, generator(), first=60))
    assert live(path) == before | {"v60", "v61"}
    assert verify(path).is_whole
    assert (path / "generation-1/signs.tokens").stat().st_size > sizes["signs.tokens"]


def test_a_full_disk_for_the_state_leaves_the_index_as_it_was(path):
    before = live(path)
    with open_writer(path) as writer:
        (pages,) = writer.connection.execute("PRAGMA page_count").fetchone()
        writer.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(UnavailableError, match="the disk is full"):
            writer.append(made_up_entries(300, generator(), first=50))
    assert live(path) == before
    assert verify(path).is_whole


def test_an_error_within_a_change_undoes_all_of_it(path):
    before = live(path)
    with open_writer(path) as writer:
        lacking = made_up_entry("x", generator(), "a sentence that was not given")
        with pytest.raises(KeyError):
            writer.append([*made_up_entries(2, generator(), first=1), lacking])
        assert live(path) == before
        sentence = made_up_sentence("a sentence that was not given", generator())
        writer.append([lacking], [sentence])
    assert live(path) == before | {"x"}
    assert verify(path).is_whole


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from reference.small_indexes import made_up_entries
from search.index import changes, compaction, writer

path, where = Path(sys.argv[1]), sys.argv[2]
die = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
with writer.open_writer(path) as part:
    if where == "files":
        writer.Change.keep_projection = die
    else:
        writer.Change.finish = die
    if where == "compaction":
        compaction.compact_part(part)
    else:
        part.append(made_up_entries(3, np.random.default_rng(0), first=19))
"""


@pytest.mark.parametrize("where", ["files", "transaction", "compaction"])
def test_a_killed_writer_leaves_the_version_before(path, where):
    before = live(path)
    killed = subprocess.run([sys.executable, "-c", KILLED, path, where], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert live(path) == before
    assert verify(path).is_whole
    with open_writer(path) as writer:
        assert [folder.name for folder in path.glob("generation-*")] == ["generation-1"]
        writer.append(made_up_entries(1, generator(), first=70))
    assert live(path) == before | {"v70"}
    assert verify(path).is_whole


def test_readers_need_no_right_to_write(path, tmp_path):
    for folder in (path, path / "generation-1"):
        for file in folder.iterdir():
            file.chmod(0o755 if file.is_dir() else 0o444)
        folder.chmod(0o555)
    for folder in (tmp_path, *tmp_path.parents[:-2]):  # pytest's are for one user alone
        folder.chmod(folder.stat().st_mode | 0o055)
    child = os.fork()
    if not child:
        try:
            if os.geteuid() == 0:  # who may write everywhere
                os.setresuid(65534, 65534, 65534)
            found = Part.open(path).snapshot().records([0, 1])
            with pytest.raises(OSError, match="denied"), open_writer(path):
                pass
            os._exit(len(found))
        finally:
            os._exit(99)
    _, status = os.waitpid(child, 0)
    for folder in (path, path / "generation-1"):
        folder.chmod(0o755)
    assert os.waitstatus_to_exitcode(status) == 2


def test_compaction_keeps_what_is_live_and_frees_the_rest(path):
    part = Part.open(path)
    with open_writer(path) as writer:
        writer.delete([f"v{number}" for number in range(3, 20)])
    before = part.snapshot()
    size = (path / "generation-1/signs.tokens").stat().st_size
    part.close()
    before.lease.release()
    result = compact(path)
    assert (result.num_entries, result.num_removed, result.num_sentences) == (3, 17, 3)
    assert [folder.name for folder in path.glob("generation-*")] == ["generation-2"]
    assert (path / "generation-2/signs.tokens").stat().st_size < size
    after = Part.open(path).snapshot()
    assert live(path) == {"v0", "v1", "v2"}
    assert [record.text for record in after.records([0, 1, 2])] == after.texts(
        after.sentence_of_entry
    )
    connection = sqlite3.connect(path / "index.sqlite")
    assert connection.execute("SELECT COUNT(*) FROM records").fetchone() == (3,)
    connection.close()
    assert verify(path).is_whole


def test_who_reads_during_a_compaction_goes_on(path):
    part = Part.open(path)
    before = part.snapshot()
    with open_writer(path) as writer:
        writer.delete(["v3"])
        writer.replace_records({4: (made_up_record("v4", "wind", signer="emil"), "rows")})
    compact(path)
    assert (path / "generation-1").exists()
    assert [record.video_id for record in before.records(range(20))] == [f"v{n}" for n in range(20)]
    assert before.records([4])[0].columns["signer"] == "ben"
    assert before.entries_of("v3") == [3]
    assert before.texts([3]) == ["wind"]
    assert np.isfinite(before.signs.of(3)).all()
    after = part.snapshot()
    assert (after.generation, after.num_live, after.entries_of("v3")) == (2, 19, [])
    before.lease.release()
    with open_writer(path):
        assert [folder.name for folder in path.glob("generation-*")] == ["generation-2"]


def test_a_replaced_record_stays_for_those_who_read_its_generation(path):
    first = Part.open(path).snapshot()
    compact(path)
    second = Part.open(path).snapshot()
    with open_writer(path) as writer:
        writer.replace_records({4: (made_up_record("v4", "wind", signer="emil"), "rows")})
    compact(path)
    first.lease.release()
    with open_writer(path):
        assert not (path / "generation-1").exists()
    assert second.generation == 2
    assert second.records([4])[0].columns["signer"] == "ben"
    second.lease.release()
    with open_writer(path) as writer:
        left = writer.connection.execute("SELECT COUNT(*) FROM records").fetchone()
    assert left == (20,)


def test_an_empty_index_can_be_made_compact(tmp_path):
    with open_writer(tmp_path / "empty", create=made_up_identity()):
        pass
    assert compact(tmp_path / "empty").num_entries == 0
    path = made_up_index(tmp_path / "index", num_videos=2)
    with open_writer(path) as writer:
        writer.delete(["v0", "v1"])
    assert compact(path).num_entries == 0
    with open_writer(path) as writer:
        writer.append(
            made_up_entries(1, generator()), [made_up_sentence("good morning", generator())]
        )
    assert live(path) == {"v0"}
