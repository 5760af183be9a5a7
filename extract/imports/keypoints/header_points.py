"""Which points of a ``.pose`` file are the 133 COCO-WholeBody keypoints, by their names."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64
from pose_format.pose_header import PoseHeaderComponent
from pose_format.utils.cocowholebody133_header import cocowholebody_components

from extract.imports.keypoints.holistic_points import HOLISTIC_POINTS, WORLD_COMPONENT
from extract.imports.keypoints.openpose_points import OPENPOSE_POINTS
from seds_core.errors import ImportedFileError


@dataclass(frozen=True)
class NamedPoints:
    """How one detector's points are named in ``.pose`` files."""

    detector: str
    points: tuple[tuple[str, str], ...]
    """Component and point for each of the 133 keypoints."""
    left_out: frozenset[str] = frozenset()
    """Components that no keypoint is taken from."""

    @property
    def components(self) -> tuple[str, ...]:
        """The components that keypoints are taken from, in order."""
        return tuple(dict.fromkeys(component for component, _ in self.points))


KNOWN_POINTS = (
    NamedPoints(
        "COCO-WholeBody",
        tuple((part.name, point) for part in cocowholebody_components() for point in part.points),
    ),
    NamedPoints("OpenPose", OPENPOSE_POINTS),
    NamedPoints("MediaPipe Holistic", HOLISTIC_POINTS, frozenset({WORLD_COMPONENT})),
)


def keypoint_places(
    path: Path, components: list[PoseHeaderComponent]
) -> Int64[np.ndarray, " keypoint=133"]:
    """For each keypoint its place among all points of the file, -1 where the file lacks it.

    Raises :class:`ImportedFileError` for components of no known detector, and for known ones of
    which no point is known or whose points are not x, y, ..., confidence.
    """
    named = _detector(path, [component.name for component in components])
    places: dict[tuple[str, str], int] = {}
    num_points = 0
    for component in components:
        if component.name not in named.left_out:
            _check_coordinates(path, component)
            for place, point in enumerate(component.points, num_points):
                places.setdefault((component.name, point), place)
        num_points += len(component.points)
    found = np.array([places.get(point, -1) for point in named.points], np.int64)
    if (found < 0).all():
        raise ImportedFileError(
            path, f"has the components of {named.detector}, but none of its points' names"
        )
    return found


def _detector(path: Path, components: list[str]) -> NamedPoints:
    for named in KNOWN_POINTS:
        if components and set(components) <= {*named.components, *named.left_out}:
            return named
    known = "; ".join(f"{n.detector} ({', '.join(n.components)})" for n in KNOWN_POINTS)
    found = ", ".join(components[:10]) or "none"
    raise ImportedFileError(path, f"has the components {found}; known are those of {known}")


def _check_coordinates(path: Path, component: PoseHeaderComponent) -> None:
    if not (component.format.startswith("XY") and component.format.endswith("C")):
        raise ImportedFileError(
            path,
            f"has the coordinates {component.format[:10]!r} in {component.name}, where x, y and, "
            "last, the confidence are needed (XYC or XYZC)",
        )
