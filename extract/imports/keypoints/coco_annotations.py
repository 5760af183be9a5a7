"""Imports COCO-WholeBody annotations: one JSON file of the frames of many videos.

Format: https://github.com/jin-s13/COCO-WholeBody/blob/master/data_format.md. A frame's
``file_name`` says where it belongs: the folder is the video's id, the number the frame.
"""

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Annotated

import numpy as np
from pydantic import BaseModel, Field, PositiveInt

from extract.imports.imported import ImportedVideo, ImportItem
from extract.imports.keypoints.json_file import Numbers, check_json
from extract.imports.keypoints.keypoint_rows import nobody_found
from extract.imports.keypoints.keypoint_video import keypoint_provenance, keypoint_video
from extract.imports.keypoints.numbered_frames import PersonKeypoints, frame_number, stack_frames
from extract.imports.video_facts import FactsSource, VideoFacts
from seds_core.errors import ImportedFileError, UsageError
from seds_core.keypoints import BODY, FACE, FEET, LEFT_HAND, RIGHT_HAND
from seds_core.store.layout import Provenance

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
