import torch

from train.model.stream_transformer import StreamTransformer, quick_gelu
from train.settings import StreamSettings

SETTINGS = StreamSettings(width=64, layers=2, initial="random")


def stream():
    torch.manual_seed(0)
    return StreamTransformer(10, 12, num_slots=5, settings=SETTINGS)


def test_class_token_and_slots_come_out():
    real = torch.ones(2, 6, dtype=torch.bool)
    assert stream()(torch.randn(2, 5, 10), real).shape == (2, 6, 12)


def test_unused_slots_are_looked_at_by_none():
    real = torch.tensor([[True, True, True, False, False, False]])
    clips, changed = torch.randn(1, 5, 10), torch.randn(1, 5, 10)
    changed[:, :2] = clips[:, :2]
    model = stream()
    torch.testing.assert_close(model(clips, real)[:, :3], model(changed, real)[:, :3])
    everywhere = torch.ones_like(real)
    assert not torch.allclose(model(clips, everywhere)[:, :3], model(changed, everywhere)[:, :3])


def test_order_matters():
    real, clips, model = torch.ones(1, 6, dtype=torch.bool), torch.randn(1, 5, 10), stream()
    assert not torch.allclose(model(clips, real)[:, 0], model(clips.flip(1), real)[:, 0])


def test_recomputing_changes_no_gradient():
    real, clips = torch.ones(2, 6, dtype=torch.bool), torch.randn(2, 5, 10)
    plain, saving = stream().train(), stream().train()
    saving.gradient_checkpointing = True
    for model in (plain, saving):
        model(clips, real).square().sum().backward()
    for one, other in zip(plain.parameters(), saving.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_quick_gelu_by_hand():
    values = quick_gelu(torch.tensor([0.0, 1.0]))
    torch.testing.assert_close(values, torch.tensor([0.0, 1 / (1 + 2.718281828**-1.702)]))
