"""Keypoints as OpenPose writes them: a folder a video, a JSON file a frame.

How2Sign (https://how2sign.github.io) releases its keypoints so, in the pixels of its 1280 x 720
clips: ``openpose_output/json/<SENTENCE_NAME>/<SENTENCE_NAME>_000000000000_keypoints.json``.
Format and order of the points:
https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Float32
from pydantic import AliasChoices, BaseModel, Field, model_validator

from extract.interchange.imported import (
    Facts,
    ImportedFiles,
    ImportedVideo,
    ImportItem,
    known_facts,
)
from extract.interchange.keypoint_video import (
    Numbers,
    PersonKeypoints,
    frame_number,
    keypoint_provenance,
    no_person_found,
    read_json,
    video_of_frames,
)
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import BODY, BODY_NAMES, FACE, FEET, FOOT_NAMES, LEFT_HAND, RIGHT_HAND

FILE_ENDING = "_keypoints.json"

# OpenPose has all 133 COCO-WholeBody keypoints under other names, and four more that are left out:
# the neck, the middle of the hips and the two pupils. Its COCO body has no feet.
BODY_25 = (
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip",
    "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
    "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel",
)  # fmt: skip
COCO_18 = (
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist",
    "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
)  # fmt: skip
# The 68 facial keypoints in their order, and the pupils.
NUM_FACE_POINTS = 70
# The hand's keypoints in their order.
NUM_HAND_POINTS = 21


def openpose_name(name: str) -> str:
    """OpenPose's name of a body or foot keypoint: ``LBigToe`` for ``left_big_toe``."""
    side, _, part = name.partition("_")
    return side[0].upper() + part.title().replace("_", "") if part else side.title()


# OpenPose's names of the 17 body and 6 foot keypoints.
BODY_POINTS = tuple(openpose_name(name) for name in (*BODY_NAMES, *FOOT_NAMES))

# Number of body points -> index among them of each body and foot keypoint; -1 for none.
BODY_INDICES = {
    len(names): np.array([names.index(n) if n in names else -1 for n in BODY_POINTS])
    for names in (BODY_25, COCO_18)
}

_FACE_PARTS = (
    ("FB", range(17)), ("FEB", range(17, 27)), ("FN", range(27, 36)), ("FE", range(36, 48)),
    ("FLO", range(48, 60)), ("FLI", range(60, 68)),
)  # fmt: skip
_HAND_POINTS = (
    "BASE", "T_STT", "T_BCMC", "T_MCP", "T_IP",
    *(f"{finger}_{point}" for finger in "IMRP" for point in ("CMC", "MCP", "PIP", "DIP")),
)  # fmt: skip

# Component and point of a ``.pose`` file for each of the 133 keypoints.
OPENPOSE_POINTS = (
    *(("pose_keypoints_2d", point) for point in BODY_POINTS),
    *(("face_keypoints_2d", f"{part}_{n}") for part, numbers in _FACE_PARTS for n in numbers),
    *(("hand_left_keypoints_2d", point) for point in _HAND_POINTS),
    *(("hand_right_keypoints_2d", point) for point in _HAND_POINTS),
)


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
        # Any part may be missing, but not all of them: that is JSON of another kind.
        if not self.model_fields_set:
            raise ValueError(
                "has none of pose_keypoints_2d, face_keypoints_2d, hand_left_keypoints_2d and "
                "hand_right_keypoints_2d"
            )
        return self


class _Frame(BaseModel):
    people: Annotated[list[_Person], Field(fail_fast=True)]


def open_openpose(source: Path, facts: Facts, *, folder_fps: float) -> ImportedFiles:
    """Opens ``<source>/<video>/<name><frame>_keypoints.json``; no folder is looked into yet.

    ``<frame>`` counts from 0 or 1; frames that are left out show no person. Of several people the
    signer is taken. Raises ``UsageError`` for a source without folders.
    """
    if not source.is_dir():
        raise UsageError(f"{source} is no folder; name the one above the videos' folders")
    folders = [path for path in sorted(source.iterdir()) if path.is_dir() and path.name[0] != "."]
    if not folders:
        raise UsageError(
            f"{source} holds no folders; name the one above the videos' folders, each of which "
            f"holds a file *{FILE_ENDING} for every frame"
        )

    def read(item: ImportItem) -> ImportedVideo:
        known = known_facts(item, facts)
        # Frame -> file; a folder with files of two cameras would have frames twice.
        files: dict[int, Path] = {}
        for path in sorted(item.path.glob(f"*{FILE_ENDING}")):
            number = frame_number(path, path.name.removesuffix(FILE_ENDING))
            other = files.setdefault(number, path)
            if other != path:
                raise ImportedFileError(
                    item.path, f"{other.name} and {path.name} are the same frame"
                )
        if not files:
            raise ImportedFileError(item.path, f"holds no files *{FILE_ENDING}")
        frames = {
            number: [_person_keypoints(path, person) for person in read_json(path, _Frame).people]
            for number, path in files.items()
        }
        return video_of_frames(item.path, frames, known)

    provenance = keypoint_provenance(
        source, folder_fps, file_format="openpose", confidence="as in the files"
    )
    return ImportedFiles(provenance, [ImportItem(path.name, path) for path in folders], read)


def _person_keypoints(path: Path, person: _Person) -> PersonKeypoints:
    hand, face = (NUM_HAND_POINTS,), (NUM_FACE_POINTS,)
    return whole_body_keypoints(
        body=_triples(path, "pose_keypoints_2d", person.body, tuple(BODY_INDICES)),
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


def whole_body_keypoints(
    body: Float32[np.ndarray, "joint coordinate=3"] | None,
    face: Float32[np.ndarray, "joint=70 coordinate=3"] | None,
    left_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
    right_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
) -> Float32[np.ndarray, "keypoint=133 coordinate=3"]:
    """The 133 keypoints of one person; NaN, NaN, 0 for parts that OpenPose did not look for.

    ``body`` has 25 or 18 points. Points that it looked for and did not find stay 0, 0, 0.
    """
    keypoints = no_person_found(1)[0]
    if body is not None:
        indices = BODY_INDICES[len(body)]
        keypoints[BODY.start : FEET.stop][indices >= 0] = body[indices[indices >= 0]]
    if face is not None:
        keypoints[FACE] = face[:68]
    for part, points in ((LEFT_HAND, left_hand), (RIGHT_HAND, right_hand)):
        if points is not None:
            keypoints[part] = points
    return keypoints
