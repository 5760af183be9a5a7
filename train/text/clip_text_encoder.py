"""CLIP's causal text transformer, read out at every place of a sentence.

CLIP (arXiv 2103.00020); SEDS (arXiv 2407.16394).
"""

from collections.abc import Iterator

from jaxtyping import Float
from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn

from seds_core.console import warn
from train.batches import TextBatch
from train.model_settings import TextSettings
from train.text.clip_weights import clip_tensors, fill_text_network
from train.text.text_encoder import TextEncoder

NUM_TOKENS = 49_408
NUM_POSITIONS = 77
HEAD_DIM = 64


class ClipTextEncoder(TextEncoder):
    """The text half of ViT-B/32, in any width and depth. Parameters have OpenAI's names."""

    def __init__(self, width: int, layers: int, embedding_dim: int) -> None:
        """Random weights as CLIP's training began with."""
        super().__init__()
        self.network = TextTransformer(
            context_length=NUM_POSITIONS,
            vocab_size=NUM_TOKENS,
            width=width,
            heads=width // HEAD_DIM,
            layers=layers,
            output_dim=embedding_dim,
            act_layer=QuickGELU,
        )

    @property
    def is_random(self) -> bool:
        """Never: there is no dropout."""
        return False

    def forward(self, text: TextBatch) -> Float[Tensor, "text word dim"]:
        """Final norm and projection of every place, where CLIP itself reads the end token's."""
        network, places = self.network, text.input_ids.shape[1]
        words = network.token_embedding(text.input_ids) + network.positional_embedding[:places]
        words = network.transformer(words, attn_mask=network.attn_mask[:places, :places])
        return network.ln_final(words) @ network.text_projection

    def pretrained_parameters(self) -> Iterator[nn.Parameter]:
        """All of it, its projection too."""
        return self.parameters()

    def use_gradient_checkpointing(self) -> None:
        """Recomputes each block in the backward pass."""
        self.network.set_grad_checkpointing()


def build_clip(
    settings: TextSettings, embedding_dim: int, *, with_weights: bool = True
) -> ClipTextEncoder:
    """CLIP's text encoder with the weights that the settings name."""
    encoder = ClipTextEncoder(settings.width, settings.layers, embedding_dim)
    if not with_weights:
        return encoder
    if settings.weights == "random":
        warn("the text encoder starts with random weights, because text.weights is 'random'")
    else:
        fill_text_network(encoder.network, clip_tensors(settings.weights), settings.weights)
    return encoder
