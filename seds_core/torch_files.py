"""The one reader of PyTorch and safetensors files, and the checksum of our own checkpoints.

A PyTorch file is a pickle, and a pickle may call any function it names. Under the threat model of
:mod:`seds_core.untrusted_pickles` it gets to make tensors, numbers, texts and containers here, and
nothing else:

- PyTorch's ``weights_only`` reader calls none but its own functions. NumPy's numbers and arrays,
  which training leaves in checkpoints, are allowed in addition: making one does nothing else.
- Files of OpenMMLab's training also hold its log and its optimiser. For them, and only where the
  caller asks for it, a second reader replaces everything else by inert objects.
- Archives of TorchScript are programs and are refused; safetensors files hold nothing but tensors.

Every refusal is a :class:`UsageError` that names the file.
"""

import collections
import hashlib
import os
import pickle
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from seds_core.errors import UsageError, first_names

WRAPPERS = ("model", "state_dict")
"""Under one of these a training checkpoint keeps the network; the rest of the file is left out."""

DEEPEST = 20
"""Dictionaries inside each other."""

_ZIP_START = b"PK\x03\x04"


def read_tensors(path: Path, *, ignore_objects: bool = False) -> dict[str, Tensor]:
    """Reads the tensors of a ``.bin``, ``.pth``, ``.pt`` or ``.safetensors`` file, on the CPU.

    Returns them as :func:`tensors_in` does. Raises :class:`UsageError` for a file that is not what
    it should be, such as one whose checksums do not agree; ``ignore_objects`` as in
    :func:`read_content`.
    """
    return tensors_in(read_content(path, ignore_objects=ignore_objects), path)


def read_content(path: Path, *, ignore_objects: bool = False) -> Any:  # noqa: ANN401 - whatever it holds
    """Reads everything that a file holds; raises :class:`UsageError` as :func:`read_tensors` does.

    Objects that are neither tensors nor plain values are refused, or, with ``ignore_objects``,
    become an :class:`Inert` one.
    """
    start = _start_of(path)
    # safetensors files begin with the length of a JSON header.
    if start[8:9] == b"{":
        try:
            return load_file(path)
        except SafetensorError as error:
            raise UsageError(
                f"{path} is damaged or cut off: not a whole safetensors file ({_first_line(error)})"
            ) from error
    # torch.save writes ZIP archives since version 1.6; before, it wrote bare pickles.
    is_zip = start.startswith(_ZIP_START)
    if is_zip:
        _refuse_bad_archive(path)
    try:
        with torch.serialization.safe_globals(_numpy_numbers()):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    except pickle.UnpicklingError as error:
        # The reader says the same of foreign objects and of damaged bytes.
        if ignore_objects:
            return _read_with_inert_objects(path)
        raise UsageError(
            f"{path} is damaged, or holds more than tensors and was not read, because such a file "
            f"can run code. Expected what torch.save makes of a state dict ({_first_line(error)})"
        ) from error
    except Exception as error:  # Damaged bytes end PyTorch's reader in every way there is.
        raise UsageError(
            f"{path} cannot be read as a PyTorch or safetensors file; it may be cut off "
            f"({_first_line(error)})"
        ) from error


def tensors_in(content: object, path: Path) -> dict[str, Tensor]:
    """Returns the tensors in what a file holds, by name.

    They lie at the top, or under one of :data:`WRAPPERS`. Names inside nested dictionaries are
    joined by dots; a leading ``module.`` is taken off. Number types stay as they are.
    """
    if isinstance(content, Mapping):
        wrapper = next((key for key in WRAPPERS if isinstance(content.get(key), Mapping)), None)
        content = content if wrapper is None else content[wrapper]
    tensors: dict[str, Tensor] = {}
    for full_name, tensor in _named(content, path):
        # DistributedDataParallel puts module. before every name.
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


