"""The pose encoder: frames, temporal blocks, clips."""

import copy

import pytest
import torch
from process_group import REPOSITORY, run_in_two_processes

from reference.clip_block import naive_clip_means
from train.batches import PoseBatch
from train.model import clip_block as module
from train.model.clip_block import clip_line, clip_means, sums_of_runs, without_repetition
from train.model.normalisation import frozen_statistics
from train.model.pose_encoder import PoseEncoder, with_bones
from train.model.temporal_block import REACH, TemporalBlock
from train.settings import PoseEncoderSettings


def pose_batch(num_frames=24, starts=((0, 3, 8), (2, -1, -1))):
    generator = torch.Generator().manual_seed(0)
    shapes = {"right": 21, "left": 21, "body": 7}
    points = {
        name: 256 * torch.rand(2, num_frames, count, 2, generator=generator)
        for name, count in shapes.items()
    }
    return PoseBatch(**points, clip_starts=torch.tensor(starts))


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return PoseEncoder(PoseEncoderSettings(width=8), clip_length=16)


def test_a_clip_is_encoded_as_if_it_were_alone(encoder):
    encoder.eval()
    batch = pose_batch()
    frames = encoder.frame_features(batch)
    alone = encoder.clip_block(frames[0, 3:19].T[None]).mean(dim=-1)[0]
    torch.testing.assert_close(encoder(batch)[0, 1], alone)


def test_a_bone_is_the_direction_from_the_parent():
    points = torch.tensor([[10.0, 20.0], [13.0, 24.0], [0.0, 0.0], [5.0, 5.0]])
    both = with_bones(points[None, None], torch.tensor([0, 0, 1, 2]))[0, 0]
    torch.testing.assert_close(both[:, :2], points)
    # The centre has none; neither has a point that is not seen, or whose parent is not.
    torch.testing.assert_close(both[:, 2:], torch.tensor([[0, 0], [0.6, 0.8], [0, 0], [0, 0]]))


def test_bones_have_parents_nearer_to_the_centre_and_can_be_learned():
    torch.manual_seed(0)
    encoder = PoseEncoder(PoseEncoderSettings(width=8, bones=True), clip_length=16)
    assert encoder.hand.parents.tolist()[:6] == [0, 0, 1, 2, 3, 0]
    assert encoder.body.parents.tolist() == [0, 0, 1, 2, 0, 4, 5]
    batch = pose_batch()
    encoder(batch).sum().backward()
    # Half of the first block's inputs are points, half are bones.
    weights = next(encoder.hand.point_blocks[0].parameters())
    assert weights.shape[1] == 4
    assert (weights.grad.abs().sum(dim=0) > 0).all()
    # Bones do not change with the size of the whole.
    larger = with_bones(2 * batch.body, encoder.body.parents)
    torch.testing.assert_close(
        larger[..., 2:], with_bones(batch.body, encoder.body.parents)[..., 2:]
    )


