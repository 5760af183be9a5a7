"""OpenAI's CLIP text encoder: its tokenizer, its network, its weights."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import hf_hub_download, try_to_load_from_cache
from jaxtyping import Bool, Float, Int64
from open_clip.tokenizer import SimpleTokenizer
from open_clip.transformer import QuickGELU, TextTransformer
from torch import Tensor, nn

from seds_core.console import warn
from seds_core.errors import UnavailableError, UsageError
from seds_core.torch_files import read_tensors
from train.batches import TextBatch
from train.settings import TextSettings
from train.text.text_encoder import TextEncoder


def up_to_end(input_ids: Int64[Tensor, "text word"]) -> Bool[Tensor, "text word"]:
    """True up to and including the end token, which has CLIP's largest number.

    >>> up_to_end(torch.tensor([[49406, 518, 49407, 0]])).tolist()
    [[True, True, True, False]]
    """
    return torch.arange(input_ids.shape[1]) <= input_ids.argmax(dim=1, keepdim=True)


def kept_places(num_tokens: int, max_words: int) -> list[int]:
    """Which of a sentence's tokens are kept; start counted, end not, because it has its own place.

    The start always, and of the rest as many as there is room for, evenly spread, as SEDS's
    published code does.

    >>> kept_places(4, 32)
    [0, 1, 2, 3]
    >>> kept_places(8, 6)
    [0, 1, 3, 5, 7]
    """
    if num_tokens < max_words:
        return list(range(num_tokens))
    return [0, *np.linspace(1, num_tokens - 1, max_words - 2, dtype=int).tolist()]


class ClipTokenizer:
    """Start, byte pairs, end, then zeros."""

    def __init__(self, max_words: int) -> None:
        """``max_words`` places, start and end included."""
        self.max_words = max_words
        self._byte_pairs = SimpleTokenizer()

    @property
    def unknown_token(self) -> None:
        """Nothing: every byte has a token."""
        return None

    def __call__(self, sentences: Sequence[str]) -> TextBatch:
        """Token numbers of the sentences; those that are too long lose words between others."""
        input_ids = torch.zeros(len(sentences), self.max_words, dtype=torch.int64)
        for row, sentence in zip(input_ids, sentences, strict=True):
            tokens = [self._byte_pairs.sot_token_id, *self._byte_pairs.encode(sentence)]
            tokens = [tokens[place] for place in kept_places(len(tokens), self.max_words)]
            tokens.append(self._byte_pairs.eot_token_id)
            row[: len(tokens)] = torch.tensor(tokens)
        return TextBatch(input_ids, up_to_end(input_ids))

    def num_too_long(self, sentences: Sequence[str]) -> int:
        """How many of the sentences lose words."""
        lengths = (len(self._byte_pairs.encode(sentence)) for sentence in sentences)
        return sum(length > self.max_words - 2 for length in lengths)


HUB_NAME = "timm/vit_base_patch32_clip_224.openai"
HUB_FILE = "open_clip_model.safetensors"


def clip_tensors(weights: str) -> dict[str, Tensor]:
    """CLIP's tensors under OpenAI's names; ``weights`` is ``openai`` or the path of a file.

    Raises :class:`UnavailableError` when the hub cannot be reached, :class:`UsageError` for a file
    that cannot be read.
    """
    return read_tensors(_from_hub() if weights == "openai" else Path(weights).expanduser())


def clip_file(weights: str) -> Path | None:
    """The file behind ``weights``, where it is here: nothing is downloaded."""
    if weights == "random":
        return None
    found = try_to_load_from_cache(HUB_NAME, HUB_FILE) if weights == "openai" else weights
    path = Path(found).expanduser() if isinstance(found, str) else None
    return path if path and path.is_file() else None


def fill_text_network(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copies the text half of CLIP's tensors into a text transformer.

    Raises :class:`UsageError` where ``source`` lacks one or has it in another size.
    """
    own = network.state_dict()
    missing = sorted(own.keys() - tensors.keys())
    if missing:
        raise UsageError(
            f"text.weights '{source}' has no tensor '{missing[0]}': expected CLIP's weights under "
            f"OpenAI's names, at least text.layers blocks of them"
        )
    for name, tensor in own.items():
        if tensors[name].shape != tensor.shape:
            raise UsageError(
                f"text.weights '{source}' has '{name}' in size {tuple(tensors[name].shape)}, and "
                f"text.width and embedding_dim ask for {tuple(tensor.shape)}: change them, or "
                f"write text.weights: random"
            )
    network.load_state_dict({name: tensors[name] for name in own})


def _from_hub() -> Path:
    try:
        return Path(hf_hub_download(HUB_NAME, HUB_FILE))
    except OSError as error:
        raise UnavailableError(
            f"CLIP's weights could not be fetched from the Hugging Face hub "
            f"({type(error).__name__}). On a machine with internet access run 'hf download "
            f"{HUB_NAME} {HUB_FILE} --local-dir FOLDER', and write FOLDER/{HUB_FILE} as "
            f"text.weights; or write text.weights: random"
        ) from error


# FROM train/text/clip_text_encoder.py
# CLIP's causal text transformer, read out at every place of a sentence.
#
# CLIP (arXiv 2103.00020); SEDS (arXiv 2407.16394).


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