def fill_network(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Copies all tensors of a file into a frozen network.

    Raises :class:`UsageError` for a file that does not fit, listing what is missing or too much.
    Batch norm's count of training steps plays no part in a frozen network and may be missing.
    """
    fault = f"{path} does not fit {type(network).__name__}"
    try:
        missing, unexpected = network.load_state_dict(dict(tensors), strict=False)
    except RuntimeError as error:  # Tensors of another shape; torch lists them.
        raise UsageError(f"{fault}: {error}") from error
    differences = {
        what: [name for name in names if not name.endswith("num_batches_tracked")]
        for what, names in (("missing", missing), ("unexpected", unexpected))
    }
    if any(differences.values()):
        raise UsageError(
            f"{fault}: "
            + "; ".join(
                f"{what}: {first_names(names, 5)}" for what, names in differences.items() if names
            )
        )


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
    # A tensor that is the whole file has no name, and fits no model.
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


class Inert:
    """Stands for any object that is neither a tensor nor a plain value; does nothing."""

    def __new__(cls, *_arguments: object, **_named: object) -> "Inert":
        """Ignores the arguments."""
        return super().__new__(cls)

    def __init__(self, *_arguments: object, **_named: object) -> None: ...

    def __setstate__(self, _state: object) -> None: ...

    # A pickle sets entries and elements of what it takes for a mapping or a list.
    def __setitem__(self, _key: object, _value: object) -> None: ...

    def append(self, _value: object) -> None:
        """Ignores the element."""

    def extend(self, _values: object) -> None:
        """Ignores the elements."""


class _Sealed:
    """A function whose attributes a pickle cannot change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: object) -> Any:  # noqa: ANN401 - the function's result
        return self._function(*arguments)

    def __setstate__(self, _state: object) -> None:
        raise pickle.UnpicklingError("the file changes a function of torch")


_NUMPY_FUNCTIONS: dict[tuple[str, str], Any] = {
    (f"numpy.{core}.multiarray", name): getattr(np._core.multiarray, name)
    for core in ("core", "_core")  # NumPy 1 and 2
    for name in ("_reconstruct", "scalar")
}
"""What pickled numbers and arrays call."""

_HARMLESS_GLOBALS: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("_codecs", "encode"): _Sealed(lambda text, encoding: text.encode(encoding)),
    ("torch._utils", "_rebuild_tensor"): _Sealed(torch._utils._rebuild_tensor),
    ("torch._utils", "_rebuild_tensor_v2"): _Sealed(torch._utils._rebuild_tensor_v2),
    ("torch._utils", "_rebuild_parameter"): _Sealed(torch._utils._rebuild_parameter),
    ("torch", "Size"): torch.Size,
    ("torch", "device"): torch.device,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    **_NUMPY_FUNCTIONS,
}


def _numpy_numbers() -> list[Any]:
    """What the ``weights_only`` reader has to allow for NumPy's numbers and arrays."""
    named = [(function, ".".join(name)) for name, function in _NUMPY_FUNCTIONS.items()]
    kinds = ("bool", "int32", "int64", "float32", "float64")
    return [*named, np.ndarray, np.dtype, *(type(np.dtype(kind)) for kind in kinds)]


class InertUnpickler(pickle.Unpickler):
    """An unpickler that knows harmless constructors by name, and :class:`Inert` by every other."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401, D102 - as in pickle
        return _HARMLESS_GLOBALS.get((module, name), Inert)


def _read_with_inert_objects(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    if tarfile.is_tarfile(path):  # torch.load would unpack it
        raise UsageError(f"{path} is a tar archive, not a checkpoint")
    # torch.load takes a module in pickle's place: it asks for Unpickler, in files of before 1.6 for
    # ``load`` too, and for the module's name, to tell dill from others.
    inert_pickle = SimpleNamespace(
        __name__="inert_pickle",
        Unpickler=InertUnpickler,
        load=lambda file, **options: InertUnpickler(file, **options).load(),
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of weights_only=False, numpy of old names
            # inert_pickle calls nothing that the file names.
            return torch.load(  # nosec B614
                path, map_location="cpu", weights_only=False, pickle_module=inert_pickle
            )
    except Exception as error:  # A hostile or broken file may fail in any way whatever.
        raise UsageError(f"{path} is not a readable checkpoint ({_first_line(error)})") from error


# PyTorch writes ZIP archives, whose entries carry CRC-32 sums that its own reader does not look at,
# and whose headers carry none. An archive may end in a comment: that of our own checkpoints holds
# the SHA-256 of everything before it, so that a flipped bit is damage and not a weight.
_MARK = b"sha256:"
_SEAL_BYTES = len(_MARK) + 64


def seal(file: BinaryIO) -> None:
    """Adds the checksum to a ZIP archive without a comment, open for reading and writing."""
    # Such an archive ends in two bytes for the length of its comment, which are zero.
    file.seek(-2, os.SEEK_END)
    file.write(_SEAL_BYTES.to_bytes(2, "little"))  # the length of the comment
    size = file.tell()
    file.write(_seal_of(file, size))


def damage_of(path: Path) -> str | None:
    """Says what is wrong with an archive, such as a flipped bit; ``None`` for other files.

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