def test_one_layer_reads_all_points_of_a_frame():
    torch.manual_seed(0)
    settings = PoseEncoderSettings(width=8, points="linear")
    hand = PoseEncoder(settings, clip_length=16).eval().hand
    assert not any(
        "blocks" in name for name, _ in hand.named_parameters() if "temporal" not in name
    )
    points = pose_batch().right - 128  # of both signs, which a ReLU would tell apart
    # In words: the norm, the layer, its norm and ReLU of each frame's 42 numbers, then time.
    frames = hand.head_norm(hand.head(hand.data_norm(points.reshape(48, 42)))).relu()
    over_time = hand.temporal_blocks(frames.reshape(2, 24, 8).transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(hand(points), over_time)


def test_left_hand_right_hand_and_body_stand_side_by_side(encoder):
    encoder.eval()
    batch = pose_batch()
    frames = encoder.frame_features(batch)
    assert frames.shape == (2, 24, 24)
    torch.testing.assert_close(frames[..., :8], encoder.hand(batch.left))
    torch.testing.assert_close(frames[..., 8:16], encoder.hand(batch.right))
    torch.testing.assert_close(frames[..., 16:], encoder.body(batch.body))


def test_recomputing_changes_neither_gradients_nor_statistics(encoder):
    def trained(*, recomputing):
        copy = PoseEncoder(PoseEncoderSettings(width=8), clip_length=16)
        copy.load_state_dict(encoder.state_dict())
        copy.train().gradient_checkpointing = recomputing
        torch.manual_seed(5)
        copy(pose_batch()).square().sum().backward()
        return copy

    plain, saving = trained(recomputing=False), trained(recomputing=True)
    for (name, one), other in zip(plain.named_parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, msg=name)
    for one, other in zip(plain.buffers(), saving.buffers(), strict=True):
        assert torch.equal(one, other)


def test_an_output_sees_two_frames_to_each_side():
    block = TemporalBlock(4).eval()
    frames = torch.randn(1, 4, 11)
    changed = frames.clone()
    changed[:, :, 5] += 1
    differs = (block(frames) != block(changed)).any(dim=1)[0].nonzero().flatten().tolist()
    assert differs
    assert min(differs) == 5 - REACH
    assert max(differs) == 5 + REACH


DIM = 5


def example(starts, num_frames, seed=0):
    """A block that has seen some batches, frames, and a direction to take gradients in."""
    torch.manual_seed(seed)
    block = TemporalBlock(DIM).double()
    torch.nn.init.normal_(block.norm.weight)
    torch.nn.init.normal_(block.norm.bias)
    block(torch.randn(3, DIM, 20, dtype=torch.float64))
    starts = torch.tensor(starts)
    frames = torch.randn(len(starts), num_frames, DIM, dtype=torch.float64)
    return block, frames, starts, torch.randn(*starts.shape, DIM, dtype=torch.float64)


def everything(means_of, block, frames, starts, direction, clip_length):
    """Means, the frames' and parameters' gradients, and the state afterwards."""
    block, frames = copy.deepcopy(block), frames.clone().requires_grad_()
    means = means_of(block, frames, starts, clip_length)
    (means * direction).sum().backward()
    gradients = {name: parameter.grad for name, parameter in block.named_parameters()}
    return {"means": means, "frames": frames.grad, "state": block.state_dict(), **gradients}


def padded(starts, num_slots):
    return [*starts, *[-1] * (num_slots - len(starts))]


def drawn(seed, num_videos, num_slots, num_frames, clip_length):
    """Any starts in any order, equal ones too."""
    made = torch.Generator().manual_seed(seed)
    starts = torch.randint(
        -1, num_frames - clip_length + 1, (num_videos, num_slots), generator=made
    )
    return starts.tolist()


CASES = {
    "published": ([padded(range(9), 9), padded(range(3), 9)], 30, 16),
    "timeline of one clip": ([[0]], 16, 16),
    "one clip and empty slots": ([padded([0], 4)], 20, 16),
    "nothing but empty slots": ([[-1, -1], [0, -1]], 16, 16),
    "stride": ([padded(range(0, 20, 4), 6), padded(range(0, 12, 4), 6)], 40, 16),
    "gaps": ([[0, 20, 43], [2, 24, -1]], 60, 16),
    "short clips": ([[0, 1, 2, 9], [5, 6, -1, -1]], 14, 5),
    "clips of nothing but ends": ([[0, 1, 2, 9], [5, 6, -1, -1]], 14, 4),
    "clips shorter than the block sees": ([[0, 1, 2, 9], [5, 6, -1, -1]], 14, 3),
    "clips of one frame": ([[0, 1, 2, 9], [5, 6, -1, -1]], 14, 1),
    **{f"drawn {n}": (drawn(n, 1 + n, 7, 25 + 3 * n, 6 + n), 25 + 3 * n, 6 + n) for n in range(8)},
}


@pytest.mark.parametrize("mode", ["training", "evaluation", "as on a GPU"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_gradients_and_statistics_are_those_of_one_clip_at_a_time(case, mode, monkeypatch):
    if mode == "as on a GPU":
        monkeypatch.setattr(module, "without_repetition", lambda line: line)
    starts, num_frames, clip_length = case
    block, *rest = example(starts, num_frames)
    block.train(mode != "evaluation")
    expected = everything(naive_clip_means, block, *rest, clip_length)
    found = everything(clip_means, block, *rest, clip_length)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=1e-9, atol=1e-9)


def test_float32_is_as_near_as_before():
    starts = [padded(range(40), 64), list(range(64))]
    block, frames, starts, direction = example(starts, 90)
    exact = everything(naive_clip_means, block, frames, starts, direction, 16)
    single = (block.float(), frames.float(), starts, direction.float(), 16)
    before, now = everything(naive_clip_means, *single), everything(clip_means, *single)
    for name in ("means", "frames", "wide.weight", "narrow_second.weight", "norm.weight"):
        allowed = 2 * (before[name] - exact[name]).norm() + 1e-6 * exact[name].norm()
        assert (now[name] - exact[name]).norm() <= allowed, name


def test_half_precision_adds_in_float32():
    block, frames, starts, _ = example([list(range(10))], 30)
    exact = clip_means(block, frames, starts, 16)
    block, frames = block.float(), frames.float()

    def distance(means_of):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            means = means_of(block, frames, starts, 16)
        return (means - exact).norm()

    assert clip_means(block, frames, starts, 16).dtype == torch.float32
    assert distance(clip_means) < 1.5 * distance(naive_clip_means)
    assert distance(clip_means) < 0.02 * exact.norm()


def test_statistics_stand_still_when_told_to():
    block, frames, starts, _ = example([[0, 1, -1]], 20)
    before = copy.deepcopy(block.state_dict())
    with frozen_statistics(block):
        quiet = clip_means(block, frames, starts, 16)
    torch.testing.assert_close(block.state_dict(), before, rtol=0, atol=0)
    assert torch.equal(quiet, clip_means(block, frames, starts, 16))
    assert not torch.equal(block.norm.running_mean, before["norm.running_mean"])


def test_frames_without_a_clip_and_equal_clips_are_computed_once():
    starts = torch.tensor([[0, 2, 2, -1], [7, -1, -1, -1]])
    line = without_repetition(clip_line(torch.rand(2, 30, DIM), starts, 16))
    assert len(line.frames) == 18 + 16 + 16
    assert line.starts.tolist() == [0, 2, 18, 34]
    assert line.counts.tolist() == [1, 2, 1, 4]
    assert line.clip_of_row.tolist() == [0, 1, 1, 3, 2, 3, 3, 3]
    assert not line.frames[34:].any()


@pytest.mark.parametrize("length", range(1, 14))
def test_sums_of_runs(length):
    values = torch.randn(20, 2, dtype=torch.float64)
    expected = torch.stack([values[row : row + length].sum(0) for row in range(21 - length)])
    torch.testing.assert_close(sums_of_runs(values, length), expected)


def test_sums_of_runs_lose_no_digits_in_a_long_line():
    values = 1000 + torch.rand(100_000, 1)
    found = sums_of_runs(values, 12)
    exact = sums_of_runs(values.double(), 12)
    assert (found / exact - 1).abs().max() < 5e-7


def test_synchronised_statistics_are_those_of_all_processes(tmp_path):
    starts = [padded(range(9), 9), padded(range(3), 9)]
    case = (*example(starts, 30), 16)
    torch.save(case, tmp_path / "case.pt")
    run_in_two_processes(REPOSITORY / "tests/process_group_clip_block.py", tmp_path)
    shares = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    expected = everything(clip_means, *case)
    for name in ("means", "frames"):
        torch.testing.assert_close(torch.cat([share[name] for share in shares]), expected[name])
    for name in [name for name, _ in case[0].named_parameters()]:
        torch.testing.assert_close(shares[0][name] + shares[1][name], expected[name])
    for share in shares:
        torch.testing.assert_close(share["state"], expected["state"])
