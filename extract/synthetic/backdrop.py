"""What is behind the signer: plain walls, gradients, clutter, windows and texture."""

import cv2
import numpy as np

from extract.synthetic.drawing import Image, fill, stroke

_KINDS = ("plain", "gradient", "clutter", "window", "texture")


def draw_backdrop(rng: np.random.Generator, width: int, height: int) -> Image:
    """A random background of one of five kinds."""
    kind = _KINDS[rng.integers(len(_KINDS))]
    image = _gradient(rng, width, height, strength=0.0 if kind == "plain" else 1.0)
    if kind == "clutter":
        _add_clutter(image, rng, int(rng.integers(6, 26)))
    elif kind == "window":
        _add_clutter(image, rng, int(rng.integers(0, 4)))
        _add_window(image, rng)
    elif kind == "texture":
        image = _with_texture(image, rng)
    return cv2.blur(image, (3, 3)) if rng.random() < 0.5 else image


def _gradient(rng: np.random.Generator, width: int, height: int, strength: float) -> Image:
    base = rng.uniform(30, 240) + rng.uniform(-40, 40, 3)
    corners = base + strength * rng.uniform(-50, 50, (2, 2, 3))
    small = np.clip(corners, 0, 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))


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
