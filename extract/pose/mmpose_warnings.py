"""Silences the warnings that MMPose is known to give beside current torch and numpy."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_HARMLESS: tuple[tuple[str, type[Warning]], ...] = (
    (r"`torch\.cuda\.amp\.autocast", FutureWarning),  # The old name, in CSPNeXt's forward.
    (r"The metainfo config file .* does not exist", UserWarning),  # It finds its own copy.
    (r"Passing more than 2 positional arguments to np\.maximum", DeprecationWarning),  # DARK.
)


@contextmanager
def known_warnings_silenced() -> Iterator[None]:
    """Within this block MMPose's harmless warnings are not shown, all others are."""
    with warnings.catch_warnings():
        for message, category in _HARMLESS:
            warnings.filterwarnings("ignore", message, category)
        yield
