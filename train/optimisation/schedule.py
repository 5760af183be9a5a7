"""The learning rate as a pure function of the step: linear warm-up, then a cosine."""

import math


def rate_share(step: int, total_steps: int, warm_up: float) -> float:
    """Share of its highest value that a learning rate has in a step, between 0 and 1.

    ``step`` counts the steps done before, so that the very first one has a rate of zero where there
    is a warm-up; ``warm_up`` is a share of all steps. The cosine is one of all steps, not of those
    after the warm-up: the share jumps down where the warm-up ends. As published.
    Equation 21.

    >>> [round(rate_share(step, 100, 0.1), 4) for step in (0, 5, 10, 50, 100)]
    [0.0, 0.5, 0.9755, 0.5, 0.0]
    """
    progress = step / total_steps
    if progress < warm_up:
        return progress / warm_up
    return 0.5 * (1.0 + math.cos(math.pi * progress))
