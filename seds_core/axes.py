"""The glossary of axis names. One word, one meaning, in every shape annotation and every store.

==============  ====================================================================
axis            meaning
==============  ====================================================================
video           videos of a data set, in the order of its index
frame           frames of one video (or of a chunk of it), in time order
clip            windows of consecutive timeline frames, in time order
row             rows of a store's flat arrays; a video owns a run of them
height, width   pixels of a frame, from its top left
channel         red, green, blue
keypoint        the 133 COCO-WholeBody points (:mod:`seds_core.keypoints`)
joint           points of a part of the skeleton: 21 of a hand, 17 of a body, 68 of a face
coordinate      x to the right, y downward; in keypoint arrays followed by the confidence
box             left, top, right, bottom
rgb             features of one clip from a frozen video network
person          people seen in one frame
klass           classes of a classification head
==============  ====================================================================

Sizes that the project fixes are written ``keypoint=133``. ``*`` and ``_`` are jaxtyping's own.
"""

AXES = frozenset(
    "video frame clip row height width channel keypoint joint coordinate box rgb".split()  # noqa: SIM905
) | {"person", "klass"}
