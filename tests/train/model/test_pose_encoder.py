import pytest
import torch

from train.batches import PoseBatch
from train.model.pose_encoder import PoseEncoder
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
