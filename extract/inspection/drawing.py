"""Draws keypoints and clips onto frames."""

import colorsys

import cv2
import numpy as np
from jaxtyping import Float32, Int32, UInt8

from extract.videos.frame import Frame
from seds_core.keypoints import FACE, HAND_LINES, LEFT_HAND, RIGHT_HAND, UPPER_BODY_LINES

Picture = UInt8[np.ndarray, "_ _ channel=3"]
"""What is made of a frame; its size is its own."""

Colour = tuple[int, int, int]

MIN_CONFIDENCE = 0.1
"""Points below are not drawn; 0.1 is where SEDS stops to count a hand's points."""

LEFT_COLOUR, RIGHT_COLOUR, BODY_COLOUR, FACE_COLOUR = (
    (255, 150, 40),
    (60, 170, 255),
    (60, 230, 90),
    (230, 230, 230),
)
MIN_BAR_HEIGHT = 16
_SUBPIXEL_BITS = 4


def draw_keypoints(
    frame: Frame, keypoints: Float32[np.ndarray, "keypoint=133 coordinate=3"]
) -> Frame:
    """A copy of the frame with arms, hands and face drawn; weak points are left out."""
    picture = frame.copy()
    thickness = max(1, round(min(frame.shape[:2]) / 200))
    for point in keypoints[FACE]:
        if point[2] >= MIN_CONFIDENCE:
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
    for row, (first, end) in enumerate(zip(first_frames, end_frames, strict=True)):
        left, right = (round(int(frame) / num_frames * width) for frame in (first, end))
        inside = bool(first <= frame_index < end)
        line = bar[height * row : height * (row + 1) - 1]
        line[:, left : max(right, left + 1)] = _hue(row / len(first_frames), bright=inside)
    now = min(width - 1, round(frame_index / num_frames * width))
    bar[:, now] = 255
    return np.concatenate([frame, bar])


def write_label(picture: Frame, text: str) -> None:
    """Writes a line of text into the picture's top left corner, readable on any background."""
    scale = max(0.35, picture.shape[1] / 640)
    place = (4, round(30 * scale))
    for colour, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(
            picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA
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


def _hue(position: float, *, bright: bool) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(0.8 * position, 0.7, 1.0 if bright else 0.35)
    return round(255 * red), round(255 * green), round(255 * blue)
