"""Clothes, arms and hair are drawn where the body is."""

from dataclasses import replace

import numpy as np
import pytest

from extract.demo.drawing import draw_arm_bone
from extract.demo.renderer import SignedVideo, draw_signer
from extract.demo.signer import sample_signer

ARM = np.array([[20.0, 20.0, 0.0], [60.0, 20.0, 0.0], [100.0, 20.0, 0.0]])
SKIN, CLOTH = (200.0, 150.0, 120.0), (20.0, 40.0, 200.0)


def look(sleeve):
    return replace(sample_signer(0).look, skin=SKIN, cloth=CLOTH, sleeve=sleeve)


def arm_pixels(sleeve):
    image = np.zeros((40, 120, 3), dtype=np.uint8)
    for bone in (0, 1):
        draw_arm_bone(image, ARM, bone, 60.0, 1.0, look(sleeve))
    return image[20]


@pytest.mark.parametrize(("sleeve", "clothed", "bare"), [(0.5, 30, 55), (1.5, 70, 95)])
def test_the_sleeve_ends_where_it_should(sleeve, clothed, bare):
    pixels = arm_pixels(sleeve).astype(int)
    assert pixels[clothed, 2] > pixels[clothed, 0]
    assert pixels[bare, 0] > pixels[bare, 2]


def drawn(signer):
    signed = SignedVideo(("I", "GOOD"), signer, 0, 128, 128)
    image = np.full((128, 128, 3), 255, dtype=np.uint8)
    draw_signer(image, signed.posed, 0, signer)
    return image.astype(int), signed.posed


def test_chest_has_the_colour_of_the_clothes():
    signer = sample_signer(0)
    signer = replace(signer, look=replace(signer.look, cloth=CLOTH, pattern="plain"))
    image, posed = drawn(signer)
    x, y = posed.body[0, [5, 6], :2].mean(axis=0).round().astype(int)
    np.testing.assert_allclose(image[y + 20, x], CLOTH, atol=1)


@pytest.mark.parametrize("style", ["short", "long", "bun"])
def test_hair_shows(style):
    signer = sample_signer(0)
    looks = [replace(signer.look, hair=(0.0, 255.0, 0.0), hair_style=s) for s in ("none", style)]
    greens = [
        np.sum((pixels[..., 1] > 200) & (pixels[..., 0] < 60))
        for pixels, _ in (drawn(replace(signer, look=look)) for look in looks)
    ]
    assert greens[1] > greens[0] + 50


def test_beard_and_glasses_change_the_face():
    signer = sample_signer(0)
    plain = replace(signer.look, has_beard=False, has_glasses=False)
    without, posed = drawn(replace(signer, look=plain))
    for change in ({"has_beard": True}, {"has_glasses": True}):
        with_it, _ = drawn(replace(signer, look=replace(plain, **change)))
        assert np.abs(without - with_it).max() > 30
        changed_rows = np.flatnonzero(np.abs(without - with_it).any(axis=(1, 2)))
        assert changed_rows.max() <= posed.face[0, :, 1].max() + 3
