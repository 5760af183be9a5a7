"""Reads pickles of plain data and arrays, and holds them to the threat model of this project.

Threat model. Files come from other people. One may be cut off or damaged, or written to harm its
reader, so that reading it must

- **run nothing.** Unpickling calls the functions that a file names. Here :class:`PickleMachine`
  carries out the operations of a pickle one by one, and knows no function but those of
  :data:`CONSTRUCTORS`: our own ones in place of what NumPy and Python name for arrays, numbers and
  bytes. Everything else is refused by name.
- **take no more memory than the file's size explains.** A few bytes make Python's unpickler
  allocate gigabytes, even where it is kept from foreign names. Arrays here are views of the file's
  own bytes; containers, references, conversions and what a gzipped file unpacks to are counted.
- **end soon.** Depth, long numbers and tuples as keys are refused, as is a value that repeats its
  own parts until walking through it takes for ever.
- **leave nothing to the caller to check but meaning.** What is returned is made of lists, tuples,
  dictionaries, sets, text, numbers, bytes and read-only arrays of numbers or text; the reason of a
  refusal is printable.

The other readers obey the same: PyTorch files in :mod:`seds_core.torch_files`, JSON, ``.npy`` and
``.pose`` files in :mod:`extract.interchange`.
"""

import math
import pickletools
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from seds_core.errors import ImportedFileError

MAX_FILE_BYTES = 1 << 30
# Bytes that a byte of a gzipped file may hold; gzip itself allows a thousand.
MAX_UNZIPPED = 50
# Bytes that any gzipped file may hold.
_SMALL = 1 << 20
# Containers and arrays, and values that are referred to again.
MAX_OBJECTS = 1_000_000
# Values that wait to be put into a container.
MAX_WAITING = 100_000
# Containers within containers.
MAX_DEPTH = 32
# Values in all containers, each counted as often as it is reached.
MAX_VALUES = 10_000_000


class UnsafePickleError(ImportedFileError):
    """A pickle that is more than plain data; the reason names what was refused."""


class DamagedPickleError(ImportedFileError):
    """A file that is no pickle, or not a whole one."""


