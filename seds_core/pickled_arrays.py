"""How a pickle writes arrays, numbers and bytes, and our own functions that make them of it.

A pickle names the functions that its values are to be made with. Here are the names that NumPy 1
and 2 and Python write for plain data (protocols 0 to 5), each with a function of ours that takes
the same arguments, checks them, and never takes more memory than the pickle's own bytes.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

_MAX_AXES = 32
_MAX_LENGTH = 1 << 40
_NUMBERS_AND_TEXT = re.compile(r"[biufcSU][0-9]{1,9}")
"""Booleans, integers, floats, complex numbers, bytes and text; never objects or records."""


class RefusedError(Exception):
    """Something that plain data has no need of; the message names it."""


@dataclass(eq=False)
class UnbuiltDtype:
    """A ``numpy.dtype`` whose byte order comes later."""

    code: str
    built: np.dtype[Any] | None = None

    def build(self, state: Any) -> np.dtype[Any]:  # noqa: ANN401 - whatever the pickle holds
        """Takes the state that a pickle gives it; raises ``RefusedError`` for a record."""
        order, parts = state[1], state[2:5]
        if any(part is not None for part in parts):
            raise RefusedError(f"it holds an array of records (numpy.dtype {self.code!r})")
        _expect(order in ("<", ">", "|", "="), "a byte order")
        self.built = np.dtype(self.code).newbyteorder(order)
        return self.built


@dataclass(eq=False)
class UnbuiltArray:
    """A ``numpy.ndarray`` whose shape, type and numbers come later."""

    built: np.ndarray | None = None

    def build(self, state: Any) -> np.ndarray:  # noqa: ANN401 - whatever the pickle holds
        """Takes the state that a pickle gives it; raises ``ValueError`` where sizes differ."""
        _, shape, dtype, is_column_major, raw = state
        self.built = _array(raw, dtype, shape, "F" if is_column_major else "C")
        return self.built


def resolved(value: Any) -> Any:  # noqa: ANN401 - any value of a pickle
    """What an unbuilt value has become in the meantime; any other value itself."""
    if isinstance(value, UnbuiltDtype | UnbuiltArray) and value.built is not None:
        return value.built
    return value


def _dtype(code: Any, *_copy_and_align: Any) -> UnbuiltDtype:  # noqa: ANN401
    if not isinstance(code, str) or not _NUMBERS_AND_TEXT.fullmatch(code):
        shown = repr(code)[:20] if isinstance(code, str) else type(code).__name__
        raise RefusedError(f"it holds an array of type {shown}: only numbers and text are read")
    np.dtype(code)  # a TypeError now and not later
    return UnbuiltDtype(code)


def _array_class(*_: Any) -> NoReturn:  # noqa: ANN401
    raise RefusedError("it calls numpy.ndarray, which no pickled array does")


def _reconstruct(kind: Any, *_shape_and_type: Any) -> UnbuiltArray:  # noqa: ANN401
    _expect(kind is _array_class, "numpy.ndarray")
    return UnbuiltArray()


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:  # noqa: ANN401
    _expect(order in ("C", "F"), "the order of an array's numbers")
    return _array(raw, dtype, shape, order)


def _scalar(dtype: Any, raw: Any) -> Any:  # noqa: ANN401
    return _array(raw, dtype, (), "C")[()]


def _encode(text: Any, encoding: Any) -> bytes:  # noqa: ANN401
    """How protocols 0 to 2 write bytes."""
    _expect(encoding == "latin1" and isinstance(text, str), "text of Latin-1")
    return str(text).encode("latin1")


def _no_bytes() -> bytes:
    return b""


def _set(values: Any) -> set[Any]:  # noqa: ANN401
    _expect(type(values) is list, "the list of a set's values")
    return {plain_key(value) for value in values}


def _ordered_dict() -> dict[Any, Any]:
    return {}


def plain_key(value: Any) -> Any:  # noqa: ANN401
    """The value, if it may be a key; nested tuples as keys can take hours to look up."""
    if type(value) not in (str, bytes, int, float, bool, type(None)):
        raise RefusedError(f"it has a {type(value).__name__} as a key: only text and numbers are")
    return value


def _array(raw: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:  # noqa: ANN401
    """A view of the pickle's own bytes: whatever shape is claimed, it takes no memory."""
    if isinstance(raw, str):  # Python 2 wrote bytes so
        raw = raw.encode("latin1")
    _expect(isinstance(dtype, np.dtype), "the type of an array")
    _expect(isinstance(raw, bytes | bytearray), "the bytes of an array")
    _expect(type(shape) is tuple and len(shape) <= _MAX_AXES, "the shape of an array")
    _expect(all(type(n) is int and 0 <= n <= _MAX_LENGTH for n in shape), "an array's lengths")
    num_bytes = math.prod(shape) * dtype.itemsize
    if num_bytes != len(raw):
        raise ValueError(f"an array of {num_bytes:,} bytes is followed by {len(raw):,} bytes")
    if not num_bytes:
        return np.empty(shape, dtype)
    values = np.frombuffer(raw, dtype)
    if dtype.kind == "U":
        letters = np.frombuffer(raw, np.dtype("u4").newbyteorder(dtype.byteorder))
        _expect(bool((letters <= 0x10FFFF).all()), "the letters of a text")
    return values.reshape(shape, order=order)


def _expect(is_as_expected: bool, what: str) -> None:  # noqa: FBT001 - like assert
    if not is_as_expected:
        raise ValueError(f"{what}: not as NumPy writes it")


CONSTRUCTORS: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy", "ndarray"): _array_class,
    ("numpy", "dtype"): _dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy._core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
    ("__builtin__", "set"): _set,
    ("builtins", "set"): _set,
    ("collections", "OrderedDict"): _ordered_dict,
}
"""Module and name in a pickle -> what takes its place."""
