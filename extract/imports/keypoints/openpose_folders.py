"""Imports folders of OpenPose's JSON files, one file a frame, as How2Sign releases its keypoints.

Format: https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md.
How2Sign (https://how2sign.github.io) has ``openpose_output/json/<SENTENCE_NAME>/
<SENTENCE_NAME>_000000000000_keypoints.json`` in the pixels of its 1280 x 720 clips.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float32
from pydantic import AliasChoices, BaseModel, Field, model_validator

from extract.imports.imported import ImportedVideo, ImportItem
from extract.imports.keypoints.json_file import Numbers, read_json
from extract.imports.keypoints.keypoint_video import (
    keypoint_provenance,
    keypoint_video,
    known_facts,
)
from extract.imports.keypoints.numbered_frames import PersonKeypoints, frame_number, stack_frames
from extract.imports.keypoints.openpose_points import (
    BODY_PLACES,
    NUM_FACE_POINTS,
    NUM_HAND_POINTS,
    whole_body_keypoints,
)
from extract.imports.video_facts import FactsSource
from seds_core.errors import ImportedFileError, UsageError
from seds_core.store.layout import Provenance

FILE_ENDING = "_keypoints.json"


def _part(name: str) -> Any:  # noqa: ANN401 - a field of any type
    """A part under its name, or the one that it had up to OpenPose 1.1."""
    return Field(default=[], validation_alias=AliasChoices(f"{name}_2d", name))


class _Person(BaseModel):
    """Triples x, y, confidence of each part; empty for a part that OpenPose did not look for."""

    body: Numbers = _part("pose_keypoints")
    face: Numbers = _part("face_keypoints")
    left_hand: Numbers = _part("hand_left_keypoints")
    right_hand: Numbers = _part("hand_right_keypoints")

    @model_validator(mode="after")
    def _has_a_part(self) -> "_Person":
        if not self.model_fields_set:
            raise ValueError(
                "has none of pose_keypoints_2d, face_keypoints_2d, hand_left_keypoints_2d and "
                "hand_right_keypoints_2d"
            )
        return self


class _Frame(BaseModel):
    people: Annotated[list[_Person], Field(fail_fast=True)]


class OpenPoseFolders:
    """``<source>/<video>/<name><frame>_keypoints.json``; an ``ImportFormat``.

    Built from the folder above the videos' folders, a source of sizes and frame rates, and the
    pipeline's ``frames.folder_fps``, which only the provenance repeats. ``<frame>`` counts from 0
    or 1; frames that are left out show nobody. Of several people the signer is taken.
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
            self._source, self._folder_fps, file_format="openpose", confidence="as in the files"
        )

    def items(self) -> list[ImportItem]:
        """The folders directly below the source; what is in them is not looked at."""
        if not self._source.is_dir():
            raise UsageError(f"{self._source} is no folder; name the one above the videos' folders")
        folders = [path for path in sorted(self._source.iterdir()) if _is_video_folder(path)]
        if not folders:
            raise UsageError(
                f"{self._source} holds no folders; name the one above the videos' folders, each of "
                f"which holds a file *{FILE_ENDING} for every frame"
            )
        return [ImportItem(folder.name, folder) for folder in folders]

    def read(self, item: ImportItem) -> ImportedVideo:
        """The keypoints of all frames."""
        facts = known_facts(item, self._facts)
        frames = {number: _people(path) for number, path in _frame_files(item.path).items()}
        signer = stack_frames(item.path, frames)
        return keypoint_video(item.path, signer.keypoints, facts, num_people=signer.num_people)


def _is_video_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith(".")


def _frame_files(folder: Path) -> dict[int, Path]:
    files: dict[int, Path] = {}
    for path in sorted(folder.glob(f"*{FILE_ENDING}")):
        number = frame_number(path, path.name.removesuffix(FILE_ENDING))
        other = files.setdefault(number, path)
        if other != path:
            raise ImportedFileError(folder, f"{other.name} and {path.name} are the same frame")
    if not files:
        raise ImportedFileError(folder, f"holds no files *{FILE_ENDING}")
    return files


def _people(path: Path) -> list[PersonKeypoints]:
    return [_keypoints(path, person) for person in read_json(path, _Frame).people]


def _keypoints(path: Path, person: _Person) -> PersonKeypoints:
    hand, face = (NUM_HAND_POINTS,), (NUM_FACE_POINTS,)
    return whole_body_keypoints(
        body=_triples(path, "pose_keypoints_2d", person.body, tuple(BODY_PLACES)),
        face=_triples(path, "face_keypoints_2d", person.face, face),
        left_hand=_triples(path, "hand_left_keypoints_2d", person.left_hand, hand),
        right_hand=_triples(path, "hand_right_keypoints_2d", person.right_hand, hand),
    )


def _triples(
    path: Path, name: str, numbers: list[float], counts: tuple[int, ...]
) -> Float32[np.ndarray, "joint coordinate=3"] | None:
    if not numbers:
        return None
    if len(numbers) not in {3 * count for count in counts}:
        wanted = " or ".join(str(3 * count) for count in counts)
        raise ImportedFileError(path, f"{name} has {len(numbers)} numbers instead of {wanted}")
    return np.array(numbers, np.float32).reshape(-1, 3)
