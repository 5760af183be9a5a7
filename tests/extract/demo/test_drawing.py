"""What is drawn of body, hands, backdrop and camera."""

from dataclasses import replace

import numpy as np
import pytest

from extract.demo.drawing import (
    capsules,
    draw_arm_bone,
    draw_hand,
    ellipse,
    fill_convex,
    shaded,
    stroke,
)
from extract.demo.motion import HAND_SHAPES, hand_joints
from extract.demo.renderer import SignedVideo, draw_backdrop, draw_signer, sample_effects
from extract.demo.signer import sample_signer
from extract.demo.skeleton import ground_truth
from seds_core.keypoints import LEFT_HAND, RIGHT_HAND


def test_shapes_are_anti_aliased_and_in_place():
    image = np.zeros((20, 20, 3), dtype=np.uint8)
    points = np.array([[5.0, 10.0]]), np.array([[15.0, 10.0]])
    fill_convex(
        image, capsules(*points, np.array([3.0]), np.array([3.0]))[0], (200.0, 200.0, 200.0)
    )
    assert image[10, 5:16, 0].min() == 200
    assert image[4].max() == 0
    assert len(np.unique(image)) > 2


def test_shades_stay_colours():
    assert shaded((200.0, 100.0, 50.0), 2.0) == (255.0, 200.0, 100.0)


def test_an_ellipse_has_its_half_axes():
    outline = ellipse(np.array([10.0, 20.0]), 4.0, 2.0)
    np.testing.assert_allclose(np.ptp(outline, axis=0), [8, 4], rtol=0.02)
    np.testing.assert_allclose(outline.mean(axis=0), [10, 20])


def test_a_closed_line_returns_to_its_start():
    square = np.array([[2.0, 2.0], [12.0, 2.0], [12.0, 12.0], [2.0, 12.0]])
    images = [np.zeros((16, 16, 3), dtype=np.uint8) for _ in range(2)]
    stroke(images[0], square, (255.0, 255.0, 255.0), 1)
    stroke(images[1], square, (255.0, 255.0, 255.0), 1, is_closed=True)
    assert images[0][7, 2, 0] == 0
    assert images[1][7, 2, 0] > 200


ARM = np.array([[20.0, 20.0, 0.0], [60.0, 20.0, 0.0], [100.0, 20.0, 0.0]])
BODY_SKIN, CLOTH = (200.0, 150.0, 120.0), (20.0, 40.0, 200.0)


def look(sleeve):
    return replace(sample_signer(0).look, skin=BODY_SKIN, cloth=CLOTH, sleeve=sleeve)


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


def drawn_person(signer):
    signed = SignedVideo(("I", "GOOD"), signer, 0, 128, 128)
    image = np.full((128, 128, 3), 255, dtype=np.uint8)
    draw_signer(image, signed.posed, 0, signer)
    return image.astype(int), signed.posed


def test_chest_has_the_colour_of_the_clothes():
    signer = sample_signer(0)
    signer = replace(signer, look=replace(signer.look, cloth=CLOTH, pattern="plain"))
    image, posed = drawn_person(signer)
    x, y = posed.body[0, [5, 6], :2].mean(axis=0).round().astype(int)
    np.testing.assert_allclose(image[y + 20, x], CLOTH, atol=1)


@pytest.mark.parametrize("style", ["short", "long", "bun"])
def test_hair_shows(style):
    signer = sample_signer(0)
    looks = [replace(signer.look, hair=(0.0, 255.0, 0.0), hair_style=s) for s in ("none", style)]
    greens = [
        np.sum((pixels[..., 1] > 200) & (pixels[..., 0] < 60))
        for pixels, _ in (drawn_person(replace(signer, look=look)) for look in looks)
    ]
    assert greens[1] > greens[0] + 50


def test_beard_and_glasses_change_the_face():
    signer = sample_signer(0)
    plain = replace(signer.look, has_beard=False, has_glasses=False)
    without, posed = drawn_person(replace(signer, look=plain))
    for change in ({"has_beard": True}, {"has_glasses": True}):
        with_it, _ = drawn_person(replace(signer, look=replace(plain, **change)))
        assert np.abs(without - with_it).max() > 30
        changed_rows = np.flatnonzero(np.abs(without - with_it).any(axis=(1, 2)))
        assert changed_rows.max() <= posed.face[0, :, 1].max() + 3


SKIN = (200.0, 150.0, 120.0)
LENGTH = 120.0


def drawn(shape, *, shows_palm=True, towards_camera=1.0):
    """A hand pointing up in a black picture, and its joints in pixels."""
    local = hand_joints(HAND_SHAPES[shape][None])[0]
    hand = np.array([100.0, 180.0, 0.0]) + local * (LENGTH, -LENGTH, towards_camera)
    image = np.zeros((200, 200, 3), dtype=np.uint8)
    draw_hand(image, hand, LENGTH, 1.0, SKIN, shows_palm=shows_palm)
    return image, hand


def test_every_joint_is_covered():
    image, hand = drawn("spread")
    x, y = np.round(hand[:, :2]).astype(int).T
    assert np.all(image[y, x].sum(axis=1) > 200)


