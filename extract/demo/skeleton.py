"""Puts a signer's motion into the picture: every point in pixels, with its depth.

Points are (x, y, depth): pixels to the right and down, and shoulder widths towards the camera.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Float64

from extract.demo.motion import HandTrack, Motion, hand_joints, matrices
from extract.demo.signer import (
    LEFT_EYE,
    NOSE_TIP,
    RIGHT_EYE,
    Proportions,
    Signer,
    bend_arm,
    face_points,
    head_centre_height,
    skull_points,
)
from seds_core.keypoints import BODY, FACE, LEFT_HAND, NUM_KEYPOINTS, RIGHT_HAND

_CAMERA_DISTANCE = 9.0
"""In shoulder widths; what is nearer to the camera looks larger."""

_PALM_CENTRE = 0.42
"""Where the centre of the palm is on the way from the wrist to the middle finger's tip."""

CLOTHES_BELOW_HIPS = 1.2
"""How far down the clothes are drawn, in shoulder widths."""

_NUM_DRAWN_BODY = 13
"""Nose to hips; knees and ankles are never drawn."""


@dataclass(frozen=True)
class PosedVideo:
    """Where everything is in every frame; ``unit`` is a shoulder width in pixels."""

    body: Float64[np.ndarray, "frame joint=17 coordinate=3"]
    face: Float64[np.ndarray, "frame joint=68 coordinate=3"]
    skull: Float64[np.ndarray, "frame joint=15 coordinate=3"]
    left_hand: Float64[np.ndarray, "frame joint=21 coordinate=3"]
    right_hand: Float64[np.ndarray, "frame joint=21 coordinate=3"]
    unit: float
    width: int
    height: int


@dataclass(frozen=True)
class _Camera:
    """The projection of one video."""

    unit: float
    centre_x: float
    shoulder_y: float

    @classmethod
    def of(cls, signer: Signer, take_seed: int, width: int, height: int) -> "_Camera":
        rng = np.random.Generator(np.random.PCG64([signer.seed, take_seed, 3]))
        framing, proportions = signer.framing, signer.proportions
        unit = framing.unit * height * rng.uniform(0.98, 1.02)
        above_shoulders = proportions.neck + proportions.head_height
        return cls(
            unit=unit,
            centre_x=0.5 * width + (framing.centre_offset + rng.normal(0, 0.01)) * height,
            shoulder_y=(framing.top_margin + rng.normal(0, 0.006)) * height
            + above_shoulders * unit,
        )

    def project(
        self, points: Float64[np.ndarray, "frame joint coordinate=3"]
    ) -> Float64[np.ndarray, "frame joint coordinate=3"]:
        # Perspective: what is nearer to the camera is larger.
        nearness = self.unit / (1 - points[..., 2] / _CAMERA_DISTANCE)
        return np.stack(
            [
                self.centre_x + nearness * points[..., 0],
                self.shoulder_y + nearness * points[..., 1],
                points[..., 2],
            ],
            axis=-1,
        )


def pose_signer(
    motion: Motion, signer: Signer, take_seed: int, width: int, height: int
) -> PosedVideo:
    """Poses a whole video; ``take_seed`` moves the camera a little."""
    camera = _Camera.of(signer, take_seed, width, height)
    proportions = signer.proportions
    face, skull = _head(motion, proportions)
    # Which side signs is the signer's habit; the picture shows the signer's left on its right.
    right_track, left_track = motion.signing_hand, motion.other_hand
    if signer.habits.is_left_handed:
        right_track, left_track = left_track, right_track
    right_arm, right_hand = _arm_and_hand(right_track, motion, proportions, side=-1)
    left_arm, left_hand = _arm_and_hand(left_track, motion, proportions, side=1)
    # COCO's 17 body points; knees and ankles stay at zero, below the picture.
    body = np.zeros((len(face), 17, 3))
    body[:, 0] = face[:, NOSE_TIP]
    body[:, 1] = face[:, LEFT_EYE].mean(axis=1)
    body[:, 2] = face[:, RIGHT_EYE].mean(axis=1)
    body[:, 3], body[:, 4] = skull[:, 0], skull[:, -1]
    body[:, 5:11:2], body[:, 6:11:2] = left_arm, right_arm
    # The hips follow the swaying head and shoulders a little.
    body[:, 11:13, 0] = (0.5 * proportions.hips, -0.5 * proportions.hips)
    body[:, 11:13, 0] += 0.2 * motion.sway[:, :1]
    body[:, 11:13, 1] = proportions.torso
    return PosedVideo(
        body=camera.project(body),
        face=camera.project(face),
        skull=camera.project(skull),
        left_hand=camera.project(left_hand),
        right_hand=camera.project(right_hand),
        unit=camera.unit,
        width=width,
        height=height,
    )


