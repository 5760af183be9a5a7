"""A temporal block inside every clip, without repeating what overlapping clips share.

The two outputs at each end of a clip depend on the zeros that pad it; all others depend on their
frames alone. So every tap of every convolution is multiplied with every frame once: outputs inside
clips are sums of these products, and outputs at a clip's ends are sums of fewer of them. What
remains to be computed clip by clip are the values between the stacked convolutions at a clip's
first and last frame, two taps of each, and the four end outputs of the joining convolution: 13
matrix products a frame and 12 a clip, instead of 13 for each frame of each clip.
"""

from dataclasses import dataclass

import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn.functional import linear

from train.model.normalisation import weighted_batch_norm
from train.model.temporal_block import REACH, TemporalBlock

NUM_ENDS = 2 * REACH
"""Outputs of a clip that depend on its padding."""

Sums = list[Float[Tensor, "_frame dim"]]


@dataclass(frozen=True)
class ClipLine:
    """All videos' frames in one line, and the clips as runs of it."""

    frames: Float[Tensor, "frame dim"]
    """The videos' frames, then a run of zeros for slots without a clip."""
    starts: Int64[Tensor, " clip"]
    """The frame that each clip begins with."""
    counts: Int64[Tensor, " clip"]
    """How many slots each clip fills."""
    clip_of_row: Int64[Tensor, " row"]
    """The clip of each slot, video by video."""
    clip_length: int

    @property
    def ends(self) -> Int64[Tensor, " clip"]:
        """Each clip's last frame."""
        return self.starts + self.clip_length - 1


def clip_means(
    block: TemporalBlock,
    frames: Float[Tensor, "video frame dim"],
    clip_starts: Int64[Tensor, "video clip"],
    clip_length: int,
) -> Float[Tensor, "video clip dim"]:
    """Applies the block to each clip alone, and takes the mean over the clip's frames.

    A start of -1 is a slot without a clip, which counts as a clip of zeros. In training the batch
    of the block's norm are all frames of all slots.
    """
    if clip_length <= NUM_ENDS:
        # All outputs of such short clips depend on the padding: they are computed one by one.
        offsets = torch.arange(clip_length, device=frames.device)
        indices = clip_starts.clamp(min=0)[..., None] + offsets
        of_video = torch.arange(len(frames), device=frames.device)[:, None, None]
        clips = frames[of_video, indices] * (clip_starts >= 0)[..., None, None]
        outputs = block(rearrange(clips, "b l t c -> (b l) c t"))
        return reduce(outputs, "(b l) c t -> b l c", "mean", b=len(frames))
    line = clip_line(frames, clip_starts, clip_length)
    # Not on a GPU: how many frames remain would be known only after waiting for it.
    if not frames.is_cuda:
        line = without_repetition(line)

    # Outputs inside clips, from the line's third frame to its last but two, and below them the four
    # end outputs of every clip.
    branches = torch.cat([_wide_branch(block, line), _narrow_branch(block, line)], dim=1).relu_()
    joined = linear(branches, block.join.weight.squeeze(-1), block.join.bias)
    # Row r of those inside is the line's frame r + 2, so that a clip's own begin at its start.
    num_inside, length_inside = len(line.frames) - NUM_ENDS, clip_length - NUM_ENDS
    # In the batch of the norm each output counts as often as clips, with their slots, hold it.
    counts_inside = times_held(num_inside, line.starts, line.counts, length_inside)
    counts = torch.cat([counts_inside, line.counts.repeat(NUM_ENDS)])
    outputs = weighted_batch_norm(block.norm, joined, counts).relu_()

    inside, at_ends = outputs[:num_inside], outputs[num_inside:]
    sums = sums_of_runs(inside, length_inside)[line.starts]
    sums = sums + rearrange(at_ends, "(e n) c -> e n c", e=NUM_ENDS).sum(dim=0)
    means = (sums / clip_length)[line.clip_of_row]
    return rearrange(means, "(b l) c -> b l c", b=len(frames))


def clip_line(
    frames: Float[Tensor, "video frame dim"],
    clip_starts: Int64[Tensor, "video clip"],
    clip_length: int,
) -> ClipLine:
    """Puts the videos' frames, and zeros for slots without a clip, one after another."""
    num_videos, num_frames, dim = frames.shape
    line = torch.cat([frames.flatten(0, 1), frames.new_zeros(clip_length, dim)])
    # Slots without a clip are clips of the zeros at the end.
    firsts = num_frames * torch.arange(num_videos, device=frames.device)[:, None]
    starts = torch.where(clip_starts < 0, num_videos * num_frames, firsts + clip_starts).flatten()
    clip_of_row = torch.arange(len(starts), device=frames.device)
    return ClipLine(line, starts, torch.ones_like(starts), clip_of_row, clip_length)


