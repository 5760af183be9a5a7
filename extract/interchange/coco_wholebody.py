"""Keypoints as COCO-WholeBody annotations, or as MMPose writes its predictions."""

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field, NonNegativeInt, PositiveInt, RootModel, model_validator

from extract.interchange.imported import (
    FactsSource,
    ImportedVideo,
    ImportFormat,
    ImportItem,
    VideoFacts,
    videos_in_files,
)
from extract.interchange.keypoint_video import (
    MEGABYTE,
    Numbers,
    PersonKeypoints,
    check_json,
    frame_number,
    keypoint_provenance,
    keypoint_video,
    known_facts,
    nobody_found,
    read_json,
    stack_frames,
)
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import BODY, FACE, FEET, LEFT_HAND, NUM_KEYPOINTS, RIGHT_HAND
from seds_core.store.provenance import Provenance

# FROM extract/imports/keypoints/coco_annotations.py
# Imports COCO-WholeBody annotations: one JSON file of the frames of many videos.
#
# Format: https://github.com/jin-s13/COCO-WholeBody/blob/master/data_format.md. A frame's
# ``file_name`` says where it belongs: the folder is the video's id, the number the frame.


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


class CocoAnnotations:
    """The videos of one COCO-WholeBody file; an ``ImportFormat``.

    Built from the file and what it holds, a source of frame rates, and the pipeline's
    ``frames.folder_fps``, the frame rate of videos of which it knows none; sizes stand in the file.
    Visibility flags become confidences: 1 where they are above 0 (labelled), else 0. Parts without
    labels are NaN, NaN, 0. Of several people the signer is taken.
    """

    def __init__(
        self, source: Path, content: object, facts: FactsSource, *, folder_fps: float
    ) -> None:
        """Raises :class:`ImportedFileError` for annotations that cannot be used."""
        self._source = source
        self._facts = facts
        self._folder_fps = folder_fps
        checked = check_json(source, content, _Annotations)
        self._images: dict[str, list[_Image]] = defaultdict(list)
        for image in checked.images:
            self._images[_video_id(source, image)].append(image)
        self._people: dict[int | str, list[_Annotation]] = defaultdict(list)
        for annotation in checked.annotations:
            self._people[annotation.image_id].append(annotation)

    @property
    def provenance(self) -> Provenance:
        """A pose store of every frame."""
        return keypoint_provenance(
            self._source,
            self._folder_fps,
            file_format="coco-wholebody",
            confidence="1 where the visibility flag is above 0",
        )

    def items(self) -> list[ImportItem]:
        """The videos that the file names, by name."""
        if not self._images:
            raise UsageError(f"{self._source} lists no images")
        return [ImportItem(video_id, self._source) for video_id in sorted(self._images)]

    def read(self, item: ImportItem) -> ImportedVideo:
        """The keypoints of all frames."""
        images = self._images[item.video_id]
        frames: dict[int, list[PersonKeypoints]] = {}
        for image in images:
            number = frame_number(item.path, PurePosixPath(image.file_name).stem)
            if number in frames:
                raise ImportedFileError(item.path, f"frame {number} of '{item.video_id}' is twice")
            frames[number] = [_keypoints(person) for person in self._people.get(image.id, [])]
        signer = stack_frames(item.path, frames)
        facts = self._video_facts(item, images)
        return keypoint_video(item.path, signer.keypoints, facts, num_people=signer.num_people)

    def _video_facts(self, item: ImportItem, images: list[_Image]) -> VideoFacts:
        sizes = sorted({(image.width, image.height) for image in images})
        if len(sizes) > 1:
            listed = ", ".join(f"{width}x{height}" for width, height in sizes[:5])
            raise ImportedFileError(
                item.path, f"the images of '{item.video_id}' have several sizes: {listed}"
            )
        return VideoFacts(*sizes[0], fps=self._fps(item.video_id))

    def _fps(self, video_id: str) -> float:
        try:
            return self._facts(video_id).fps
        except LookupError:
            return self._folder_fps


def _video_id(source: Path, image: _Image) -> str:
    folder = PurePosixPath(image.file_name.replace("\\", "/")).parent
    if folder == PurePosixPath() or folder.is_absolute() or ".." in folder.parts:
        raise ImportedFileError(
            source,
            f"the file_name '{image.file_name}' is not <video>/<frame>: the folder of an image "
            "tells which video it is of",
        )
    return folder.as_posix()


def _keypoints(person: _Annotation) -> PersonKeypoints:
    keypoints = nobody_found(1)[0]
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


# FROM extract/imports/keypoints/mmpose_predictions.py
# Imports MMPose's predictions of whole-body models: one JSON file a video.
#
# Both ways in which MMPose writes them are read: ``--save-predictions`` of its demonstrations
# (``instance_info``, frames counted from 1) and the inferencer's ``pred_out_dir`` (a list, from 0).
# Source: https://github.com/open-mmlab/mmpose/blob/v1.3.2/demo/topdown_demo_with_mmdet.py and
# ``mmpose/apis/inferencers/base_mmpose_inferencer.py``.


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
