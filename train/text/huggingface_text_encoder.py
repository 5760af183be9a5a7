"""Any Hugging Face text encoder, with a new linear layer to the size that is compared."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedModel

from seds_core.errors import UsageError
from train.batches import TextBatch
from train.text.huggingface_source import loaded_config, loading, location_of, revision_of
from train.text.text_encoder import TextEncoder


class HuggingFaceTextEncoder(TextEncoder):
    """The last hidden states of a loaded network, projected without bias."""

    def __init__(self, network: PreTrainedModel, embedding_dim: int) -> None:
        """The projection is new and starts at random numbers."""
        super().__init__()
        self.network = network
        self.projection = nn.Linear(network.config.hidden_size, embedding_dim, bias=False)

    def forward(self, text: TextBatch) -> Float[Tensor, "text word dim"]:
        """Projected states of every place; padding is looked at by none."""
        states = self.network(
            input_ids=text.input_ids, attention_mask=text.word_is_real.long()
        ).last_hidden_state
        return self.projection(states)

    def pretrained_parameters(self) -> Iterator[nn.Parameter]:
        """The loaded network, not the projection."""
        return self.network.parameters()

    def use_gradient_checkpointing(self) -> None:
        """Recomputes each block in the backward pass; :class:`UsageError` where it cannot."""
        network = self.network
        if not network.supports_gradient_checkpointing:
            raise UsageError(
                f"the text encoder '{network.config.model_type}' cannot recompute inner values: "
                f"write optimisation.gradient_checkpointing: false"
            )
        # Releases of Transformers 5 know it under one or the other name.
        name = "activation_checkpointing_enable"
        enable = getattr(network, name, None) or network.gradient_checkpointing_enable
        enable({"use_reentrant": False})
        # It also makes embeddings ask for gradients, for which a frozen encoder would pay.
        network.disable_input_require_grads()


def build_huggingface(
    encoder: str, embedding_dim: int, *, with_weights: bool = True
) -> HuggingFaceTextEncoder:
    """The network of ``encoder`` (as in the settings) and a new projection."""
    location = location_of(encoder)
    with loading(location):
        config = loaded_config(location)
        if not hasattr(config, "hidden_size"):
            raise UsageError(
                f"text.encoder '{location}' is a model of kind '{config.model_type}', not of text "
                f"alone: expected a text encoder"
            )
        network = (
            # The file's own number type may be half precision; weights here stay in float32.
            AutoModel.from_pretrained(
                location,
                trust_remote_code=False,
                dtype=torch.float32,
                revision=revision_of(location) or "main",
            )
            if with_weights
            else AutoModel.from_config(config, trust_remote_code=False, dtype=torch.float32)
        )
    return HuggingFaceTextEncoder(_word_states_only(network), embedding_dim)


def _word_states_only(network: PreTrainedModel) -> PreTrainedModel:
    """The network without decoder and pooler, whose parameters would never get a gradient."""
    if network.config.is_encoder_decoder:
        network = network.get_encoder()
    if getattr(network, "pooler", None) is not None:
        network.pooler = None
    return network
