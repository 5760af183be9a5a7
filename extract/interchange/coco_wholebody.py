"""Keypoints as COCO-WholeBody annotations, or as MMPose writes its predictions."""

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, RootModel, model_validator

from extract.interchange.imported import (
    Facts,
    ImportedFiles,
    ImportedVideo,
    ImportItem,
    VideoFacts,
    known_facts,
    videos_in_files,
)
from extract.interchange.keypoint_video import (
    MEGABYTE,
    Numbers,
    PersonKeypoints,
    check_json,
    frame_number,
    keypoint_provenance,
    no_person_found,
    read_json,
    video_of_frames,
)
from seds_core.errors import ImportedFileError, UsageError, first_names
from seds_core.keypoints import BODY, FACE, FEET, LEFT_HAND, NUM_KEYPOINTS, RIGHT_HAND

# Some 40,000 frames of predictions, at about 12 kB each.
MAX_BYTES = 512 * MEGABYTE


class _Content(RootModel[dict[str, Any] | list[Any]]):
    """Any JSON file; only its keys are looked at."""


def open_coco_wholebody(source: Path, facts: Facts, *, folder_fps: float) -> ImportedFiles:
    """Opens annotations, a file with ``images`` and ``annotations``, or MMPose's predictions, a
    file with ``instance_info`` or a list, or a folder of such files.

    Raises ``UsageError`` for a file that is neither.
    """
    if source.is_dir():
        return open_predictions(source, facts, folder_fps=folder_fps)
    try:
        content = read_json(source, _Content, max_bytes=MAX_BYTES).root
        if isinstance(content, dict) and {"images", "annotations"} <= content.keys():
            return open_annotations(source, content, facts, folder_fps=folder_fps)
    except ImportedFileError as error:
        raise UsageError(str(error)) from None
    # The content is dropped: predictions are read again, checked, when it is their turn.
    if isinstance(content, list) or "instance_info" in content:
        return open_predictions(source, facts, folder_fps=folder_fps)
    raise UsageError(
        f"{source} has the keys {first_names(content, 10) or 'none'}; needed are images and "
        "annotations (COCO-WholeBody) or instance_info (MMPose)"
    )


# Three numbers each for 17, 6, 68 and 21 points.
Body = Annotated[Numbers, Field(min_length=51, max_length=51)]
Feet = Annotated[Numbers, Field(min_length=18, max_length=18)]
Face = Annotated[Numbers, Field(min_length=204, max_length=204)]
Hand = Annotated[Numbers, Field(min_length=63, max_length=63)]


class _Image(BaseModel):
    id: int | str
    file_name: str
    width: PositiveInt
    height: PositiveInt


class _Annotation(BaseModel):
    """One person: triples x, y, visibility of each part, and whether the part could be labelled."""

    image_id: int | str
    keypoints: Body
    foot_kpts: Feet | None = None
    face_kpts: Face | None = None
    lefthand_kpts: Hand | None = None
    righthand_kpts: Hand | None = None
    foot_valid: bool = True
    face_valid: bool = True
    lefthand_valid: bool = True
    righthand_valid: bool = True


class _Annotations(BaseModel):
    images: Annotated[list[_Image], Field(fail_fast=True)]
    annotations: Annotated[list[_Annotation], Field(fail_fast=True)]