def ground_truth(posed: PosedVideo) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """The keypoints in pixels; third column 1 where the point is inside the picture, else 0.

    Points hidden behind a hand count as visible. Knees, ankles and feet are (0, 0, 0).
    """
    truth = np.zeros((len(posed.body), NUM_KEYPOINTS, 3), dtype=np.float32)
    drawn = slice(BODY.start, BODY.start + _NUM_DRAWN_BODY)
    truth[:, drawn, :2] = posed.body[:, :_NUM_DRAWN_BODY, :2]
    truth[:, FACE, :2] = posed.face[..., :2]
    truth[:, LEFT_HAND, :2] = posed.left_hand[..., :2]
    truth[:, RIGHT_HAND, :2] = posed.right_hand[..., :2]
    limits = (posed.width - 1, posed.height - 1)
    is_inside = np.all((truth[..., :2] >= 0) & (truth[..., :2] <= limits), axis=-1)
    # Legs and feet are never drawn, wherever their points would be.
    is_inside[:, _NUM_DRAWN_BODY : FACE.start] = False
    truth[..., 2] = is_inside
    return truth


def signer_heights(posed: PosedVideo) -> Float64[np.ndarray, " frame"]:
    """Extent of the person in every frame, in pixels.

    From the top of the head to the lowest drawn point inside the picture (the clothes go on below
    the hips, so that this is nearly always the picture's lower edge).
    """
    top = np.maximum(posed.skull[..., 1].min(axis=1), 0)
    lowest = posed.body[:, 11:13, 1].max(axis=1) + CLOTHES_BELOW_HIPS * posed.unit
    return np.minimum(lowest, posed.height - 1) - top


def _head(
    motion: Motion, proportions: Proportions
) -> tuple[
    Float64[np.ndarray, "frame joint=68 coordinate=3"],
    Float64[np.ndarray, "frame joint=15 coordinate=3"],
]:
    """Face and skull in shoulder widths, turned about the top of the neck."""
    half = 0.5 * np.array([proportions.head_width, proportions.head_height, proportions.head_width])
    face = face_points(motion.mouth_open, motion.eye_open, motion.brow_raise) * half
    skull = np.broadcast_to(skull_points() * half, (len(face), 15, 3))
    pitch, yaw, roll = motion.head_turn.T
    # Small turns: the quaternion of half angles, normalised by matrices().
    turn = matrices(np.stack([np.ones_like(yaw), pitch / 2, yaw, roll / 2], axis=1))
    pivot = np.array([0, 0.6 * half[1], -0.3 * half[2]])
    centre = np.zeros((len(face), 1, 3))
    centre[:, 0, 0] = 1.3 * motion.sway[:, 0]
    centre[:, 0, 1] = -head_centre_height(proportions)
    face, skull = (
        (points - pivot) @ np.swapaxes(turn, 1, 2) + pivot + centre for points in (face, skull)
    )
    return face, skull


def _arm_and_hand(
    track: HandTrack, motion: Motion, proportions: Proportions, side: int
) -> tuple[
    Float64[np.ndarray, "frame 3 coordinate=3"],
    Float64[np.ndarray, "frame joint=21 coordinate=3"],
]:
    """Shoulder, elbow, wrist, and the hand; ``side`` is -1 for the right one (picture's left)."""
    shoulder = np.zeros((len(track.centre), 3))
    shoulder[:, 0] = 0.5 * proportions.shoulders
    shoulder[:, 1] = side * motion.sway[:, 1]
    turn = matrices(track.turn)
    # The track is that of the palm; the arm must reach the wrist.
    target = track.centre - _PALM_CENTRE * proportions.hand * turn[:, :, 1]
    elbow, wrist = bend_arm(shoulder, target, proportions.upper_arm, proportions.forearm)
    local = proportions.hand * hand_joints(track.angles)
    hand = wrist[:, None] + local @ np.swapaxes(turn, 1, 2)
    arm = np.stack([shoulder, elbow, wrist], axis=1)
    shift = motion.sway[:, None, :1] * (1, 0, 0)
    # Up to here x points out to the hand's own side; for the right one the picture mirrors it.
    return arm * (side, 1, 1) + shift, hand * (side, 1, 1) + shift
