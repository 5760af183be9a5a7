"""Reads a pickle of plain data and arrays by an interpreter that can do nothing else.

Unpickling runs what the file names. Python's own unpickler can be kept from foreign names, but a
few bytes still make it take gigabytes. So the file's operations are read one by one and carried out
by :mod:`seds_core.untrusted_pickles`: containers, text, numbers and arrays are made, and
everything else is refused by name. Memory is bounded by the size of the file (of what is in it,
where it is gzipped, and that by a multiple of the file's own).
"""

import pickletools
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from seds_core.errors import ImportedFileError
from seds_core.pickled_arrays import (
    CONSTRUCTORS,
    RefusedError,
    UnbuiltArray,
    UnbuiltDtype,
    plain_key,
    resolved,
)

MAX_OBJECTS = 1_000_000
"""Containers and arrays, and values that are referred to again."""
MAX_WAITING = 100_000
"""Values that wait to be put into a container."""
MAX_DEPTH = 32
"""Containers within containers."""


class PickleMachine:
    """A stack of values, marks in it, and a memo of values by number."""

    def __init__(self, content: bytes) -> None:
        """``content`` is the whole pickle."""
        self._content = content
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}
        self._num_objects = 0
        self._num_converted = 0

    def run(self) -> Any:  # noqa: ANN401 - whatever the file holds
        """Carries out all operations and gives the value that they leave.

        Raises ``RefusedError`` for what plain data does not need, and ``ValueError``,
        ``TypeError`` or ``LookupError`` for operations that do not fit each other.
        """
        for operation, argument, _ in pickletools.genops(self._content):
            name = operation.name
            if name in _VALUES:
                self.push(argument)
            elif name in _CONSTANTS:
                self.push(_CONSTANTS[name])
            elif name in _OPERATIONS:
                _OPERATIONS[name](self, argument)
            elif name == "STOP":
                return self._stack[-1]
            elif name not in _PASSED_OVER:
                shown = f"{name} {argument}" if isinstance(argument, str) else name
                raise RefusedError(f"it uses the operation {shown}, which no plain data needs")
        raise ValueError("it has no end")

    def push(self, value: Any) -> None:  # noqa: ANN401
        """Puts a value on the stack."""
        if len(self._stack) >= MAX_WAITING:
            raise RefusedError(f"it nests more than {MAX_WAITING:,} values in each other")
        self._stack.append(value)

    def new(self, value: Any) -> None:  # noqa: ANN401
        """Pushes something that takes memory of its own."""
        self._num_objects += 1
        if self._num_objects > MAX_OBJECTS:
            raise RefusedError(f"it makes more than {MAX_OBJECTS:,} containers")
        self.push(value)

    def integer(self, value: int) -> None:
        """Puts a number on the stack; none is longer than 64 bits."""
        if value.bit_length() > 64:
            raise RefusedError(f"it holds a number of {value.bit_length():,} bits")
        self.push(value)

    def mark(self, _: Any) -> None:  # noqa: ANN401
        """Remembers where the values of a container begin."""
        if len(self._marks) >= MAX_DEPTH:
            raise RefusedError(f"it nests containers more than {MAX_DEPTH} deep")
        self._marks.append(len(self._stack))

    def since_mark(self) -> list[Any]:
        """Takes all values since the last mark off the stack."""
        start = self._marks.pop()
        values = self._stack[start:]
        del self._stack[start:]
        return values

    def last(self, count: int) -> list[Any]:
        """Takes the last values off the stack."""
        if len(self._stack) < count:
            raise ValueError("it takes a value that is not there")
        values = self._stack[-count:]
        del self._stack[-count:]
        return values

    def append(self, values: Iterable[Any]) -> None:
        """Adds to the list on top."""
        self._top(list).extend(values)

    def set_items(self, values: list[Any]) -> None:
        """Adds keys and values, in turn, to the dictionary on top."""
        pairs = zip(values[::2], values[1::2], strict=True)
        self._top(dict).update((plain_key(key), value) for key, value in pairs)

    def dictionary(self, values: list[Any]) -> None:
        """Puts a new dictionary of keys and values, in turn, on the stack."""
        self.new({})
        self.set_items(values)

    def add_items(self, values: list[Any]) -> None:
        """Adds to the set on top."""
        self._top(set).update(map(plain_key, values))

    def memoize(self, number: int | None) -> None:
        """Gives the value on top a number, by default the next one."""
        number = len(self._memo) if number is None else number
        self._memo[number] = self._stack[-1]
        if len(self._memo) > MAX_OBJECTS:
            raise RefusedError(f"it refers to more than {MAX_OBJECTS:,} values")

    def recall(self, number: int) -> None:
        """Puts the value with that number on the stack."""
        self.push(resolved(self._memo[number]))

    def name(self, module: Any, name: Any) -> None:  # noqa: ANN401
        """Puts our function in place of the one that is named."""
        if not (isinstance(module, str) and isinstance(name, str)):
            raise ValueError("a name is no text")
        if (module, name) not in CONSTRUCTORS:
            raise RefusedError(f"it names {module}.{name}, which no array needs")
        self.push(CONSTRUCTORS[module, name])

    def reduce(self) -> None:
        """Calls one of our functions with arguments from the stack."""
        function, arguments = self.last(2)
        if not any(function is known for known in CONSTRUCTORS.values()):
            raise RefusedError(f"it calls a {type(function).__name__}")
        value = function(*arguments)
        if isinstance(value, bytes | set):  # made of values that a pickle may use again and again
            self._num_converted += len(value)
        if self._num_converted > len(self._content):
            raise RefusedError("it makes more bytes than it has")
        self.new(value)

    def build(self) -> None:
        """Gives an array or its type, on the stack, what it lacked."""
        (state,) = self.last(1)
        target = self._stack[-1]
        if not isinstance(target, UnbuiltDtype | UnbuiltArray):
            raise RefusedError(f"it sets the state of a {type(target).__name__}")
        self._stack[-1] = target.build(state)

    def _top(self, kind: type) -> Any:  # noqa: ANN401
        if type(self._stack[-1]) is not kind:
            raise ValueError(
                f"it adds to a {type(self._stack[-1]).__name__}, not a {kind.__name__}"
            )
        return self._stack[-1]


