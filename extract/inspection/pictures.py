"""Draws a video's skeleton and clips: a contact sheet, or a film."""

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Int32, UInt8

from extract.videos.frame import Frame
from extract.videos.frame_source import open_frames
from extract.videos.part import VideoPart, read_part_name
from extract.videos.video_writing import write_video
from seds_core.errors import UsageError
from seds_core.keypoints import FACE, HAND_LINES, LEFT_HAND, RIGHT_HAND, UPPER_BODY_LINES
from seds_core.store.place import StoreLocation
from seds_core.store.reader import StoreReader

Picture = UInt8[np.ndarray, "_ _ channel=3"]
"""A frame that was drawn upon, of any size."""

Colour = tuple[int, int, int]

MIN_CONFIDENCE = 0.1
"""Points below are not drawn; SEDS does not count a hand's points below it either."""

LEFT_COLOUR, RIGHT_COLOUR, BODY_COLOUR, FACE_COLOUR = (
    (255, 150, 40),
    (60, 170, 255),
    (60, 230, 90),
    (230, 230, 230),
)
MIN_BAR_HEIGHT = 16
_SUBPIXEL_BITS = 4

SHEET_FRAMES = 12
SHEET_COLUMNS = 4
TILE_WIDTH = 320
FILM_WIDTH = 640


def write_pictures(
    stores: tuple[StoreLocation, ...], video_id: str, picture: Path, *, with_film: bool
) -> Iterator[Path]:
    """Draws what the stores hold of a video into ``picture`` and a film beside it.

    Raises ``UsageError`` when a store lacks the video or the name has no picture's ending,
    ``VideoError`` when the video cannot be read any more, and ``OSError`` when a file cannot be
    written.
    """
    if not cv2.haveImageWriter(picture.name):
        raise UsageError(
            f"--out {picture}: the name must end like a picture's, such as {picture.stem}.png"
        )
    annotation = read_annotation([StoreReader(path) for path in stores], video_id)
    write_contact_sheet(picture, annotation)
    yield picture
    if with_film:
        film = picture.with_suffix(".mp4")
        drawn = (annotation.draw(frame, n, FILM_WIDTH) for n, frame in annotation.frames())
        write_video(film, map(_with_even_sides, drawn), annotation.fps)
        yield film


def read_annotation(stores: list[StoreReader], video_id: str) -> "Annotation":
    """Collects what the stores hold of a video; raises ``UsageError`` when one lacks it."""
    clips: Clips | None = None
    keypoints: Keypoints | None = None
    for store in stores:
        rows = store.rows(video_id)
        if store.provenance.kind == "pose":
            keypoints = Keypoints(rows["frame"], rows["keypoints"], rows["person_found"])
        # The frames of imported features may be unknown.
        elif (rows["first_frame"] >= 0).all():
            clips = Clips.of_rows(rows, store.provenance.clips.clip_length)
    entry = stores[0].videos[video_id]
    return Annotation(*read_part_name(entry.path), entry.num_frames, entry.fps, clips, keypoints)


