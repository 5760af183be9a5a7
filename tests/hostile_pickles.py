"""Pickles that do harm, or try to, and what a reader must say of each.

``run.log`` in the working directory is what those that run something leave behind.
"""

import builtins
import os
import pickle
import struct
from functools import partial, reduce

import numpy as np

TRACE = "run.log"


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


class Ours:
    """A class of ours: its state is set without a call that anybody sees."""

    def __setstate__(self, state):
        open(TRACE, "w").close()


def ours():
    value = Ours()
    value.name = "x"
    return pickle.dumps(value, protocol=2)


def array(shape=(2, 3), raw=b"\0" * 24, dtype=b"f4", order=b"<", kind=b"numpy\nndarray"):
    """An array by hand (protocol 2), with whatever shape and type it claims."""
    lengths = b"".join(b"\x8a\x08" + struct.pack("<q", n) for n in shape)
    return (
        b"\x80\x02cnumpy._core.multiarray\n_reconstruct\n(c" + kind + b"\n(K\0tU\x01btR"
        b"(K\x01(" + lengths + b"tcnumpy\ndtype\n(U" + bytes([len(dtype)]) + dtype
        + b"\x89\x88tR(K\x03U\x01" + order + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89"
        b"T" + struct.pack("<i", len(raw)) + raw + b"tb."
    )  # fmt: skip


def laughs():
    """Lists of ten references to the list before: 10 ** 20 values in 500 bytes."""
    lists = b"".join(b"](" + b"h%c" % i * 10 + b"eq%c" % (i + 1) for i in range(20))
    return b"\x80\x02](K\x01K\x02eq\0" + lists + b"."


def top_down():
    """Lists that get their content only when they lie in each other already."""
    return b"\x80\x02]q\0" + b"".join(b"h%c]q%ca0" % (i, i + 1) for i in range(100)) + b"."


def keys():
    """Tuples of two references to the tuple before, as a key: hashing takes 2 ** 60 steps."""
    tuples = b"".join(b"h%ch%c\x86q%c" % (i, i, i + 1) for i in range(60))
    return b"\x80\x02K\x01\x85q\0" + tuples + b"0}h\x3cK\x01s."


def conversions():
    """A megabyte of text that becomes bytes ten thousand times."""
    text = b"X" + struct.pack("<i", 1 << 20) + b"a" * (1 << 20)
    encode = b"c_codecs\nencode\nq\0" + text + b"X\x06\0\0\0latin1\x86q\x01R0"
    return b"\x80\x02](" + encode + b"h\0h\x01R" * 10_000 + b"e."


def rows(count):
    """Arrays whose type is a table of other types."""
    return np.zeros(count, [("name", "U8"), ("value", "f4")])


def chain():
    """getattr(getattr(builtins.str, 'format'), '__globals__')."""
    inner = Calls(getattr, str, "format")
    return pickle.dumps(Calls(getattr, inner, "__globals__"))


def lengthy(code, length="<Q", size=10_000_000_000):
    return b"\x80\x05" + code + struct.pack(length, size) + b"short."


