"""Light and camera of one video: gain, colour cast, vignette, a shadow side, blur and noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, Int16

from extract.synthetic.drawing import Image

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
        down = (self.seed + 17 * frame) % _NOISE_MARGIN
        right = (self.seed + 29 * frame) % _NOISE_MARGIN
        noise = self.noise[down : down + height, right : right + width]
        return cv2.add(lit, noise, dtype=cv2.CV_8U)


def sample_effects(rng: np.random.Generator, width: int, height: int) -> CameraEffects:
    """Random light and sensor of one video."""
    noise_level = max(rng.normal(1.5, 2.0), 0.0)
    shape = (height + _NOISE_MARGIN, width + _NOISE_MARGIN, 3)
    noise = np.round(noise_level * rng.standard_normal(shape, dtype=np.float32))
    return CameraEffects(
        light=_light(rng, width, height),
        noise=noise.astype(np.int16),
        blur=max(rng.uniform(-0.6, 0.9), 0.0),
        seed=int(rng.integers(1 << 16)),
    )


def _light(
    rng: np.random.Generator, width: int, height: int
) -> Float32[np.ndarray, "height width channel=3"]:
    """The factor on every pixel."""
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    vignette = 1 - rng.uniform(0, 0.35) * np.clip(x * x + y * y - 0.4, 0, None)
    angle = rng.uniform(0, 2 * np.pi)
    side = 1 + rng.uniform(0, 0.3) * (np.cos(angle) * x + 0.5 * np.sin(angle) * y)
    cast = rng.uniform(0.9, 1.1, 3) * rng.uniform(0.7, 1.2)
    return ((vignette * side)[..., None] * cast).astype(np.float32)
