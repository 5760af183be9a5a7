"""Structure and checksums: whether a store still holds what was written."""

from collections.abc import Iterator

import numpy as np

from seds_core.store.layout import VIDEO_ARRAYS
from seds_core.store.reader import StoreReader
from seds_core.store.records import rows_checksum
from seds_core.store.video_table import VideoEntry


def structure_problems(store: StoreReader) -> list[str]:
    """What is wrong with the arrays and the table of videos; empty when nothing is."""
    return [*_array_problems(store), *_row_run_problems(store)]


def checksum_problem(store: StoreReader, video_id: str) -> str | None:
    """What is wrong with the rows of one video; ``None`` when they are as written."""
    try:
        rows = store.rows(video_id)
    except Exception as error:  # a damaged file fails in whatever way its codec does
        return f"'{video_id}': its rows cannot be read: {error}"
    if rows_checksum(rows) != store.videos[video_id].rows_checksum:
        return f"'{video_id}': its rows are not those that were written (checksum differs)"
    return None


def _array_problems(store: StoreReader) -> Iterator[str]:
    expected = [("rows", spec, store.num_rows) for spec in store.arrays.row_specs]
    expected += [("videos", spec, len(store.videos)) for spec in VIDEO_ARRAYS]
    for part, spec, length in expected:
        try:
            found = store.arrays.description(part, spec.name)
        except KeyError:
            yield f"array {part}/{spec.name} is missing"
            continue
        if found["dimension_names"] != spec.axes:
            yield f"array {part}/{spec.name} has axes {found['dimension_names']}, not {spec.axes}"
        if spec.dtype != "str" and found["dtype"] != np.dtype(spec.dtype):
            yield f"array {part}/{spec.name} has type {found['dtype']}, not {spec.dtype}"
        if found["shape"][0] < length or found["shape"][1:] != spec.sizes:
            yield f"array {part}/{spec.name} has shape {found['shape']}, too small for {length}"


def _row_run_problems(store: StoreReader) -> Iterator[str]:
    """Every video's rows must exist and belong to it alone."""
    previous: VideoEntry | None = None
    for entry in sorted(store.videos.values(), key=lambda entry: entry.first_row):
        if entry.num_rows < 1 or entry.first_row + entry.num_rows > store.num_rows:
            yield f"'{entry.video_id}': rows {entry.first_row} + {entry.num_rows} do not exist"
        if previous and previous.first_row + previous.num_rows > entry.first_row:
            yield f"'{entry.video_id}' and '{previous.video_id}' claim the same rows"
        previous = entry