def open_annotations(
    source: Path, content: object, facts: Facts, *, folder_fps: float
) -> ImportedFiles:
    """Opens the ``content`` of one COCO-WholeBody file: the frames of many videos.

    A frame's ``file_name`` says where it belongs: the folder is the video's id, the number the
    frame. Sizes stand in the file; ``folder_fps`` is the frame rate of videos without known facts.
    Visibility flags become confidences: 1 where they are above 0 (labelled), else 0. Parts without
    labels are NaN, NaN, 0. Of several people the signer is taken. Raises ``ImportedFileError`` for
    annotations that cannot be used.
    https://github.com/jin-s13/COCO-WholeBody/blob/master/data_format.md
    """
    checked = check_json(source, content, _Annotations)
    if not checked.images:
        raise UsageError(f"{source} lists no images")
    # The file lists images and people apart: both are sorted by what they belong to.
    images: dict[str, list[_Image]] = defaultdict(list)
    for image in checked.images:
        folder = PurePosixPath(image.file_name.replace("\\", "/")).parent
        if folder == PurePosixPath() or folder.is_absolute() or ".." in folder.parts:
            raise ImportedFileError(
                source,
                f"the file_name '{image.file_name}' is not <video>/<frame>: the folder of an image "
                "tells which video it is of",
            )
        images[folder.as_posix()].append(image)
    people: dict[int | str, list[_Annotation]] = defaultdict(list)
    for annotation in checked.annotations:
        people[annotation.image_id].append(annotation)

    def read(item: ImportItem) -> ImportedVideo:
        frames: dict[int, list[PersonKeypoints]] = {}
        for image in images[item.video_id]:
            number = frame_number(item.path, PurePosixPath(image.file_name).stem)
            if number in frames:
                raise ImportedFileError(item.path, f"frame {number} of '{item.video_id}' is twice")
            frames[number] = [_annotated_keypoints(p) for p in people.get(image.id, [])]
        sizes = sorted({(image.width, image.height) for image in images[item.video_id]})
        if len(sizes) > 1:
            listed = first_names([f"{width}x{height}" for width, height in sizes], 5)
            raise ImportedFileError(
                item.path, f"the images of '{item.video_id}' have several sizes: {listed}"
            )
        # Facts give the frame rate alone: the size stands in the file.
        try:
            fps = facts(item.video_id).fps
        except LookupError:
            fps = folder_fps
        return video_of_frames(item.path, frames, VideoFacts(*sizes[0], fps))

    provenance = keypoint_provenance(
        source,
        folder_fps,
        file_format="coco-wholebody",
        confidence="1 where the visibility flag is above 0",
    )
    return ImportedFiles(provenance, [ImportItem(v, source) for v in sorted(images)], read)


def _annotated_keypoints(person: _Annotation) -> PersonKeypoints:
    keypoints = no_person_found(1)[0]
    parts = (
        (BODY, person.keypoints, True),
        (FEET, person.foot_kpts, person.foot_valid),
        (FACE, person.face_kpts, person.face_valid),
        (LEFT_HAND, person.lefthand_kpts, person.lefthand_valid),
        (RIGHT_HAND, person.righthand_kpts, person.righthand_valid),
    )
    for part, numbers, is_labelled in parts:
        if numbers is not None and is_labelled:
            points = np.array(numbers, np.float32).reshape(-1, 3)
            keypoints[part, :2], keypoints[part, 2] = points[:, :2], points[:, 2] > 0
    return keypoints


Position = Annotated[Numbers, Field(min_length=2, max_length=2)]


class _Person(BaseModel):
    keypoints: Annotated[list[Position], Field(fail_fast=True)]
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


def open_predictions(source: Path, facts: Facts, *, folder_fps: float) -> ImportedFiles:
    """Opens ``<source>/**/<video>.json``, or one such file, of MMPose's whole-body models.

    Both forms that MMPose writes are read: ``--save-predictions`` of its demonstrations
    (``instance_info``, frames counted from 1) and the inferencer's ``pred_out_dir`` (a list, from
    0). Scores are confidences. Of several people the signer is taken.
    https://github.com/open-mmlab/mmpose/blob/v1.3.2/demo/topdown_demo_with_mmdet.py and
    ``mmpose/apis/inferencers/base_mmpose_inferencer.py``
    """

    def read(item: ImportItem) -> ImportedVideo:
        known = known_facts(item, facts)
        frames: dict[int, list[PersonKeypoints]] = {}
        for frame in read_json(item.path, _Predictions, max_bytes=MAX_BYTES).instance_info:
            if frame.frame_id in frames:
                raise ImportedFileError(item.path, f"has frame {frame.frame_id} twice")
            frames[frame.frame_id] = [_predicted_keypoints(item.path, p) for p in frame.instances]
        return video_of_frames(item.path, frames, known)

    provenance = keypoint_provenance(
        source, folder_fps, file_format="coco-wholebody", confidence="MMPose's keypoint score"
    )
    return ImportedFiles(provenance, videos_in_files(source, ".json"), read)


def _predicted_keypoints(path: Path, person: _Person) -> PersonKeypoints:
    counts = len(person.keypoints), len(person.keypoint_scores)
    if counts != (NUM_KEYPOINTS, NUM_KEYPOINTS):
        raise ImportedFileError(
            path,
            f"has {counts[0]} keypoints and {counts[1]} scores of a person, where "
            f"{NUM_KEYPOINTS} are needed: predict with a whole-body model",
        )
    return np.column_stack([person.keypoints, person.keypoint_scores]).astype(np.float32)
