"""Tells apart the two kinds of JSON files with COCO-WholeBody keypoints, and opens them."""

from pathlib import Path
from typing import Any

from pydantic import RootModel

from extract.imports.imported import ImportFormat
from extract.imports.keypoints.coco_annotations import CocoAnnotations
from extract.imports.keypoints.json_file import read_json
from extract.imports.keypoints.mmpose_predictions import MAX_BYTES, MmposePredictions
from extract.imports.video_facts import FactsSource
from seds_core.errors import ImportedFileError, UsageError


class _Content(RootModel[dict[str, Any] | list[Any]]):
    """Any JSON file; only its keys are looked at."""


def open_coco_wholebody(source: Path, facts: FactsSource, *, folder_fps: float) -> ImportFormat:
    """Annotations for a file with ``images`` and ``annotations``; MMPose's predictions for a file
    with ``instance_info`` or a list, and for a folder of such files.

    Raises ``UsageError`` for a file that is neither.
    """
    if source.is_dir():
        return MmposePredictions(source, facts, folder_fps=folder_fps)
    try:
        content = read_json(source, _Content, max_bytes=MAX_BYTES).root
        if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
            return CocoAnnotations(source, content, facts, folder_fps=folder_fps)
    except ImportedFileError as error:
        raise UsageError(str(error)) from None
    if isinstance(content, list) or "instance_info" in content:
        return MmposePredictions(source, facts, folder_fps=folder_fps)
    raise UsageError(
        f"{source} has the keys {', '.join(list(content)[:10]) or 'none'}; needed are images and "
        "annotations (COCO-WholeBody) or instance_info (MMPose)"
    )
