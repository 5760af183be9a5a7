"""Only the warnings that are known to be harmless are silenced."""

import warnings

import pytest

from extract.pose.mmpose_model import known_warnings_silenced


def test_a_known_warning_is_silenced() -> None:
    with known_warnings_silenced():
        warnings.warn(
            "`torch.cuda.amp.autocast(args...)` is deprecated.", FutureWarning, stacklevel=1
        )


def test_other_warnings_are_shown() -> None:
    with known_warnings_silenced(), pytest.warns(FutureWarning, match="another"):
        warnings.warn("another thing is deprecated", FutureWarning, stacklevel=1)
