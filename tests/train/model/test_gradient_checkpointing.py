"""Values computed a second time in the backward pass see the random numbers of the first time."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils import checkpoint as torch_checkpoint
from torch.utils._pytree import tree_leaves
from training_stand_in import random_batch, small_model

from train.batches import map_tensors, on_device
from train.text.huggingface import HuggingFaceTextEncoder


def small_model_with_dropout():
    torch.manual_seed(0)
    model = small_model()
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.5
    return model


def small_bert():
    """A Hugging Face encoder whose layers have dropout."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=50, hidden_size=8, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=8, hidden_dropout_prob=0.5,
    )  # fmt: skip
    torch.manual_seed(0)
    return HuggingFaceTextEncoder(BertModel(config, add_pooling_layer=False), 8).train()


def tokens_of_model(model, batch):
    return [*model.encode_signs(batch.signs).streams.values(), model.encode_text(batch.text).words]


def tokens_of_bert(encoder, batch):
    return [encoder(batch.text)]


MODELS = pytest.mark.parametrize(
    ("build", "encode", "num_checkpoints"),
    # The pose encoder, a block of each stream and one of CLIP's text transformer; two of BERT's.
    [(small_model_with_dropout, tokens_of_model, 4), (small_bert, tokens_of_bert, 2)],
    ids=["model", "Hugging Face"],
)


def on_fake_gpu(tensor):
    return torch.empty_like(tensor, device="cuda")


def move_to_fake_gpu(model):
    for part in model.modules():
        for held in (part._parameters, part._buffers):
            for name, tensor in held.items():
                if tensor is not None:
                    fake = on_fake_gpu(tensor.detach())
                    is_parameter = isinstance(tensor, nn.Parameter)
                    held[name] = nn.Parameter(fake) if is_parameter else fake


@MODELS
def test_torch_is_shown_the_gpu_whose_random_state_it_has_to_keep(
    monkeypatch, build, encode, num_checkpoints
):
    """It keeps the state of the devices whose tensors it finds among the arguments, and looks for
    them in no dataclass. The GPU's tensors are fake and need none."""
    shown, infer = [], torch_checkpoint._infer_device_type

    def noted(*args):
        shown.append({leaf.device.type for leaf in tree_leaves(args) if torch.is_tensor(leaf)})
        return infer(*args)

    monkeypatch.setattr(torch_checkpoint, "_infer_device_type", noted)
    model, batch = build(), random_batch(3)
    model.use_gradient_checkpointing()
    with FakeTensorMode(allow_non_fake_inputs=True):
        move_to_fake_gpu(model)
        encode(model, map_tensors(on_fake_gpu, batch))
    assert shown == [{"cuda"}] * num_checkpoints


@pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.gpu,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
            ],
        ),
    ],
)
@MODELS
def test_gradients_with_dropout_are_those_of_kept_values(build, encode, num_checkpoints, device):
    batch, found = on_device(random_batch(3), torch.device(device)), []
    for is_recomputed in (False, True):
        model = build().to(device)
        if is_recomputed:
            model.use_gradient_checkpointing()
        torch.manual_seed(7)
        sum(tokens.square().sum() for tokens in encode(model, batch)).backward()
        found.append({name: p.grad for name, p in model.named_parameters() if p.grad is not None})
    kept, recomputed = found
    assert kept.keys() == recomputed.keys() != set()
    for name, gradient in kept.items():
        torch.testing.assert_close(recomputed[name], gradient, msg=name)
