"""From a signer's motion to frames: backdrop, drawing, camera."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int16

from extract.demo.drawing import (
    Image,
    draw_arm_bone,
    draw_hair_behind,
    draw_hand,
    draw_head,
    draw_torso,
    fill,
    stroke,
)
from extract.demo.motion import sign
from extract.demo.signer import Signer
from extract.demo.skeleton import PosedVideo, pose_signer

_KINDS = ("plain", "gradient", "clutter", "window", "texture")


def draw_backdrop(rng: np.random.Generator, width: int, height: int) -> Image:
    """A random background of one of five kinds."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    # Every background begins as a gradient between four corners, which are equal for a plain one.
    strength = 0.0 if kind == "plain" else 1.0
    base = rng.uniform(30, 240) + rng.uniform(-40, 40, 3)
    corners = base + strength * rng.uniform(-50, 50, (2, 2, 3))
    small = np.clip(corners, 0, 255).astype(np.uint8)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    image = np.ascontiguousarray(image)
    if kind == "clutter":
        _add_clutter(image, rng, int(rng.integers(6, 26)))
    elif kind == "window":
        _add_clutter(image, rng, int(rng.integers(0, 4)))
        _add_window(image, rng)
    elif kind == "texture":
        image = _with_texture(image, rng)
    return cv2.blur(image, (3, 3)) if rng.random() < 0.5 else image


def _add_clutter(image: Image, rng: np.random.Generator, number: int) -> None:
    height, width = image.shape[:2]
    for _ in range(number):
        centre = rng.uniform((0, 0), (width, height))
        size = rng.uniform(0.02, 0.22) * height
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
        shape = centre + size * np.column_stack(
            [np.cos(angles), rng.uniform(0.4, 2) * np.sin(angles)]
        )
        colour = tuple(rng.uniform(10, 245, 3).tolist())
        if rng.random() < 0.3:
            stroke(image, shape, colour, int(rng.integers(1, 8)))
        else:
            fill(image, shape, colour)


def _add_window(image: Image, rng: np.random.Generator) -> None:
    height, width = image.shape[:2]
    left, top = rng.uniform(-0.1, 0.6) * width, rng.uniform(-0.1, 0.3) * height
    right, bottom = left + rng.uniform(0.25, 0.6) * width, top + rng.uniform(0.3, 0.7) * height
    frame = np.array([(left, top), (right, top), (right, bottom), (left, bottom)])
    light = rng.uniform(150, 250)
    fill(image, frame, (light * 0.93, light * 0.97, light))
    colour = tuple(rng.uniform(40, 220, 3).tolist())
    thickness = int(rng.integers(2, 7))
    stroke(image, frame, colour, thickness, is_closed=True)
    middle_x, middle_y = 0.5 * (left + right), 0.5 * (top + bottom)
    stroke(image, np.array([(middle_x, top), (middle_x, bottom)]), colour, thickness)
    stroke(image, np.array([(left, middle_y), (right, middle_y)]), colour, thickness)


