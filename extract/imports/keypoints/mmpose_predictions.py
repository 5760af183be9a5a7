"""Imports MMPose's predictions of whole-body models: one JSON file a video.

Both ways in which MMPose writes them are read: ``--save-predictions`` of its demonstrations
(``instance_info``, frames counted from 1) and the inferencer's ``pred_out_dir`` (a list, from 0).
Source: https://github.com/open-mmlab/mmpose/blob/v1.3.2/demo/topdown_demo_with_mmdet.py and
``mmpose/apis/inferencers/base_mmpose_inferencer.py``.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, NonNegativeInt, model_validator

from extract.imports.imported import ImportedVideo, ImportItem
from extract.imports.keypoints.json_file import MEGABYTE, Numbers, read_json
from extract.imports.keypoints.keypoint_video import (
    keypoint_provenance,
    keypoint_video,
    known_facts,
)
from extract.imports.keypoints.numbered_frames import PersonKeypoints, stack_frames
from extract.imports.source_files import videos_in_files
from extract.imports.video_facts import FactsSource
from seds_core.errors import ImportedFileError
from seds_core.keypoints import NUM_KEYPOINTS
from seds_core.store.layout import Provenance

MAX_BYTES = 512 * MEGABYTE
"""Some 40,000 frames, at about 12 kB each."""

Place = Annotated[Numbers, Field(min_length=2, max_length=2)]


class _Person(BaseModel):
    keypoints: Annotated[list[Place], Field(fail_fast=True)]
    keypoint_scores: Numbers


class _Frame(BaseModel):
    frame_id: NonNegativeInt
    instances: Annotated[list[_Person], Field(fail_fast=True)]


class _Predictions(BaseModel):
    instance_info: Annotated[list[_Frame], Field(fail_fast=True)]

    @model_validator(mode="before")
    @classmethod
    def _of_either_form(cls, content: object) -> object:
        if isinstance(content, dict) and "annotations" in content:
            raise ValueError("holds annotations of many videos; name this file as the source")
        return {"instance_info": content} if isinstance(content, list) else content


class MmposePredictions:
    """``<source>/**/<video>.json``, or one such file; an ``ImportFormat``.

    Built from the folder or file, a source of sizes and frame rates, and the pipeline's
    ``frames.folder_fps``, which only the provenance repeats. Scores are confidences. Of several
    people the signer is taken.
    """

    def __init__(self, source: Path, facts: FactsSource, *, folder_fps: float) -> None:
        """Looks at nothing yet."""
        self._source = source
        self._facts = facts
        self._folder_fps = folder_fps

    @property
    def provenance(self) -> Provenance:
        """A pose store of every frame."""
        return keypoint_provenance(
            self._source,
            self._folder_fps,
            file_format="coco-wholebody",
            confidence="MMPose's keypoint score",
        )

    def items(self) -> list[ImportItem]:
        """The JSON files, by name."""
        return videos_in_files(self._source, ".json")

    def read(self, item: ImportItem) -> ImportedVideo:
        """The keypoints of all frames."""
        facts = known_facts(item, self._facts)
        frames: dict[int, list[PersonKeypoints]] = {}
        for frame in read_json(item.path, _Predictions, max_bytes=MAX_BYTES).instance_info:
            if frame.frame_id in frames:
                raise ImportedFileError(item.path, f"has frame {frame.frame_id} twice")
            frames[frame.frame_id] = [_predicted_keypoints(item.path, p) for p in frame.instances]
        signer = stack_frames(item.path, frames)
        return keypoint_video(item.path, signer.keypoints, facts, num_people=signer.num_people)


def _predicted_keypoints(path: Path, person: _Person) -> PersonKeypoints:
    counts = len(person.keypoints), len(person.keypoint_scores)
    if counts != (NUM_KEYPOINTS, NUM_KEYPOINTS):
        raise ImportedFileError(
            path,
            f"has {counts[0]} keypoints and {counts[1]} scores of a person, where "
            f"{NUM_KEYPOINTS} are needed: predict with a whole-body model",
        )
    return np.column_stack([person.keypoints, person.keypoint_scores]).astype(np.float32)
