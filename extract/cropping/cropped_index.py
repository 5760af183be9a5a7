"""Copies an index with the crops that were found; all else stays as it is."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from extract.videos.part import Crop
from seds_core.tables import TableRow, open_table
from seds_core.video_id import video_id_of

_ADDED_COLUMNS = ("crop", "size")


def write_cropped_index(source: Path, target: Path, crops: Mapping[str, Crop], size: int) -> None:
    """Writes the index ``source``, which has been read, as ``target`` with the crops by id.

    What is cropped is resized to ``size`` x ``size`` unless the index says otherwise. Relative
    paths become absolute when the target is in another folder. ``target`` exists afterwards with
    all lines, or as it was.
    """
    with open_table(source) as table:
        columns = list(table.columns)
        lines = [dict(row.fields) for row in table.rows() if isinstance(row, TableRow)]
    is_moved = source.parent.resolve() != target.parent.resolve()
    for line in lines:
        if is_moved:
            line["path"] = str((source.parent / line["path"]).absolute())
        if crop := crops.get(video_id_of(line["video_id"])):
            line["crop"], line["size"] = str(crop), line.get("size") or f"{size}x{size}"
    columns += [name for name in _ADDED_COLUMNS if name not in columns]
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    unfinished.rename(target)
