"""Copies an index with the crops that were found; all else stays as it is."""

import csv
import os
from collections.abc import Mapping
from pathlib import Path

from extract.decoding.video_part import Crop

_ADDED_COLUMNS = ("crop", "size")


def write_cropped_index(source: Path, target: Path, crops: Mapping[str, Crop], size: int) -> None:
    """Writes the index ``source`` as ``target``, with the videos' crops by id.

    What is cropped is resized to ``size`` x ``size`` unless the index says otherwise. Relative
    paths become absolute when the target is in another folder. ``target`` exists afterwards with
    all lines, or as it was.
    """
    with source.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = list(reader.fieldnames or ())
        lines = list(reader)
    is_moved = source.parent.resolve() != target.parent.resolve()
    for line in lines:
        if is_moved:
            line["path"] = str((source.parent / line["path"].strip()).absolute())
        if crop := crops.get(line["video_id"].strip()):
            line["crop"], line["size"] = str(crop), line.get("size") or f"{size}x{size}"
    columns += [name for name in _ADDED_COLUMNS if name not in columns]
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(lines)
    unfinished.rename(target)
