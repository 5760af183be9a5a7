"""Files, structure and checksums: whether a store still holds what was written."""

from collections.abc import Iterator
from pathlib import Path

from seds_core.store.arrays import StoreArrays
from seds_core.store.file_checksums import DamagedStoreError
from seds_core.store.layout import ENTRY_CHECKSUM, VIDEO_ARRAYS
from seds_core.store.reader import StoreReader
from seds_core.store.records import rows_checksum
from seds_core.store.video_table import VideoEntry, entry_checksums


def damaged_files(arrays: StoreArrays) -> Iterator[tuple[Path, str]]:
    """Files that are missing or not what was written, and what is wrong; all are read."""
    for path in arrays.files.needed():
        try:
            problem = arrays.files.damage(path, thorough=True)
        except DamagedStoreError as error:
            problem = error.what
        if problem:
            yield path, problem


def files_without_checksum(arrays: StoreArrays) -> list[Path]:
    """Files that an earlier version has written."""
    return [path for path in arrays.files.needed() if not arrays.root.expected(path)]


def structure_problems(store: StoreReader) -> list[str]:
    """What is wrong with the arrays and the table of videos; empty when nothing is."""
    return [*_array_problems(store), *_entry_problems(store), *_row_run_problems(store)]


def checksum_problem(store: StoreReader, video_id: str) -> str | None:
    """What is wrong with the rows of one video; ``None`` when they are as written."""
    try:
        rows = store.rows(video_id)
    except DamagedStoreError as error:
        return error.what
    if rows_checksum(rows) != store.videos[video_id].rows_checksum:
        return f"'{video_id}': its rows are not those that were written (checksum differs)"
    return None


def changed_entries(arrays: StoreArrays) -> list[int]:
    """Places of the table's entries that are not what was written, as far as it can be told."""
    if ENTRY_CHECKSUM not in arrays.files.specs["videos"]:
        return []
    count = arrays.files.count("videos")
    names = [spec.name for spec in (*VIDEO_ARRAYS, ENTRY_CHECKSUM)]
    columns = {name: arrays.read_video_column(name, count).tolist() for name in names}
    written = zip(columns[ENTRY_CHECKSUM.name], entry_checksums(columns), strict=True)
    changed = {place for place, (before, now) in enumerate(written) if before != now}
    return sorted(changed - set(arrays.commit.dropped))


def _array_problems(store: StoreReader) -> Iterator[str]:
    files = store.arrays.files
    for part, specs in files.specs.items():
        for spec in specs:
            if problem := files.metadata_problem(part, spec):
                yield problem


def _entry_problems(store: StoreReader) -> Iterator[str]:
    for place in changed_entries(store.arrays):
        yield f"entry {place} of the table of videos is not what was written"


def _row_run_problems(store: StoreReader) -> Iterator[str]:
    """Every video's rows must exist and belong to it alone."""
    previous: VideoEntry | None = None
    for entry in sorted(store.videos.values(), key=lambda entry: entry.first_row):
        if entry.num_rows < 1 or entry.first_row + entry.num_rows > store.num_rows:
            yield f"'{entry.video_id}': rows {entry.first_row} + {entry.num_rows} do not exist"
        if previous and previous.first_row + previous.num_rows > entry.first_row:
            yield f"'{entry.video_id}' and '{previous.video_id}' claim the same rows"
        previous = entry
