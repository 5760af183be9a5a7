"""Plain pickles are read as they were written; all others are refused, quickly and without harm."""

import gzip
import math
import pickle
import re
import struct
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hostile_pickles import GREEDY, HOSTILE, Calls
from shared_data import REPOSITORY

from seds_core.errors import ImportedFileError
from seds_core.untrusted_pickles import (
    MAX_FILE_BYTES,
    MAX_UNZIPPED,
    DamagedPickleError,
    UnsafePickleError,
    parse_pickle,
    read_pickle,
)

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
FILE = Path("some.pkl")


def same(found, expected):
    """Whether two values are equal to the bit, and of one kind, all the way down."""
    if isinstance(expected, np.ndarray | np.generic):
        return (
            type(found) is type(expected)
            and found.dtype == expected.dtype
            and found.shape == expected.shape
            and found.tobytes() == expected.tobytes()
        )
    if isinstance(expected, dict):
        return list(found) == list(expected) and all(same(found[k], expected[k]) for k in expected)
    if isinstance(expected, list | tuple):
        return len(found) == len(expected) and all(map(same, found, expected))
    return type(found) is type(expected) and found == expected


PLAIN = {
    "nothing": None,
    "truths": [True, False],
    "numbers": [0, 1, -1, 255, 65536, -(2**31), 2**62, -(2**63), 1.5, -0.0, math.inf],
    "text": ["", "a", "Wörter\n", "手话", "🤟", "x" * 300],
    "bytes": [b"", b"\x00\xff", b"x" * 300],
    "containers": {"list": [[], [1]], "tuple": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))},
    "set": {1, 2, "three"},
    "many": list(range(2500)),
    "keys": {1: "a", b"b": 2, 1.5: 3, None: 4, False: 5},
    "one value twice": [["shared"]] * 2,
    "captions": {f"v{i}": {"text": f"word {i}", "num_frames": i} for i in range(1200)},
}
GENERATOR = np.random.default_rng(0)
ARRAYS = {
    "float32": GENERATOR.normal(size=(5, 133, 3)).astype(np.float32),
    "float64, by columns": np.asfortranarray(GENERATOR.normal(size=(3, 4))),
    "float16, every other": GENERATOR.normal(size=(6, 4)).astype(np.float16)[::2, 1:],
    "big-endian": np.arange(6, dtype=">f4").reshape(2, 3),
    "integers": np.arange(-3, 3, dtype=np.int64),
    "bytes": np.arange(256, dtype=np.uint8),
    "truths": np.array([True, False]),
    "complex": np.array([1 + 2j]),
    "text": np.array(["images0001.png", "手话"]),
    "byte text": np.array([b"ab", b"c"]),
    "empty": np.empty((0, 133, 3), np.float32),
    "no axis": np.array(2.5),
    "nan": np.array([np.nan, -np.nan, np.inf], np.float32),
    "scalars": [np.float32(1.5), np.int64(-3), np.bool_(True), np.str_("name"), np.float64(0.1)],
    "one type for many": [np.arange(3.0), np.arange(2.0), np.float64(1)],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", PLAIN)
def test_plain_values_are_read_as_pickle_reads_them(name, protocol):
    content = pickle.dumps(PLAIN[name], protocol=protocol)
    assert same(parse_pickle(content, FILE), PLAIN[name])


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("numpy_1", [False, True])
def test_arrays_are_read_to_the_bit(name, protocol, numpy_1):
    content = pickle.dumps({"value": ARRAYS[name]}, protocol=protocol)
    if numpy_1:
        content = of_numpy_1(content)
    assert same(parse_pickle(content, FILE), {"value": ARRAYS[name]})


def of_numpy_1(content):
    """The same pickle under the module names of NumPy 1 (whose texts are a letter shorter)."""
    for module in (b"multiarray", b"numeric"):
        new, old = b"numpy._core." + module, b"numpy.core." + module
        content = content.replace(
            b"\x8c" + bytes([len(new)]) + new, b"\x8c" + bytes([len(old)]) + old
        )
        content = content.replace(b"c" + new, b"c" + old)
    assert b"_core" not in content
    return content


def test_python_2_wrote_bytes_as_text():
    raw = np.arange(2, dtype="<f4").tobytes()
    content = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntU\x01btR(I1\n(I2\nt"
        b"cnumpy\ndtype\n(U\x02f4I0\nI1\ntR(I3\nU\x01<NNNI-1\nI-1\nI0\ntbI00\nU\x08" + raw + b"tb."
    )
    assert same(parse_pickle(content, FILE), np.arange(2, dtype=np.float32))


def test_ordered_dictionaries_become_plain_ones():
    for protocol in PROTOCOLS:
        content = pickle.dumps(OrderedDict(b=1, a=2), protocol=protocol)
        assert same(parse_pickle(content, FILE), {"b": 1, "a": 2})


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_by_name(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, named = HOSTILE[name]
    with pytest.raises(UnsafePickleError, match=named) as refusal:
        parse_pickle(content, FILE)
    assert "nothing of it was run" in refusal.value.reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", GREEDY)
def test_claims_of_huge_sizes_are_refused(name):
    with pytest.raises(DamagedPickleError, match="is no whole pickle"):
        parse_pickle(GREEDY[name], FILE)


MEASURE = """
import resource, time
from hostile_pickles import GREEDY, HOSTILE
from seds_core.untrusted_pickles import parse_pickle
from seds_core.errors import ImportedFileError
from pathlib import Path

pages = int(Path("/proc/self/statm").read_text().split()[0])
limit = pages * resource.getpagesize() + (256 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
refused, slowest = 0, 0.0
for content in [content for content, _ in HOSTILE.values()] + list(GREEDY.values()):
    began = time.process_time()
    try:
        parse_pickle(content, Path("x"))
    except ImportedFileError:
        refused += 1
    slowest = max(slowest, time.process_time() - began)
print(refused, slowest)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs limits of memory")
def test_refusing_takes_little_time_and_memory_and_leaves_no_trace(tmp_path):
    paths = f"{REPOSITORY}:{REPOSITORY / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=tmp_path, env={"PYTHONPATH": paths},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    refused, slowest = done.stdout.split()
    assert int(refused) == len(HOSTILE) + len(GREEDY)
    assert float(slowest) < 1
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_cut_off_anywhere_or_with_any_byte_changed_is_read_or_refused():
    content = pickle.dumps({"keypoints": ARRAYS["float64, by columns"], "names": ["a", "b"]})
    for position in range(len(content)):
        with pytest.raises(DamagedPickleError):
            parse_pickle(content[:position], FILE)
        for byte in (0, 0xFF, ord("R"), ord("b"), ord("("), content[position] ^ 1):
            changed = content[:position] + bytes([byte]) + content[position + 1 :]
            try:
                parse_pickle(changed, FILE)
            except ImportedFileError:
                continue


def test_what_a_file_names_cannot_write_to_the_terminal():
    content = b"\x80\x04\x8c\x0a\x1b[2J\nposix\x8c\x06system\x93."
    with pytest.raises(UnsafePickleError) as refusal:
        parse_pickle(content, FILE)
    assert refusal.value.reason.isprintable()
    assert r"\x1b[2J\nposix.system" in refusal.value.reason


def test_a_file_is_read_and_named(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"name": "a"}))
    assert read_pickle(path) == {"name": "a"}
    path.write_bytes(pickle.dumps(Calls(print, "hello")))
    with pytest.raises(UnsafePickleError, match=re.escape(str(path))):
        read_pickle(path)


def test_what_is_no_file_or_too_large_is_named(tmp_path):
    with pytest.raises(ImportedFileError, match="does not exist"):
        read_pickle(tmp_path / "none.pkl")
    huge = tmp_path / "huge.pkl"
    with huge.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)  # takes no room on the disk
    with pytest.raises(ImportedFileError, match="larger than"):
        read_pickle(huge)


def test_a_number_of_a_memo_costs_nothing():
    content = b"\x80\x02]r" + struct.pack("<I", (1 << 31) - 1) + b"."
    assert parse_pickle(content, FILE) == []


def test_a_gzipped_pickle_is_read_as_if_it_were_not():
    value = {"captions": PLAIN["captions"], "keypoints": GENERATOR.random((5, 133, 3))}
    assert same(parse_pickle(gzip.compress(pickle.dumps(value)), FILE), value)


def test_a_gzipped_pickle_is_held_to_what_others_are():
    with pytest.raises(UnsafePickleError, match="names"):
        parse_pickle(gzip.compress(pickle.dumps(FILE)), FILE)


@pytest.mark.parametrize(
    ("content", "error", "reason"),
    [
        (gzip.compress(pickle.dumps(PLAIN))[:-20], DamagedPickleError, "gzipped and cut off"),
        (gzip.compress(pickle.dumps(PLAIN)) + b"x", DamagedPickleError, "followed by something"),
        (b"\x1f\x8b" + bytes(20), DamagedPickleError, "gzipped and damaged"),
        (gzip.compress(bytes(1 << 22)), UnsafePickleError, "more than 1,048,576 bytes: gunzip it"),
    ],
)
def test_a_gzipped_file_that_cannot_be_read_or_is_too_much_is_refused(content, error, reason):
    with pytest.raises(error, match=reason):
        parse_pickle(content, FILE)


def test_unpacking_is_bounded_by_the_files_own_size(tmp_path):
    packed = gzip.compress(bytes(100 << 20))
    with pytest.raises(UnsafePickleError, match=f"more than {MAX_UNZIPPED * len(packed):,} bytes"):
        parse_pickle(packed, FILE)