def write_contact_sheet(path: Path, annotation: "Annotation") -> None:
    """Writes evenly spaced frames of the video, drawn upon, as one picture.

    Raises ``VideoError`` when the video cannot be read any more.
    """
    count = min(SHEET_FRAMES, annotation.num_frames)
    # The video is read to its end: seeking would not hit frames exactly.
    wanted = np.linspace(0, annotation.num_frames - 1, count, dtype=int).tolist()
    tiles = [
        annotation.draw(frame, index, TILE_WIDTH)
        for index, frame in annotation.frames()
        if index in wanted
    ]
    # Row by row; black tiles fill the last row.
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % SHEET_COLUMNS)
    rows = [tiles[start : start + SHEET_COLUMNS] for start in range(0, len(tiles), SHEET_COLUMNS)]
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    _, content = cv2.imencode(path.suffix, cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
    path.write_bytes(content.tobytes())  # which raises, where cv2.imwrite gives False


def _with_even_sides(picture: Picture) -> Picture:
    """Drops the last row or column of an odd number: H.264 stores one colour for two of them."""
    height, width = picture.shape[:2]
    return np.ascontiguousarray(picture[: height // 2 * 2, : width // 2 * 2])


@dataclass(frozen=True)
class Clips:
    """The clips of a video in an RGB store."""

    first_frames: Int32[np.ndarray, " clip"]
    end_frames: Int32[np.ndarray, " clip"]
    """The frame after the last one of each clip."""

    @classmethod
    def of_rows(cls, rows: dict[str, np.ndarray], clip_length: int) -> "Clips":
        """From the store's rows, whose clips name their frames or are evenly spaced."""
        first_frames = rows["first_frame"]
        if "frames" in rows:
            return cls(first_frames, rows["frames"][:, -1] + np.int32(1))
        return cls(first_frames, first_frames + np.int32(clip_length) * rows["frame_step"])


@dataclass(frozen=True)
class Keypoints:
    """The keypoints of a video in a pose store."""

    frames: Int32[np.ndarray, " row"]
    keypoints: Float32[np.ndarray, "row keypoint=133 coordinate=3"]
    person_found: Bool[np.ndarray, " row"]

    def at(self, frame_index: int) -> int:
        """The row that holds for a frame: its own, or the last one before it."""
        return max(0, int(np.searchsorted(self.frames, frame_index, side="right")) - 1)


@dataclass(frozen=True)
class Annotation:
    """Everything to draw for one video."""

    path: Path
    part: VideoPart
    num_frames: int
    fps: float
    clips: Clips | None
    keypoints: Keypoints | None

    def frames(self) -> Iterator[tuple[int, Frame]]:
        """Index and content of the video's frames; raises ``VideoError`` when it is unreadable."""
        return enumerate(open_frames(self.path, self.fps, part=self.part).frames())

    def draw(self, frame: Frame, frame_index: int, width: int) -> Picture:
        """The frame, scaled to ``width`` pixels, with skeleton, frame number and clip bar."""
        picture = self.draw_skeleton(frame, frame_index, width)
        label = f"frame {frame_index}"
        if self.keypoints is not None:
            row = self.keypoints.at(frame_index)
            if not self.keypoints.person_found[row]:
                label += " no person found"
        write_label(picture, label)
        if self.clips is None:
            return picture
        clips = self.clips
        return draw_clip_bar(
            picture, frame_index, self.num_frames, clips.first_frames, clips.end_frames
        )

    def draw_skeleton(self, frame: Frame, frame_index: int, width: int) -> Picture:
        """The frame, scaled to ``width`` pixels, with the skeleton where it is known."""
        scale = width / frame.shape[1]
        size = width, round(frame.shape[0] * scale)
        picture: Picture = cv2.resize(
            frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        )
        if self.keypoints is None:
            return picture
        points = self.keypoints.keypoints[self.keypoints.at(frame_index)].copy()
        # Coordinates count from the centre of a pixel, scaling from its corner.
        points[:, :2] = (points[:, :2] + 0.5) * scale - 0.5
        return draw_keypoints(picture, points)


def draw_keypoints(
    frame: Frame, keypoints: Float32[np.ndarray, "keypoint=133 coordinate=3"]
) -> Frame:
    """A copy of the frame with arms, hands and face drawn; weak points are left out."""
    picture = frame.copy()
    thickness = max(1, round(min(frame.shape[:2]) / 200))
    for point in keypoints[FACE]:
        if point[2] >= MIN_CONFIDENCE:
            # The radius is in fixed point too: half a pixel.
            cv2.circle(picture, _fixed(point), 8, FACE_COLOUR, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
    _draw_lines(picture, keypoints, UPPER_BODY_LINES, BODY_COLOUR, thickness + 1)
    for hand, colour in ((LEFT_HAND, LEFT_COLOUR), (RIGHT_HAND, RIGHT_COLOUR)):
        _draw_lines(picture, keypoints[hand], HAND_LINES, colour, thickness)
    return picture


def draw_clip_bar(
    frame: Frame,
    frame_index: int,
    num_frames: int,
    first_frames: Int32[np.ndarray, " clip"],
    end_frames: Int32[np.ndarray, " clip"],
) -> Picture:
    """The frame with a bar below: one line a clip, bright where the frame lies in the clip.

    A clip spans the frames of the video from its first one up to its end, which is not in it.
    """
    width = frame.shape[1]
    height = max(2, MIN_BAR_HEIGHT // len(first_frames))
    bar = np.full((height * len(first_frames), width, 3), 24, np.uint8)
    # Each clip has a line and a hue of its own; the last pixel row of a line is a gap.
    for row, (first, end) in enumerate(zip(first_frames, end_frames, strict=True)):
        left, right = (round(int(frame) / num_frames * width) for frame in (first, end))
        brightness = 1.0 if first <= frame_index < end else 0.35
        # Not the full circle of hues, on which the last clip would look like the first.
        colour = colorsys.hsv_to_rgb(0.8 * row / len(first_frames), 0.7, brightness)
        line = bar[height * row : height * (row + 1) - 1]
        # A clip is a pixel wide at least, however long the video.
        line[:, left : max(right, left + 1)] = [round(255 * part) for part in colour]
    now = min(width - 1, round(frame_index / num_frames * width))
    bar[:, now] = 255
    return np.concatenate([frame, bar])


def write_label(picture: Frame, text: str) -> None:
    """Writes a line of text into the picture's top left corner, readable on any background."""
    scale = max(0.35, picture.shape[1] / 640)
    position = (4, round(30 * scale))
    # White on a black outline.
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            picture, text, position, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA
        )


def _draw_lines(
    picture: Frame,
    points: Float32[np.ndarray, "joint coordinate=3"],
    lines: tuple[tuple[int, int], ...],
    colour: Colour,
    thickness: int,
) -> None:
    for start, end in lines:
        if min(points[start, 2], points[end, 2]) >= MIN_CONFIDENCE:
            ends = _fixed(points[start]), _fixed(points[end])
            cv2.line(picture, *ends, colour, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _fixed(point: Float32[np.ndarray, " coordinate=3"]) -> tuple[int, int]:
    """A position in OpenCV's fixed-point coordinates."""
    x, y = (point[:2] * (1 << _SUBPIXEL_BITS)).round().astype(int).tolist()
    return x, y