def test_spread_fingers_have_background_between_them_and_close_ones_an_outline():
    for shape, darkest in (("spread", 0), ("flat", 200)):
        image, hand = drawn(shape)
        between = np.round(0.5 * (hand[8, :2] + hand[12, :2])).astype(int)
        row = image[between[1] + 6, between[0] - 8 : between[0] + 8].astype(int).sum(axis=1)
        assert row.min() <= darkest + 60, shape
    assert drawn("flat")[0].any()


def test_palm_and_back_can_be_told_apart():
    palm, back = (drawn("flat", shows_palm=shows)[0].astype(int) for shows in (True, False))
    assert palm.max() > back.max() or np.abs(palm - back).mean() > 1
    assert np.median(palm[palm > 0]) > np.median(back[back > 0])


def test_folded_fingers_are_drawn_over_the_palm_only_when_they_are_nearer():
    near, _ = drawn("fist", towards_camera=1.0)
    far, _ = drawn("fist", towards_camera=-1.0)
    assert np.abs(near.astype(int) - far).mean() > 1


def random(seed):
    return np.random.Generator(np.random.PCG64(seed))


def test_backgrounds_have_the_asked_size_and_follow_the_seed():
    backgrounds = [draw_backdrop(random(seed), 120, 90) for seed in range(12)]
    assert {image.shape for image in backgrounds} == {(90, 120, 3)}
    np.testing.assert_array_equal(backgrounds[3], draw_backdrop(random(3), 120, 90))
    contrasts = [image.std(axis=(0, 1)).max() for image in backgrounds]
    assert min(contrasts) < 1
    assert max(contrasts) > 30


def test_noise_changes_from_frame_to_frame_but_light_does_not():
    effects = next(
        found
        for found in (sample_effects(random(seed), 64, 64) for seed in range(40))
        if found.noise.std() > 2 and found.blur == 0
    )
    grey = np.full((64, 64, 3), 128, dtype=np.uint8)
    first, second = (effects.apply(grey, frame).astype(int) for frame in (0, 1))
    assert np.abs(first - second).mean() > 1
    np.testing.assert_allclose(first.mean(axis=(0, 1)), second.mean(axis=(0, 1)), atol=0.5)
    np.testing.assert_array_equal(first, effects.apply(grey, 0))


GLOSSES = ("TEACHER", "BOOK", "READ")
BACKGROUND = (0, 0, 255)


def video(seed=2, take=0):
    return SignedVideo(GLOSSES, sample_signer(seed), take, 256, 256)


def test_same_seeds_same_pixels():
    np.testing.assert_array_equal(video().frame(7), video().frame(7))


def test_takes_and_signers_differ():
    frame = video().frame(7).astype(int)
    assert np.abs(frame - video(take=1).frame(7)).mean() > 1
    assert np.abs(frame - video(seed=3).frame(7)).mean() > 10


def flat_scene(signed, signer, frame):
    image = np.full((256, 256, 3), BACKGROUND, dtype=np.uint8)
    draw_signer(image, signed.posed, frame, signer)
    return image


@pytest.mark.parametrize("seed", range(6))
def test_hand_joints_lie_on_skin(seed):
    """In a flat scene the pixels under the fingertips have the hue of the signer's skin."""
    signer, signed = sample_signer(seed), video(seed)
    skin = np.array(signer.look.skin) / np.linalg.norm(signer.look.skin)
    truth = ground_truth(signed.posed)
    matches = []
    for frame in range(0, len(signed), 3):
        image = flat_scene(signed, signer, frame).astype(float)
        for hand in (LEFT_HAND, RIGHT_HAND):
            x, y, shown = truth[frame, hand].T
            pixels = image[np.round(y[shown > 0]).astype(int), np.round(x[shown > 0]).astype(int)]
            matches += list(pixels @ skin / np.linalg.norm(pixels, axis=1) > 0.985)
    assert np.mean(matches) > 0.97


def test_moving_the_truth_would_be_noticed():
    """The check above fails for points that are 12 pixels off: they often miss the hand."""
    signer, signed = sample_signer(1), video(1)
    skin = np.array(signer.look.skin) / np.linalg.norm(signer.look.skin)
    image = flat_scene(signed, signer, len(signed) // 2).astype(float)
    x, y, _ = ground_truth(signed.posed)[len(signed) // 2, RIGHT_HAND].T
    pixels = image[np.clip(y + 12, 0, 255).astype(int), np.clip(x + 12, 0, 255).astype(int)]
    assert np.mean(pixels @ skin / np.linalg.norm(pixels, axis=1) > 0.985) < 0.9


def test_nothing_is_drawn_outside_the_signers_height():
    signer, signed = sample_signer(5), video(5)
    image = flat_scene(signed, signer, 0)
    is_person = np.any(image != BACKGROUND, axis=-1)
    top = signed.posed.skull[0, :, 1].min()
    drawn_top = np.flatnonzero(is_person.any(axis=1))[0]
    assert drawn_top >= top - 0.35 * signed.posed.unit  # a bun may be higher than the head
    assert is_person[-1].any()
