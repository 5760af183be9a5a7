"""Keypoints as OpenPose writes them: a folder of JSON files a video."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float32
from pydantic import AliasChoices, BaseModel, Field, model_validator

from extract.interchange.imported import FactsSource, ImportedVideo, ImportItem
from extract.interchange.keypoint_video import (
    Numbers,
    PersonKeypoints,
    frame_number,
    keypoint_provenance,
    keypoint_video,
    known_facts,
    nobody_found,
    read_json,
    stack_frames,
)
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import BODY, BODY_NAMES, FACE, FEET, FOOT_NAMES, LEFT_HAND, RIGHT_HAND
from seds_core.store.provenance import Provenance

# FROM extract/imports/keypoints/openpose_points.py
# Which of OpenPose's points stands for which of the 133 COCO-WholeBody keypoints.
#
# OpenPose has all of them under other names, and four more that are left out: the neck, the middle of
# the hips and the two pupils. Its COCO body has no feet.
#
# Sources: https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
# (order of the points), https://github.com/sign-language-processing/pose (their names in ``.pose``
# files).


BODY_25 = (
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip",
    "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
    "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel",
)  # fmt: skip
COCO_18 = (
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist",
    "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
)  # fmt: skip
NUM_FACE_POINTS = 70
"""The 68 facial keypoints in their order, and the pupils."""
NUM_HAND_POINTS = 21
"""The hand's keypoints in their order."""


def openpose_name(name: str) -> str:
    """OpenPose's name of a body or foot keypoint: ``LBigToe`` for ``left_big_toe``."""
    side, _, part = name.partition("_")
    return side[0].upper() + part.title().replace("_", "") if part else side.title()


BODY_POINTS = tuple(openpose_name(name) for name in (*BODY_NAMES, *FOOT_NAMES))
"""OpenPose's names of the 17 body and 6 foot keypoints."""

BODY_PLACES = {
    len(names): np.array([names.index(n) if n in names else -1 for n in BODY_POINTS])
    for names in (BODY_25, COCO_18)
}
"""Number of body points -> places of the body and foot keypoints among them; -1 for none."""

_FACE_PARTS = (
    ("FB", range(17)), ("FEB", range(17, 27)), ("FN", range(27, 36)), ("FE", range(36, 48)),
    ("FLO", range(48, 60)), ("FLI", range(60, 68)),
)  # fmt: skip
_FACE_POINTS = tuple(f"{part}_{point}" for part, points in _FACE_PARTS for point in points)
_FINGER_POINTS = ("CMC", "MCP", "PIP", "DIP")
_HAND_POINTS = (
    "BASE", "T_STT", "T_BCMC", "T_MCP", "T_IP",
    *(f"{finger}_{point}" for finger in "IMRP" for point in _FINGER_POINTS),
)  # fmt: skip

OPENPOSE_POINTS = (
    *(("pose_keypoints_2d", point) for point in BODY_POINTS),
    *(("face_keypoints_2d", point) for point in _FACE_POINTS),
    *(("hand_left_keypoints_2d", point) for point in _HAND_POINTS),
    *(("hand_right_keypoints_2d", point) for point in _HAND_POINTS),
)
"""Component and point of a ``.pose`` file for each of the 133 keypoints."""


def whole_body_keypoints(
    body: Float32[np.ndarray, "joint coordinate=3"] | None,
    face: Float32[np.ndarray, "joint=70 coordinate=3"] | None,
    left_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
    right_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
) -> Float32[np.ndarray, "keypoint=133 coordinate=3"]:
    """The 133 keypoints of one person; NaN, NaN, 0 for parts that OpenPose did not look for.

    ``body`` has 25 or 18 points. Points that it looked for and did not find stay 0, 0, 0.
    """
    keypoints = nobody_found(1)[0]
    if body is not None:
        places = BODY_PLACES[len(body)]
        keypoints[BODY.start : FEET.stop][places >= 0] = body[places[places >= 0]]
    if face is not None:
        keypoints[FACE] = face[:68]
    for part, points in ((LEFT_HAND, left_hand), (RIGHT_HAND, right_hand)):
        if points is not None:
            keypoints[part] = points
    return keypoints


# FROM extract/imports/keypoints/openpose_folders.py
# Imports folders of OpenPose's JSON files, one file a frame, as How2Sign releases its keypoints.
#
# Format: https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md.
# How2Sign (https://how2sign.github.io) has ``openpose_output/json/<SENTENCE_NAME>/
# <SENTENCE_NAME>_000000000000_keypoints.json`` in the pixels of its 1280 x 720 clips.


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
