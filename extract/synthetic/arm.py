"""Bends a two-bone arm so that its wrist reaches a target."""

import numpy as np
from jaxtyping import Float64

_POLE = np.array([0.45, 1.0, -0.45])
"""Where an elbow would rather be: down, outward and a little to the back."""

_LONGEST_REACH = 0.995
"""Share of the arm's length that it stretches to at most."""


def bend_arm(
    shoulder: Float64[np.ndarray, "frame coordinate=3"],
    wrist: Float64[np.ndarray, "frame coordinate=3"],
    upper: float,
    lower: float,
) -> tuple[Float64[np.ndarray, "frame coordinate=3"], Float64[np.ndarray, "frame coordinate=3"]]:
    """The elbow, and the wrist as near to the target as the arm reaches; x points outward.

    ``upper`` and ``lower`` are the lengths of the two bones, kept exactly.
    """
    towards = wrist - shoulder
    distance = np.linalg.norm(towards, axis=1, keepdims=True)
    axis = towards / np.maximum(distance, 1e-9)
    shortest = abs(upper - lower) * 1.05 + 1e-6
    reach = np.clip(distance, shortest, _LONGEST_REACH * (upper + lower))
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    height = np.sqrt(np.maximum(upper**2 - along**2, 0))
    sideways = _POLE - (axis @ _POLE)[:, None] * axis
    sideways /= np.maximum(np.linalg.norm(sideways, axis=1, keepdims=True), 1e-9)
    return shoulder + along * axis + height * sideways, shoulder + reach * axis
