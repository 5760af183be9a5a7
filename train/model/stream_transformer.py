"""A stream's clip features become tokens, by the image transformer of OpenAI's CLIP over clips.

OpenAI's CLIP (arXiv 2103.00020), ViT-B/32; SEDS (arXiv 2407.16394).
"""

import torch
from einops import repeat
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn.functional import silu
from torch.utils.checkpoint import checkpoint

from train.settings import StreamSettings

# As in all of CLIP's transformers: the number of heads follows from the width.
HEAD_DIM = 64


def quick_gelu(values: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
    """OpenAI's approximation of the Gaussian error linear unit: x sigmoid(1.702 x)."""
    # In this form the backward pass keeps one tensor and not two.
    return silu(1.702 * values).mul_(1 / 1.702)


class AttentionBlock(nn.Module):
    """Self attention and an MLP, each after a layer norm and with a residual connection."""

    def __init__(self, width: int, depth: int) -> None:
        """Initialises random weights as OpenAI's CLIP does, for one of ``depth`` blocks."""
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, width // HEAD_DIM, batch_first=True)
        self.perceptron_norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)
        nn.init.normal_(self.attention.in_proj_weight, std=width**-0.5)
        nn.init.normal_(self.attention.out_proj.weight, std=(2 * depth * width) ** -0.5)
        nn.init.normal_(self.expand.weight, std=(2 * width) ** -0.5)
        nn.init.normal_(self.contract.weight, std=(2 * depth * width) ** -0.5)

    def forward(
        self, tokens: Float[Tensor, "video token dim"], token_is_real: Bool[Tensor, "video token"]
    ) -> Float[Tensor, "video token dim"]:
        """Returns the tokens after attending to the real ones among them."""
        normed = self.attention_norm(tokens)
        attended, _ = self.attention(
            normed, normed, normed, key_padding_mask=~token_is_real, need_weights=False
        )
        tokens = tokens + attended
        hidden = quick_gelu(self.expand(self.perceptron_norm(tokens)))
        return tokens + self.contract(hidden)


class StreamTransformer(nn.Module):
    """Class token, learned positions, attention blocks, projection."""

    def __init__(self, in_dim: int, out_dim: int, num_slots: int, settings: StreamSettings) -> None:
        """``in_dim`` features a clip, ``out_dim`` a token; ``num_slots`` clips at most."""
        super().__init__()
        width = settings.width
        self.embed = nn.Linear(in_dim, width, bias=False)
        self.class_token = nn.Parameter(torch.empty(width))
        self.positions = nn.Parameter(torch.empty(num_slots + 1, width))
        self.norm_before = nn.LayerNorm(width)
        self.blocks = nn.ModuleList(
            AttentionBlock(width, settings.layers) for _ in range(settings.layers)
        )
        self.norm_after = nn.LayerNorm(width)
        self.projection = nn.Parameter(torch.empty(width, out_dim))
        self.gradient_checkpointing = False
        for parameter in (self.class_token, self.positions, self.projection):
            nn.init.normal_(parameter, std=width**-0.5)

    def forward(
        self,
        clips: Float[Tensor, "video clip _dim"],
        token_is_real: Bool[Tensor, "video token"],
    ) -> Float[Tensor, "video token dim"]:
        """Returns the class token and one token a clip slot; no token attends to empty slots."""
        class_token = repeat(self.class_token, "d -> b 1 d", b=clips.shape[0])
        embedded = self.embed(clips)
        # Under autocast the embedding has half precision, which the parameter has not.
        tokens = torch.cat([class_token.to(embedded.dtype), embedded], dim=1)
        tokens = self.norm_before(tokens + self.positions)
        for block in self.blocks:
            if self.gradient_checkpointing and self.training:
                tokens = checkpoint(block, tokens, token_is_real, use_reentrant=False)
            else:
                tokens = block(tokens, token_is_real)
        return self.norm_after(tokens) @ self.projection
