"""Frames are resized to what the network was trained with."""

import pytest

from extract.videos.frame import FrameFit


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (341, 256)),
        (480, 640, (256, 341)),
        (210, 260, (256, 316)),
        (100, 100, (256, 256)),
    ],
)
def test_short_side_keeps_the_shape(width: int, height: int, expected: tuple[int, int]) -> None:
    assert FrameFit("short_side", 256).target_size(width, height) == expected


def test_squash_ignores_the_shape() -> None:
    assert FrameFit("squash", 256).target_size(210, 260) == (256, 256)


@pytest.mark.parametrize("mode", ["squash", "short_side"])
def test_a_resized_frame_stays_as_it_is(mode: str) -> None:
    fit = FrameFit(mode, 256)  # type: ignore[arg-type]
    once = fit.target_size(1919, 1077)
    assert fit.target_size(*once) == once


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="0x10"):
        FrameFit("squash", 256).target_size(0, 10)
