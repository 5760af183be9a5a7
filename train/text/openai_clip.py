"""The text encoder of OpenAI's CLIP (arXiv 2103.00020): its tokenizer, its network, its weights.

SEDS (arXiv 2407.16394) reads it out at every position of a sentence.
"""

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
from train.text.pieces import SentencePieces, TextSpan, pieced
from train.text.text_encoder import TextEncoder

HUB_NAME = "timm/vit_base_patch32_clip_224.openai"
HUB_FILE = "open_clip_model.safetensors"

# Byte pairs with the start and the end of a sentence, and how long one was in OpenAI's training.
NUM_TOKENS = 49_408
NUM_POSITIONS = 77
HEAD_DIM = 64


def up_to_end(input_ids: Int64[Tensor, "text word"]) -> Bool[Tensor, "text word"]:
    """True up to and including the end token, which has the largest number of all.

    >>> up_to_end(torch.tensor([[49406, 518, 49407, 0]])).tolist()
    [[True, True, True, False]]
    """
    return torch.arange(input_ids.shape[1]) <= input_ids.argmax(dim=1, keepdim=True)


def kept_positions(num_tokens: int, max_words: int) -> list[int]:
    """Returns which of a sentence's tokens are kept, the end not counted: it always is.

    These are the start and, evenly spread, as many of the rest as there is room for, as in SEDS's
    published code.

    >>> kept_positions(4, 32)
    [0, 1, 2, 3]
    >>> kept_positions(8, 6)
    [0, 1, 3, 5, 7]
    """
    if num_tokens < max_words:
        return list(range(num_tokens))
    return [0, *np.linspace(1, num_tokens - 1, max_words - 2, dtype=int).tolist()]


class OpenAIClipTokenizer:
    """Start, byte pairs, end, then zeros."""

    def __init__(self, max_words: int) -> None:
        """``max_words`` counts start and end."""
        self.max_words = max_words
        self._byte_pairs = SimpleTokenizer()

    @property
    def unknown_token(self) -> None:
        """None: every byte has a token."""
        return None

    def __call__(self, sentences: Sequence[str]) -> TextBatch:
        """Returns token numbers; sentences that are too long lose words, evenly spread."""
        # Padding is zeros, which are a word too: the mask alone tells them apart.
        input_ids = torch.zeros(len(sentences), self.max_words, dtype=torch.int64)
        for row, sentence in zip(input_ids, sentences, strict=True):
            tokens = [self._byte_pairs.sot_token_id, *self._byte_pairs.encode(sentence)]
            tokens = [tokens[index] for index in kept_positions(len(tokens), self.max_words)]
            tokens.append(self._byte_pairs.eot_token_id)
            row[: len(tokens)] = torch.tensor(tokens)
        return TextBatch(input_ids, up_to_end(input_ids))

    def num_too_long(self, sentences: Sequence[str]) -> int:
        """Counts the sentences that lose words."""
        lengths = (len(self._byte_pairs.encode(sentence)) for sentence in sentences)
        return sum(length > self.max_words - 2 for length in lengths)

    def pieces(self, sentence: str) -> SentencePieces:
        """Words of a sentence in lower case, and which of them stands at each real position."""
        byte_pairs = self._byte_pairs
        cleaned = byte_pairs.clean_fn(sentence)
        spans: list[TextSpan] = [(0, 0)]  # the start
        for found in byte_pairs.pat.finditer(cleaned):
            # Byte pairs may begin inside a character: all of a match are given its whole span.
            letters = "".join(byte_pairs.byte_encoder[byte] for byte in found[0].encode())
            spans += [found.span()] * len(byte_pairs.bpe(letters).split(" "))
        kept = kept_positions(len(spans), self.max_words)
        end = (len(cleaned), len(cleaned))
        return pieced(cleaned, [*spans, end], [True] * (len(spans) + 1), kept=[*kept, len(spans)])


def openai_clip_tensors(weights: str) -> dict[str, Tensor]:
    """Reads tensors under OpenAI's names; ``weights`` is ``openai`` or the path of a file.

    Raises :class:`UnavailableError` when the hub cannot be reached, :class:`UsageError` for a file
    that cannot be read.
    """
    return read_tensors(_from_hub() if weights == "openai" else Path(weights).expanduser())


def openai_clip_file(weights: str) -> Path | None:
    """Returns the file behind ``weights`` if it is on this machine; downloads nothing."""
    if weights == "random":
        return None
    found = try_to_load_from_cache(HUB_NAME, HUB_FILE) if weights == "openai" else weights
    path = Path(found).expanduser() if isinstance(found, str) else None
    return path if path and path.is_file() else None


def fill_text_network(network: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Copies the text half of the tensors into a text transformer.

    Raises :class:`UsageError` where ``source`` lacks one or has it in another size.
    """
    own = network.state_dict()
    missing = sorted(own.keys() - tensors.keys())
    if missing:
        raise UsageError(
            f"text.weights '{source}' has no tensor '{missing[0]}': expected the weights of "
            f"OpenAI's CLIP under their names, at least text.layers blocks of them"
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
        # Safetensors, which hold nothing but tensors.
        return Path(hf_hub_download(HUB_NAME, HUB_FILE))  # nosec B615
    except OSError as error:
        raise UnavailableError(
            f"the weights of OpenAI's CLIP could not be fetched from the Hugging Face hub "
            f"({type(error).__name__}). On a machine with internet access run 'hf download "
            f"{HUB_NAME} {HUB_FILE} --local-dir FOLDER', and write FOLDER/{HUB_FILE} as "
            f"text.weights; or write text.weights: random"
        ) from error


class OpenAIClipTextEncoder(TextEncoder):
    """The text half of ViT-B/32, in any width and depth. Parameters have OpenAI's names."""

    def __init__(self, width: int, layers: int, embedding_dim: int) -> None:
        """Starts with random weights, as OpenAI's training did."""
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
        """False: there is no dropout."""
        return False

    def forward(self, text: TextBatch) -> Float[Tensor, "text word dim"]:
        """Final norm and projection of every position; OpenAI's model reads the end token's."""
        network, length = self.network, text.input_ids.shape[1]
        words = network.token_embedding(text.input_ids) + network.positional_embedding[:length]
        # Causal: a word depends on nothing after it, and so on no padding.
        words = network.transformer(words, attn_mask=network.attn_mask[:length, :length])
        return network.ln_final(words) @ network.text_projection

    def pretrained_parameters(self) -> Iterator[nn.Parameter]:
        """All of it, its projection included."""
        return self.parameters()

    def use_gradient_checkpointing(self) -> None:
        """Recomputes each block in the backward pass."""
        self.network.set_grad_checkpointing()


def build_openai_clip(
    settings: TextSettings, embedding_dim: int, *, with_weights: bool = True
) -> OpenAIClipTextEncoder:
    """Builds the encoder with the weights that the settings name."""
    encoder = OpenAIClipTextEncoder(settings.width, settings.layers, embedding_dim)
    if not with_weights:
        return encoder
    if settings.weights == "random":
        warn("the text encoder starts with random weights, because text.weights is 'random'")
    else:
        fill_text_network(encoder.network, openai_clip_tensors(settings.weights), settings.weights)
    return encoder
