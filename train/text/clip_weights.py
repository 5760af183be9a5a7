"""CLIP ViT-B/32's published weights: from the hub or from a file, and into a text transformer."""

from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from torch import Tensor, nn

from seds_core.errors import UnavailableError, UsageError
from seds_core.torch_files import read_tensors

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
