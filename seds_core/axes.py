"""The glossary of axis names. One word, one meaning, in every shape annotation and every store.

==============  ====================================================================
axis            meaning
==============  ====================================================================
video           videos of a data set, in the order of its index
frame           frames of one video (or of a chunk of it), in time order
packet          stored pieces of a video stream, mostly a frame each, in the order of decoding
clip            windows of consecutive timeline frames, in time order
failure         entries of a store's table of failures
row             rows of a store's flat arrays; a video owns a run of them
height, width   pixels of a frame, from its top left
channel         red, green, blue
position        indices in time inside a video network: frames, or what convolutions make of them
tap             the inputs that a convolution in time reads for one output
keypoint        the 133 COCO-WholeBody points (:mod:`seds_core.keypoints`)
joint           points of a part of the skeleton: 21 of a hand, 17 of a body, 68 of a face
coordinate      x to the right, y downward; in keypoint arrays followed by the confidence
box             left, top, right, bottom
rgb             features of one clip from a frozen video network
person          people seen in one frame
klass           classes of a classification head
text            sentences, in the order of their list
word            positions of a sentence's tokens: start, words, end, padding
token           a stream's positions: the class token, then the clip slots
dim             features of a token or word
part            parts of a skeleton: fingers and palm, or arms and head
subset          subsets of a skeleton graph's edges
head            heads of an attention
neighbour       positions that a token of CGAF looks at
side            the tokens before and after a position between two
query           what is looked for: a sentence or a video
candidate       what is ranked for a query
entry           searchable rows of an index: videos, windows of recordings, sentences
coarse          dimensions of a compressed token
hit             found entries of an index, best first
code            points that stand for the tokens near them
run             trainings of one recipe, by seed
take            learned videos that others are compared with
unit            what a permutation test exchanges: sentences, or runs of equal seed
==============  ====================================================================

Sizes that the project fixes are written ``keypoint=133``. ``*`` and ``_`` are jaxtyping's own.
"""

AXES = frozenset(
    "video frame packet clip row height width channel position tap keypoint joint".split()  # noqa: SIM905
    + "coordinate box rgb person klass text word token dim part subset head neighbour".split()  # noqa: SIM905
    + "side query candidate entry coarse code hit run take unit".split()  # noqa: SIM905
)