def read_pickle(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """Reads the plain value that a pickle holds.

    Raises :class:`UnsafePickleError` for anything else in it, :class:`DamagedPickleError` for what
    is no pickle, and ``ImportedFileError`` for a file that cannot be read.
    """
    return parse_pickle(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """Reads a file; raises ``ImportedFileError`` for one that cannot be read or is too large."""
    try:
        if not path.is_file():
            raise ImportedFileError(path, "does not exist or is no file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImportedFileError(path, f"is larger than {MAX_FILE_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ImportedFileError(path, f"cannot be read: {error.strerror}") from None


def parse_pickle(content: bytes, path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """As :func:`read_pickle`, from the bytes of the file at ``path``, gzipped or not."""
    if content.startswith(b"\x1f\x8b"):
        content = _unzipped(content, path)
    try:
        value = PickleMachine(content).run()
        _check_plain(value)
    except RefusedError as error:
        raise UnsafePickleError(path, f"{_printable(error)}; nothing of it was run") from None
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise DamagedPickleError(path, f"is no whole pickle: {_printable(error)}") from None
    return value


def _unzipped(content: bytes, path: Path) -> bytes:
    """The contents of a gzipped file; no more is unpacked than it may hold."""
    limit = min(max(MAX_UNZIPPED * len(content), _SMALL), MAX_FILE_BYTES)
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        unzipped = unpacker.decompress(content, limit)
    except zlib.error as error:
        raise DamagedPickleError(path, f"is gzipped and damaged: {error}") from None
    if unpacker.eof and not unpacker.unused_data:
        return unzipped
    if len(unzipped) == limit:
        raise UnsafePickleError(path, f"is gzipped and holds more than {limit:,} bytes: gunzip it")
    raise DamagedPickleError(path, "is gzipped and cut off, or followed by something: gunzip it")


_PLAIN = (str, bytes, bytearray, int, float, bool, type(None), np.ndarray, np.generic)


def _check_plain(value: Any) -> None:  # noqa: ANN401
    """Raises ``RefusedError`` for a value that is too deep, too much, in itself, or not plain."""
    level, num_values = [(value,)], 1
    for _ in range(MAX_DEPTH + 1):
        # A container that is referred to again is in ``level`` again: so a walk would meet it.
        num_values += sum(map(len, level))
        if num_values > MAX_VALUES:
            raise RefusedError(f"it refers to its own parts until they are {num_values:,} values")
        level = [child for container in level for child in _containers(container)]
        if not level:
            return
    raise RefusedError(f"it nests containers more than {MAX_DEPTH} deep")


def _containers(container: Any) -> Iterator[Any]:  # noqa: ANN401
    """The containers in a container; raises ``RefusedError`` for what is not plain."""
    for value in container.values() if type(container) is dict else container:
        if isinstance(value, list | tuple | dict | set):
            yield value
        elif not isinstance(value, _PLAIN):
            raise RefusedError(f"it holds a {type(value).__name__} that it does not use")


def _printable(error: Exception) -> str:
    """The message in one line without control characters, whatever names the file holds."""
    return str(error)[:200].encode("unicode_escape").decode()


class RefusedError(Exception):
    """Something that plain data has no need of; the message names it."""


class PickleMachine:
    """Carries out the operations of a pickle."""

    def __init__(self, content: bytes) -> None:
        """``content`` is the whole pickle."""
        self._content = content
        self._stack: list[Any] = []
        # Positions in the stack, at which the values of an unfinished container begin.
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._num_objects = 0
        self._num_converted = 0

    def run(self) -> Any:  # noqa: ANN401 - whatever the file holds
        """Carries out all operations and returns the value that they leave.

        Raises ``RefusedError`` for what plain data does not need, and ``ValueError``,
        ``TypeError`` or ``LookupError`` for operations that do not fit each other.
        """
        for operation, argument, _ in pickletools.genops(self._content):
            name = operation.name
            if name in _VALUES:
                self.push(argument)
            elif name in _OPERATIONS:
                _OPERATIONS[name](self, argument)
            elif name == "STOP":
                return self._stack[-1]
            elif name not in ("PROTO", "FRAME"):  # which only help other readers
                shown = f"{name} {argument}" if isinstance(argument, str) else name
                raise RefusedError(f"it uses the operation {shown}, which no plain data needs")
        raise ValueError("it has no end")

    def push(self, value: Any) -> None:  # noqa: ANN401
        """Puts a value on the stack."""
        if len(self._stack) >= MAX_WAITING:
            raise RefusedError(f"it nests more than {MAX_WAITING:,} values in each other")
        self._stack.append(value)

    def new(self, value: Any) -> None:  # noqa: ANN401
        """Pushes a value that takes memory of its own."""
        self._num_objects += 1
        if self._num_objects > MAX_OBJECTS:
            raise RefusedError(f"it makes more than {MAX_OBJECTS:,} containers")
        self.push(value)

    def integer(self, value: int) -> None:
        """Pushes a number, of at most 64 bits."""
        if value.bit_length() > 64:
            raise RefusedError(f"it holds a number of {value.bit_length():,} bits")
        self.push(value)

    def mark(self) -> None:
        """Notes that the values of a container begin here."""
        if len(self._marks) >= MAX_DEPTH:
            raise RefusedError(f"it nests containers more than {MAX_DEPTH} deep")
        self._marks.append(len(self._stack))

    def since_mark(self) -> list[Any]:
        """Pops all values since the last mark."""
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def last(self, count: int) -> list[Any]:
        """Pops the last values."""
        if len(self._stack) < count:
            raise ValueError("it takes a value that does not exist")
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    def top(self, kind: type) -> Any:  # noqa: ANN401
        """The container of one kind on top of the stack, to be added to."""
        if type(self._stack[-1]) is not kind:
            found = type(self._stack[-1]).__name__
            raise ValueError(f"it adds to a {found}, not a {kind.__name__}")
        return self._stack[-1]

    def append(self, values: list[Any]) -> None:
        """Adds to the list on top."""
        self.top(list).extend(values)

    def add(self, values: list[Any]) -> None:
        """Adds to the set on top."""
        self.top(set).update(map(_key, values))

    def set_items(self, values: list[Any]) -> None:
        """Adds alternating keys and values to the dictionary on top."""
        pairs = zip(values[::2], values[1::2], strict=True)
        self.top(dict).update((_key(key), value) for key, value in pairs)

    def dictionary(self, values: list[Any]) -> None:
        """Pushes a new dictionary of alternating keys and values."""
        self.new({})
        self.set_items(values)

    def memoize(self, number: int | None) -> None:
        """Gives the value on top a number, by default the next one."""
        number = len(self._memo) if number is None else number
        self._memo[number] = self._stack[-1]
        if len(self._memo) > MAX_OBJECTS:
            raise RefusedError(f"it refers to more than {MAX_OBJECTS:,} values")

    def recall(self, number: int) -> None:
        """Pushes the value with that number, built if it has been in the meantime."""
        # An array is memoized before its state comes: what the memo holds is the unbuilt one.
        value = self._memo[number]
        is_built = isinstance(value, UnbuiltDtype | UnbuiltArray) and value.built is not None
        self.push(value.built if is_built else value)

    def name(self, module: Any, name: Any) -> None:  # noqa: ANN401
        """Pushes our function in place of the one that is named."""
        if not (isinstance(module, str) and isinstance(name, str)):
            raise ValueError("a name is no text")
        if (module, name) not in CONSTRUCTORS:
            raise RefusedError(f"it names {module}.{name}, which no array needs")
        self.push(CONSTRUCTORS[module, name])

    def reduce(self) -> None:
        """Calls one of our functions with arguments from the stack."""
        function, arguments = self.last(2)
        # By identity: an array in the place of the function would answer == with an array.
        if not any(function is known for known in CONSTRUCTORS.values()):
            raise RefusedError(f"it calls a {type(function).__name__}")
        value = function(*arguments)
        # Arrays are views, but bytes and sets are copies, which one text may be made into again
        # and again: all copies together are as large as the pickle at most.
        if isinstance(value, bytes | set):
            self._num_converted += len(value)
        if self._num_converted > len(self._content):
            raise RefusedError("it makes more bytes than it has")
        self.new(value)

    def build(self) -> None:
        """Gives the array, or type of one, on the stack the state that it lacked."""
        (state,) = self.last(1)
        target = self._stack[-1]
        if not isinstance(target, UnbuiltDtype | UnbuiltArray):
            raise RefusedError(f"it sets the state of a {type(target).__name__}")
        self._stack[-1] = target.build(state)


# Operations that push their argument.
_VALUES = frozenset(
    "BININT BININT1 BININT2 FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "  # noqa: SIM905
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)

_OPERATIONS: dict[str, Callable[[PickleMachine, Any], object]] = {
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),  # noqa: FBT003
    "NEWFALSE": lambda machine, _: machine.push(False),  # noqa: FBT003
    **dict.fromkeys(("INT", "LONG", "LONG1", "LONG4"), PickleMachine.integer),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.new([]),
    "EMPTY_DICT": lambda machine, _: machine.new({}),
    "EMPTY_SET": lambda machine, _: machine.new(set()),
    "MARK": lambda machine, _: machine.mark(),
    "POP": lambda machine, _: machine.last(1),
    "POP_MARK": lambda machine, _: machine.since_mark(),
    "LIST": lambda machine, _: machine.new(machine.since_mark()),
    "TUPLE": lambda machine, _: machine.new(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.new(tuple(machine.last(1))),
    "TUPLE2": lambda machine, _: machine.new(tuple(machine.last(2))),
    "TUPLE3": lambda machine, _: machine.new(tuple(machine.last(3))),
    "DICT": lambda machine, _: machine.dictionary(machine.since_mark()),
    "APPEND": lambda machine, _: machine.append(machine.last(1)),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "SETITEM": lambda machine, _: machine.set_items(machine.last(2)),
    "SETITEMS": lambda machine, _: machine.set_items(machine.since_mark()),
    "ADDITEMS": lambda machine, _: machine.add(machine.since_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), PickleMachine.memoize),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), PickleMachine.recall),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.last(2)),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}


def _key(value: Any) -> Any:  # noqa: ANN401
    """The value, if it may be a key: nested tuples as keys can take hours to look up."""
    if type(value) not in (str, bytes, int, float, bool, type(None)):
        raise RefusedError(f"it has a {type(value).__name__} as a key: only text and numbers are")
    return value


# What follows are the functions that stand in the place of NumPy's and Python's. They take the same
# arguments, check them, and never take more memory than the pickle's own bytes.

# Booleans, integers, floats, complex numbers, bytes and text; never objects or records.
_NUMBERS_AND_TEXT = re.compile(r"[biufcSU][0-9]{1,9}")
_MAX_AXES = 32
_MAX_LENGTH = 1 << 40


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


def _set(values: Any) -> set[Any]:  # noqa: ANN401
    _expect(type(values) is list, "the list of a set's values")
    return {_key(value) for value in values}


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


# Module and name in a pickle, as NumPy 1 and 2 and Python write them -> what takes its place.
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
    ("__builtin__", "bytes"): lambda: b"",
    ("builtins", "bytes"): lambda: b"",
    ("__builtin__", "set"): _set,
    ("builtins", "set"): _set,
    ("collections", "OrderedDict"): lambda: {},
}
