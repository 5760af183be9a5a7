"""Reads the tensors of a weights file without running anything that the file says.

A PyTorch file is a pickle, and a pickle may call any function it names. PyTorch's ``weights_only``
reader calls none but those that make tensors; safetensors files hold nothing else.
"""

import hashlib
import os
import pickle
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from seds_core.errors import UsageError

# FROM train/checkpoints/checksum.py
# A checksum at the end of a checkpoint, so that a flipped bit is damage and not a weight.
#
# PyTorch writes ZIP archives, whose entries carry CRC-32 sums that its own reader does not look at,
# and whose headers carry none. An archive may end in a comment: ours holds the SHA-256 of everything
# before it.


_MARK = b"sha256:"
_SEAL_BYTES = len(_MARK) + 64


def seal(file: BinaryIO) -> None:
    """Adds the checksum to a ZIP archive without a comment, open for reading and writing."""
    file.seek(-2, os.SEEK_END)
    file.write(_SEAL_BYTES.to_bytes(2, "little"))  # the length of the comment
    size = file.tell()
    file.write(_seal_of(file, size))


def damage_of(path: Path) -> str | None:
    """What is wrong with an archive, such as a flipped bit; ``None`` for whole and other files.

    Of an archive without a seal, made by an earlier version or by others, the sums of its entries
    are checked.
    """
    with path.open("rb") as file:
        if file.read(len(_ZIP_START)) != _ZIP_START:
            return None
        try:
            with zipfile.ZipFile(file) as archive:
                if not archive.comment:
                    entry = archive.testzip()
                    return entry and f"the checksum of its part {entry} does not agree"
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, ValueError, OSError) as error:
            return f"it may be cut off ({error})"
        size = file.seek(0, os.SEEK_END) - _SEAL_BYTES
        is_whole = size > 0 and _seal_of(file, size) == file.read()
    return None if is_whole else "its checksum does not agree"


def _seal_of(file: BinaryIO, size: int) -> bytes:
    """The seal of the first ``size`` bytes; the file stands behind them afterwards."""
    file.seek(0)
    digest = hashlib.sha256()
    while size:
        block = file.read(min(size, 2**20))
        if not block:
            break
        digest.update(block)
        size -= len(block)
    return _MARK + digest.hexdigest().encode()


WRAPPERS = ("model", "state_dict")
"""Under one of these a training checkpoint keeps the network; the rest of the file is left out."""

DEEPEST = 20
"""Dictionaries inside each other."""

_ZIP_START = b"PK\x03\x04"


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a ``.bin``, ``.pth``, ``.pt`` or ``.safetensors`` file by name, on the CPU.

    Names inside nested dictionaries are joined by dots; a leading ``module.`` is taken off. Number
    types stay as they are. Raises :class:`UsageError` for a file that is not what it should be,
    such as one whose checksums do not agree.
    """
    start = _start_of(path)
    content = _read_safetensors(path) if start[8:9] == b"{" else _read_torch(path, start)
    if isinstance(content, Mapping):
        wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        content = content if wrapper is None else content[wrapper]
    tensors: dict[str, Tensor] = {}
    for full_name, tensor in _named(content, path):
        name = full_name.removeprefix("module.")
        if name in tensors:
            raise UsageError(
                f"{path} has two tensors '{name}', under this name and as '{full_name}': save the "
                "one that is meant alone"
            )
        tensors[name] = tensor
    if not tensors:
        raise UsageError(
            f"{path} is no file of weights: expected tensors by name, at the top or under "
            f"'{WRAPPERS[0]}' or '{WRAPPERS[1]}', found {type(content).__name__} without any"
        )
    return tensors


def _start_of(path: Path) -> bytes:
    """The first bytes, once they do not say that this is another kind of file."""
    try:
        with path.open("rb") as file:
            start = file.read(256)
    except FileNotFoundError:
        raise UsageError(f"there is no weights file {path}") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read as a weights file ({error.strerror})") from None
    if start.startswith(b"version https://git-lfs"):
        raise UsageError(f"{path} is a Git LFS pointer, not the file itself: run 'git lfs pull'")
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UsageError(
            f"{path} is a web page, not a weights file: download the file itself, perhaps logged in"
        )
    return start


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise UsageError(
            f"{path} is damaged or cut off: not a whole safetensors file ({_first_line(error)})"
        ) from error


def _read_torch(path: Path, start: bytes) -> Any:  # noqa: ANN401 - whatever the file holds
    is_zip = start.startswith(_ZIP_START)
    if is_zip:
        _refuse_bad_archive(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        raise UsageError(
            f"{path} is damaged, or holds more than tensors and was not read, because such a file "
            f"can run code. Expected what torch.save makes of a state dict ({_first_line(error)})"
        ) from error
    except Exception as error:  # Damaged bytes end PyTorch's reader in every way there is.
        raise UsageError(
            f"{path} cannot be read as a PyTorch or safetensors file; it may be cut off "
            f"({_first_line(error)})"
        ) from error


def _refuse_bad_archive(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise UsageError(f"{path} is cut off: fetch the file again")
    if damage := damage_of(path):
        raise UsageError(f"{path} is damaged: {damage}. Fetch the file again, or copy it anew")
    with zipfile.ZipFile(path) as archive:
        if any(name.endswith("/constants.pkl") for name in archive.namelist()):
            raise UsageError(
                f"{path} is a TorchScript archive, which is a program. If you trust it, save its "
                f"tensors once: torch.save(torch.jit.load(FILE).state_dict(), NEW_FILE)"
            )


def _named(
    content: object, path: Path, names: tuple[str, ...] = ()
) -> Iterator[tuple[str, Tensor]]:
    """All tensors in nested mappings."""
    name = ".".join(names)
    if len(names) > DEEPEST:
        raise UsageError(
            f"{path} nests more than {DEEPEST} dictionaries, or one that holds itself, at "
            f"'{'.'.join(names[:3])}': expected tensors by name"
        )
    if isinstance(content, Tensor) and names:
        if content.layout is not torch.strided or content.is_meta or content.is_quantized:
            raise UsageError(
                f"{path} holds '{name}' as a sparse, quantized or empty tensor: save it as plain "
                "numbers, with tensor.to_dense() or tensor.dequantize()"
            )
        yield name, content
    elif isinstance(content, Mapping):
        for key, value in content.items():
            yield from _named(value, path, (*names, str(key)))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
