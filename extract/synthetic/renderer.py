"""Draws the frames of a posed signer in front of a background, through a camera."""

import numpy as np

from extract.synthetic.backdrop import draw_backdrop
from extract.synthetic.camera_effects import CameraEffects, sample_effects
from extract.synthetic.draw_body import draw_arm_bone, draw_hair_behind, draw_head, draw_torso
from extract.synthetic.draw_hand import draw_hand
from extract.synthetic.drawing import Image
from extract.synthetic.motion import sign
from extract.synthetic.signer import Signer
from extract.synthetic.skeleton import PosedVideo, pose_signer

_LEFT_ARM, _RIGHT_ARM = [5, 7, 9], [6, 8, 10]


class SignedVideo:
    """One take of a sentence by a signer, drawn frame by frame on request."""

    posed: PosedVideo

    def __init__(
        self, glosses: tuple[str, ...], signer: Signer, take_seed: int, width: int, height: int
    ) -> None:
        """Plans motion and scene; nothing is drawn yet."""
        self._signer = signer
        motion = sign(glosses, signer, take_seed)
        self.posed = pose_signer(motion, signer, take_seed, width, height)
        place = np.random.Generator(np.random.PCG64([signer.seed, 4]))
        self._backdrop: Image = draw_backdrop(place, width, height)
        camera = np.random.Generator(np.random.PCG64([signer.seed, take_seed, 5]))
        self._effects: CameraEffects = sample_effects(camera, width, height)

    def __len__(self) -> int:
        """Number of frames."""
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
    for _, arm, _ in sides:
        draw_arm_bone(image, arm, 0, unit, thickness, look)
    for hand, arm, side in sorted(sides, key=lambda one: one[0][:, 2].mean()):
        draw_arm_bone(image, arm, 1, unit, thickness, look)
        draw_hand(
            image,
            hand,
            proportions.hand * unit,
            proportions.finger_thickness,
            look.skin,
            shows_palm=_shows_palm(hand, side),
        )


def _shows_palm(hand: np.ndarray, side: int) -> bool:
    """Whether the palm faces the camera: the sense in which thumb side and fingers turn."""
    (wrist_x, wrist_y), (index_x, index_y), (little_x, little_y) = hand[[0, 5, 17], :2]
    turn = (index_x - wrist_x) * (little_y - wrist_y) - (index_y - wrist_y) * (little_x - wrist_x)
    return bool(side * turn > 0)