HOSTILE = {
    "os.system": (pickle.dumps(Calls(os.system, f"touch {TRACE}")), "posix.system"),
    "os.system, text": (b"cos\nsystem\n(S'touch run.log'\ntR.", "os.system"),
    "eval": (pickle.dumps(Calls(eval, f"open('{TRACE}', 'w')")), "builtins.eval"),
    "exec": (pickle.dumps({"keypoints": Calls(exec, "1")}, protocol=0), "__builtin__.exec"),
    "open": (pickle.dumps(Calls(open, TRACE, "w")), "io.open"),
    "a class of ours": (ours(), "hostile_pickles.Ours"),
    "a class, protocol 4": (pickle.dumps(Ours(), protocol=4), "hostile_pickles.Ours"),
    "partial": (pickle.dumps(partial(os.system, "true")), "functools.partial"),
    "nested reduce": (pickle.dumps(Calls(reduce, Calls(map, eval, ["1"]))), "functools.reduce"),
    "getattr chain": (chain(), "builtins.getattr"),
    "import": (pickle.dumps(Calls(builtins.__import__, "this")), "builtins.__import__"),
    "attribute chain": (b"\x80\x04\x8c\x05numpy\x8c\x0bos.path.abs\x93.", "os.path.abs"),
    "numpy.memmap": (array(kind=b"numpy\nmemmap"), "numpy.memmap"),
    "numpy.fromfile": (b"cnumpy\nfromfile\n(S'/etc/passwd'\ntR.", "numpy.fromfile"),
    "numpy.load": (b"cnumpy\nload\n(S'x.npy'\ntR.", "numpy.load"),
    "numpy.ndarray called": (b"cnumpy\nndarray\n((J\xff\xff\xff\x7ftS'f8'\ntR.", "numpy.ndarray"),
    "objects": (pickle.dumps(np.array([Calls(print, 1)], object)), "'O8'"),
    "array of objects": (array(dtype=b"O8", order=b"|"), "'O8'"),
    "records": (pickle.dumps(rows(2)), "'V36'"),
    "INST": (b"(S'touch run.log'\nios\nsystem\n.", "INST os system"),
    "OBJ": (b"(cos\nsystem\nS'touch run.log'\no.", "os.system"),
    "OBJ of a known name": (b"(cnumpy\ndtype\nS'f4'\no.", "OBJ"),
    "NEWOBJ": (b"\x80\x02cnumpy\ndtype\nU\x02f4\x85\x81.", "NEWOBJ"),
    "extension registry": (b"\x80\x02\x82\x01.", "EXT1"),
    "persistent id": (b"\x80\x02U\x03abcQ.", "BINPERSID"),
    "persistent id, text": (b"Pabc\n.", "PERSID abc"),
    "buffer outside": (b"\x80\x05\x97.", "NEXT_BUFFER"),
    "call of a text": (b"\x80\x02U\x04eval)R.", "calls a str"),
    "state of a list": (b"\x80\x02]}b.", "state of a list"),
    "a bare dtype": (pickle.dumps(np.dtype("f4")), "DType"),
    "nested lists": (b"\x80\x02" + b"]" * 100_001 + b"a" * 100_000 + b".", "nests"),
    "nested lists, fewer": (b"\x80\x02" + b"]" * 50_000 + b"a" * 49_999 + b".", "nests"),
    "nested lists, from the top": (top_down(), "deep"),
    "nested marks": (b"\x80\x02" + b"(" * 1000 + b"t" * 1000 + b".", "deep"),
    "a list in itself": (b"\x80\x02]q\0h\0a.", "deep"),
    "billion laughs": (laughs(), "refers to its own parts"),
    "nested tuples as a key": (keys(), "tuple as a key"),
    "conversions without end": (conversions(), "more bytes than it has"),
    "a long number": (b"\x80\x02\x8b@B\x0f\0" + b"\x7f" * 1_000_000 + b".", "7,999,999 bits"),
}  # fmt: skip
"""Name -> a pickle, and a pattern for what the refusal names."""

GREEDY = {
    "bytes of 10 GB": lengthy(b"\x8e"),
    "bytes of 2 ** 63": lengthy(b"\x8e", size=1 << 63),
    "byte array of 10 GB": lengthy(b"\x96"),
    "text of 10 GB": lengthy(b"\x8d"),
    "bytes of 4 GB": lengthy(b"B", "<I", 4_000_000_000),
    "a number of 2 GB": lengthy(b"\x8b", "<i", 2_000_000_000),
    "array of 10 GB": array(shape=(2_500_000_000,)),
    "array whose size wraps around": array(shape=(1 << 40, 1 << 40, 1 << 40)),
    "array of negative length": array(shape=(-2, -3)),
    "array of too many axes": array(shape=(1,) * 33),
    "text of 1 GB a letter": array(dtype=b"U250000000", shape=(10,)),
    "type that does not exist": array(dtype=b"f3"),
    "no byte order": array(order=b"Z"),
    "letters that do not exist": array(dtype=b"U1", raw=b"\xff" * 24),
}
"""Pickles that claim what they do not hold."""