_VALUES = frozenset(
    "BININT BININT1 BININT2 FLOAT BINFLOAT UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "  # noqa: SIM905
    "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
"""Operations that push their argument."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}

_PASSED_OVER = frozenset(("PROTO", "FRAME"))
"""Operations that only help other readers."""

_OPERATIONS: dict[str, Callable[[PickleMachine, Any], object]] = {
    **dict.fromkeys(("INT", "LONG", "LONG1", "LONG4"), PickleMachine.integer),
    "EMPTY_LIST": lambda machine, _: machine.new([]),
    "EMPTY_DICT": lambda machine, _: machine.new({}),
    "EMPTY_SET": lambda machine, _: machine.new(set()),
    "MARK": PickleMachine.mark,
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
    "ADDITEMS": lambda machine, _: machine.add_items(machine.since_mark()),
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), PickleMachine.memoize),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), PickleMachine.recall),
    "GLOBAL": lambda machine, names: machine.name(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.name(*machine.last(2)),
    "REDUCE": lambda machine, _: machine.reduce(),
    "BUILD": lambda machine, _: machine.build(),
}


MAX_FILE_BYTES = 1 << 30
MAX_VALUES = 10_000_000
"""Values in all containers, each counted as often as it is reached."""

_GZIP = b"\x1f\x8b"
MAX_UNZIPPED = 50
"""Bytes that a byte of a gzipped file may hold; gzip itself allows a thousand."""
_SMALL = 1 << 20
"""Bytes that any gzipped file may hold."""

_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What the operations of a damaged pickle raise."""


class UnsafePickleError(ImportedFileError):
    """A pickle that is more than plain data; the reason names what was refused."""


class DamagedPickleError(ImportedFileError):
    """A file that is no pickle, or not a whole one."""


def read_pickle(path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """The plain containers, text, numbers, bytes and (read-only) arrays that a pickle holds.

    Raises :class:`UnsafePickleError` for anything else in it, :class:`DamagedPickleError` for what
    is no pickle, and ``ImportedFileError`` for a file that cannot be read.
    """
    return parse_pickle(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of a file; raises ``ImportedFileError`` for one that cannot be or is huge."""
    try:
        if not path.is_file():
            raise ImportedFileError(path, "does not exist or is no file")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ImportedFileError(path, f"is larger than {MAX_FILE_BYTES:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ImportedFileError(path, f"cannot be read: {error.strerror}") from None


def parse_pickle(content: bytes, path: Path) -> Any:  # noqa: ANN401 - whatever the file holds
    """As :func:`read_pickle`, of the bytes of the file at ``path``, gzipped or not."""
    if content.startswith(_GZIP):
        content = _unzipped(content, path)
    try:
        value = PickleMachine(content).run()
        _check_plain(value)
    except RefusedError as error:
        raise UnsafePickleError(path, f"{_printable(error)}; nothing of it was run") from None
    except _DAMAGE as error:
        raise DamagedPickleError(path, f"is no whole pickle: {_printable(error)}") from None
    return value


def _unzipped(content: bytes, path: Path) -> bytes:
    """What a gzipped file holds; no more is unpacked than it may hold."""
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


_CONTAINERS = (list, tuple, dict, set)
_PLAIN = (str, bytes, bytearray, int, float, bool, type(None), np.ndarray, np.generic)


def _check_plain(value: Any) -> None:  # noqa: ANN401
    """Raises ``RefusedError`` for what is too deep, too much, a ring, or not plain data."""
    level, num_values = [(value,)], 1
    for _ in range(MAX_DEPTH + 1):
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
        if isinstance(value, _CONTAINERS):
            yield value
        elif not isinstance(value, _PLAIN):
            raise RefusedError(f"it holds a {type(value).__name__} that it does not use")


def _printable(error: Exception) -> str:
    """One line without control characters, whatever names a file has."""
    return str(error)[:200].encode("unicode_escape").decode()