def without_repetition(line: ClipLine) -> ClipLine:
    """Merges equal clips, and leaves out frames without a clip."""
    starts, clip_of_row, counts = torch.unique(line.starts, return_inverse=True, return_counts=True)
    is_held = times_held(len(line.frames), starts, counts, line.clip_length) > 0
    # A frame's new index is the number of kept frames before it.
    starts = is_held.cumsum(0)[starts] - 1
    return ClipLine(line.frames[is_held], starts, counts, clip_of_row, line.clip_length)


def times_held(
    num_frames: int, starts: Int64[Tensor, " clip"], counts: Int64[Tensor, " clip"], length: int
) -> Int64[Tensor, " _frame"]:
    """Counts the runs of ``length`` frames that hold each frame, run r ``counts[r]`` times."""
    # A run adds its count at its first frame and takes it away after its last.
    changes = counts.new_zeros(num_frames + 1)
    changes.index_add_(0, starts, counts).index_add_(0, starts + length, -counts)
    return changes.cumsum(0)[:-1]


def partial_sums(
    frames: Float[Tensor, "frame dim"],
    taps: Float[Tensor, "_ dim dim"],
    bias: Float[Tensor, " dim"],
) -> tuple[Sums, Sums]:
    """Outputs of a convolution with some of its taps only: its last ones, and its first ones.

    Row f of the j-th tensor of the first list sums tap j of frame f, tap j + 1 of frame f + 1 and
    so on to the last tap; that of the second list tap 0 of frame f to tap j of frame f + j.
    """
    products = linear(frames, rearrange(taps, "k o i -> (k o) i")).chunk(len(taps), dim=1)
    # Beginning with the bias makes the sums float32 where the products have half precision.
    later, earlier = [products[-1] + bias], [products[0] + bias]
    for product in reversed(products[:-1]):
        later.append(product[: -len(later)] + later[-1][1:])
    for product in products[1:-1]:
        earlier.append(earlier[-1][:-1] + product[len(earlier) :])
    return later[::-1], earlier


def sums_of_runs(values: Float[Tensor, "_row dim"], length: int) -> Float[Tensor, "_row dim"]:
    """Sums ``length`` rows from each row on.

    Sums of longer runs are made of those of shorter ones; differences of sums from the first row
    on would lose digits.
    """
    if length == 1:
        return values
    half = sums_of_runs(values, length // 2)
    sums = half[: -(length // 2)] + half[length // 2 :]
    return sums[:-1] + values[length - 1 :] if length % 2 else sums


def _wide_branch(block: TemporalBlock, line: ClipLine) -> Float[Tensor, "_row dim"]:
    """Sums before the ReLU: those inside clips, then those at the clips' ends, first to last."""
    later, earlier = partial_sums(line.frames, *_taps(block.wide))
    at_ends = [
        later[2][line.starts],
        later[1][line.starts],
        earlier[3][line.ends - 3],
        earlier[2][line.ends - 2],
    ]
    return torch.cat([later[0], *at_ends])


def _narrow_branch(block: TemporalBlock, line: ClipLine) -> Float[Tensor, "_row dim"]:
    """The same sums. Between the convolutions, row f is the line's frame f + 1."""
    # Between the convolutions: the values inside clips, and each clip's first and last one.
    later, earlier = partial_sums(line.frames, *_taps(block.narrow_first))
    between = later[0].relu()
    first = later[1][line.starts].relu_()
    last = earlier[1][line.ends - 1].relu_()

    taps, bias = _taps(block.narrow_second)
    later, earlier = partial_sums(between, taps, bias)
    before, here, after = taps.unbind()
    # What the second convolution sees at the ends are these values in place of the first two or
    # last two of the line.
    at_ends = [
        later[2][line.starts] + linear(first, here),
        later[1][line.starts] + linear(first, before),
        earlier[1][line.ends - 3] + linear(last, after),
        earlier[0][line.ends - 2] + linear(last, here),
    ]
    return torch.cat([later[0], *at_ends])


def _taps(
    convolution: nn.Conv1d,
) -> tuple[Float[Tensor, "_ dim dim"], Float[Tensor, " dim"]]:
    """Weights tap by tap, and the bias."""
    assert convolution.bias is not None
    return rearrange(convolution.weight, "o i k -> k o i").contiguous(), convolution.bias