def _with_texture(image: Image, rng: np.random.Generator) -> Image:
    """Adds noise of a random grain size."""
    height, width = image.shape[:2]
    cells = int(rng.integers(6, 64))
    grain = rng.normal(0, rng.uniform(6, 30), (cells, cells, 3)).astype(np.float32)
    grain = cv2.resize(grain, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.add(image, grain, dtype=cv2.CV_8U)


# Pixels by which the sheet of noise is larger than a frame, to be moved about in.
_NOISE_MARGIN = 32


@dataclass(frozen=True)
class CameraEffects:
    """What the light and the sensor do to every frame of a video."""

    light: Float32[np.ndarray, "height width channel=3"]
    noise: Int16[np.ndarray, "_ _ channel=3"]
    blur: float
    seed: int

    def apply(self, image: Image, frame: int) -> Image:
        """The picture as the camera stores it; the noise differs from frame to frame."""
        lit = cv2.multiply(image, self.light, dtype=cv2.CV_8U)
        if self.blur > 0:
            lit = cv2.GaussianBlur(lit, (3, 3), self.blur)
        height, width = image.shape[:2]
        # One sheet of noise, moved about: it is different in every frame and costs nothing.
        down = (self.seed + 17 * frame) % _NOISE_MARGIN
        right = (self.seed + 29 * frame) % _NOISE_MARGIN
        noise = self.noise[down : down + height, right : right + width]
        # OpenCV saturates where noise leaves 0..255; NumPy would wrap around.
        return cv2.add(lit, noise, dtype=cv2.CV_8U)


def sample_effects(rng: np.random.Generator, width: int, height: int) -> CameraEffects:
    """Random light and sensor of one video."""
    noise_level = max(rng.normal(1.5, 2.0), 0.0)
    shape = (height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3)
    noise = np.round(noise_level * rng.standard_normal(shape, dtype=np.float32))
    # The light: darker towards the corners and to one side, with a cast of colour.
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    vignette = 1 - rng.uniform(0, 0.35) * np.clip(x * x + y * y - 0.4, 0, None)
    angle = rng.uniform(0, 2 * np.pi)
    side = 1 + rng.uniform(0, 0.3) * (np.cos(angle) * x + 0.5 * np.sin(angle) * y)
    cast = rng.uniform(0.9, 1.1, 3) * rng.uniform(0.7, 1.2)
    return CameraEffects(
        light=((vignette * side)[..., None] * cast).astype(np.float32),
        noise=noise.astype(np.int16),
        blur=max(rng.uniform(-0.6, 0.9), 0.0),
        seed=int(rng.integers(1 << 16)),
    )


_LEFT_ARM, _RIGHT_ARM = [5, 7, 9], [6, 8, 10]


class SignedVideo:
    """One take of a sentence by a signer, drawn frame by frame on request."""

    posed: PosedVideo

    def __init__(
        self, glosses: tuple[str, ...], signer: Signer, take_seed: int, width: int, height: int
    ) -> None:
        """Plans motion and scene, each with a seed of its own; nothing is drawn yet."""
        self._signer = signer
        motion = sign(glosses, signer, take_seed)
        self.posed = pose_signer(motion, signer, take_seed, width, height)
        # The last number of a seed keeps the draws of motion, camera, scene and light apart.
        scene = np.random.Generator(np.random.PCG64([signer.seed, 4]))
        self._backdrop: Image = draw_backdrop(scene, width, height)
        camera = np.random.Generator(np.random.PCG64([signer.seed, take_seed, 5]))
        self._effects: CameraEffects = sample_effects(camera, width, height)

    def __len__(self) -> int:
        return len(self.posed.body)

    def frame(self, number: int) -> Image:
        """Draws one frame."""
        image = self._backdrop.copy()
        draw_signer(image, self.posed, number, self._signer)
        return self._effects.apply(image, number)


def draw_signer(image: Image, posed: PosedVideo, frame: int, signer: Signer) -> None:
    """Draws the person of one frame: trunk, head, upper arms, then forearms and hands."""
    look, proportions, unit = signer.look, signer.proportions, posed.unit
    body, face, skull = (points[frame, :, :2] for points in (posed.body, posed.face, posed.skull))
    draw_hair_behind(image, skull, face, look)
    draw_torso(image, body, skull, unit, proportions, look)
    draw_head(image, face, skull, look)
    thickness = proportions.arm_thickness
    sides = [
        (posed.left_hand[frame], posed.body[frame, _LEFT_ARM], 1),
        (posed.right_hand[frame], posed.body[frame, _RIGHT_ARM], -1),
    ]
    # Upper arms lie on the trunk; forearms and hands may lie before the head.
    for _, arm, _ in sides:
        draw_arm_bone(image, arm, 0, unit, thickness, look)
    # The hand that is nearer to the camera is drawn over the other.
    for hand, arm, side in sorted(sides, key=lambda one: one[0][:, 2].mean()):
        draw_arm_bone(image, arm, 1, unit, thickness, look)
        # The palm faces the camera or not by the sense in which thumb side and fingers turn.
        (wrist_x, wrist_y), (index_x, index_y), (little_x, little_y) = hand[[0, 5, 17], :2]
        turn = (index_x - wrist_x) * (little_y - wrist_y)
        turn -= (index_y - wrist_y) * (little_x - wrist_x)
        draw_hand(
            image,
            hand,
            proportions.hand * unit,
            proportions.finger_thickness,
            look.skin,
            shows_palm=bool(side * turn > 0),
        )
