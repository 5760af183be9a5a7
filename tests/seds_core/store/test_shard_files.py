import random

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec

from seds_core.store.disk import DiskPlace
from seds_core.store.file_checksums import Replacements
from seds_core.store.shard_files import DamagedShardError, ShardFiles

CHUNK, SHARD, LENGTH = 4, 16, 53


def create(folder, shape, dtype, *, compressor=None, length=LENGTH):
    return zarr.create_array(
        folder,
        shape=(length, *shape),
        dtype=dtype,
        chunks=(CHUNK, *shape),
        shards=(SHARD, *shape),
        compressors=[compressor or BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")],
    )


def shard_files(folder):
    metadata = (folder / "zarr.json").read_bytes()
    return ShardFiles.open(DiskPlace(folder.parent), folder.name, metadata)


def opened(folder):
    """Zarr writes no file for shards of zeros."""
    files = shard_files(folder)
    files.zeros = frozenset(n for n in files.numbers(0, LENGTH) if not files.is_there(n))
    return files


def append(files, start, runs):
    with Replacements.of(files.place) as replacements:
        for name, content in files.extended(start, runs):
            replacements.write(name, content)
        replacements.put_in_place()


def values_of(shape, dtype):
    generator = np.random.default_rng(0)
    if dtype is str:
        return np.array(
            [f"sign-{'ä' * (i % 5)}{i}" if i % 3 else "" for i in range(LENGTH)], object
        )
    if dtype == "bool":
        return generator.random((LENGTH, *shape)) > 0.5
    values = generator.normal(size=(LENGTH, *shape)) * 100
    values[20:28] = 0  # two chunks that are not stored
    values[32:48] = 0  # a shard that is no file
    return values.astype(dtype)


@pytest.fixture
def features(tmp_path):
    values = values_of((5,), "float32")
    create(tmp_path / "a", (5,), "float32")[:] = values
    return tmp_path / "a", values


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((5,), "float32"),
        ((3, 2), "float16"),
        ((), "int32"),
        ((), "uint64"),
        ((), "bool"),
        ((), str),
    ],
)
def test_every_run_is_what_zarr_reads(tmp_path, shape, dtype):
    array = create(tmp_path / "a", shape, dtype)
    array[:] = values_of(shape, dtype)
    files = opened(tmp_path / "a")
    for start in range(LENGTH):
        stop = random.Random(start).randint(start, LENGTH)
        expected = np.asarray(array[start:stop])
        found = files.read(start, stop)
        assert found.shape == expected.shape
        assert found.tolist() == expected.tolist()
        assert dtype is str or found.dtype == expected.dtype


@pytest.mark.parametrize(("start", "stop"), [(0, LENGTH), (15, 17), (16, 32), (3, 5), (7, 7)])
def test_borders_of_shards_and_chunks(features, start, stop):
    folder, values = features
    np.testing.assert_array_equal(opened(folder).read(start, stop), values[start:stop])


def test_other_compressions_by_blosc_are_read_too(tmp_path):
    compressor = BloscCodec(cname="zstd", clevel=3, shuffle="shuffle")
    create(tmp_path / "a", (5,), "float32", compressor=compressor)[:] = 3
    assert (shard_files(tmp_path / "a").read(2, 9) == 3).all()


def test_what_is_stored_otherwise_is_left_to_zarr(tmp_path):
    create(tmp_path / "gzip", (5,), "float32", compressor=GzipCodec())
    other = {
        "flat": {"shards": None},
        "filled": {"fill_value": 7},
        "tiled": {"shape": (16, 4), "chunks": (4, 2), "shards": (16, 4)},
        "big": {"dtype": ">i4", "serializer": BytesCodec(endian="big")},
    }
    for name, change in other.items():
        usual = {"shape": (16,), "dtype": "int32", "chunks": (4,), "shards": (16,)}
        zarr.create_array(tmp_path / name, compressors=[BloscCodec()], **(usual | change))
    for name in ("gzip", "flat", "filled", "tiled", "big"):
        assert shard_files(tmp_path / name) is None, name


def test_rows_that_another_process_adds_are_seen(tmp_path):
    array = create(tmp_path / "a", (), "int32", length=0)
    files = shard_files(tmp_path / "a")
    for length in (1, 6, 7, 15, 16, 40):
        before = array.shape[0]
        array.resize((length,))
        array[before:length] = np.arange(before + 1, length + 1)
        assert files.read(0, length).tolist() == list(range(1, length + 1))


def shard_of(folder):
    return folder / "c" / "0" / "0"


@pytest.mark.parametrize("keep", [0, 3, 60, 200])
def test_a_truncated_shard_is_named(features, keep):
    folder, _ = features
    shard = shard_of(folder)
    shard.write_bytes(shard.read_bytes()[:keep])
    with pytest.raises(DamagedShardError, match="c/0/0 is damaged"):
        opened(folder).read(0, 4)


def test_damage_anywhere_never_gives_more_than_wrong_numbers(features):
    """A wrong byte is refused, or changes values; what lies beside the chunk is never read."""
    folder, values = features
    content = shard_of(folder).read_bytes()
    for place in range(len(content)):
        shard_of(folder).write_bytes(
            content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        )
        try:
            assert opened(folder).read(0, 16).shape == values[:16].shape
        except DamagedShardError:
            continue


def test_a_lost_shard_is_no_zeros(features):
    folder, _ = features
    shard_of(folder).unlink()
    with pytest.raises(DamagedShardError, match="c/0/0 is missing"):
        shard_files(folder).read(0, 4)


def test_a_damaged_index_is_refused(features):
    folder, _ = features
    content = bytearray(shard_of(folder).read_bytes())
    content[-10] ^= 1
    shard_of(folder).write_bytes(content)
    with pytest.raises(DamagedShardError, match="the checksum of its index differs"):
        opened(folder).read(0, 4)


@pytest.mark.parametrize(
    ("shape", "dtype"), [((5,), "float32"), ((3, 2), "float16"), ((), "bool"), ((), str)]
)
@pytest.mark.parametrize("shuffle", ["noshuffle", "shuffle", "bitshuffle"])
def test_zarr_reads_what_is_appended(tmp_path, shape, dtype, shuffle):
    values = values_of(shape, dtype)
    compressor = BloscCodec(cname="zstd", clevel=1, shuffle=shuffle)
    array = create(tmp_path / "a", shape, dtype, compressor=compressor)
    files, random_length = shard_files(tmp_path / "a"), random.Random(0)
    start = 0
    while start < LENGTH:
        stop = min(start + random_length.choice([1, 2, 3, 4, 7, 16, 35]), LENGTH)
        append(files, start, np.split(values[start:stop], [1, (stop - start) // 2]))
        assert np.asarray(array[:stop]).tolist() == values[:stop].tolist()
        assert files.read(0, stop).tolist() == values[:stop].tolist()
        start = stop


def test_the_file_is_that_which_zarr_writes(features, tmp_path):
    folder, values = features
    values[20:48] = 1  # all chunks are stored
    array = create(tmp_path / "zarr", (5,), "float32")
    array[:] = values
    append(opened(folder), 0, [values])
    for number in range(4):
        ours, other = (f / "c" / str(number) / "0" for f in (folder, tmp_path / "zarr"))
        assert sorted(ours.read_bytes()) == sorted(other.read_bytes())  # chunks in another order
    assert list(tmp_path.rglob("*.partial")) == []


@pytest.mark.parametrize("start", [18, 20, 26, 32, 40, 48])
def test_chunks_of_zeros_that_are_not_stored_stay_zeros(features, start):
    """Of shards without such a chunk in their file, and of shards without a file."""
    folder, values = features
    append(opened(folder), start, [np.full((2, 5), 9, np.float32)])
    found = opened(folder).read(0, start + 2)
    np.testing.assert_array_equal(found[:start], values[:start])
    assert (found[start:] == 9).all()


def test_what_lay_behind_is_dropped(features):
    folder, values = features
    append(opened(folder), 18, [values[18:19]])
    assert (opened(folder).read(19, 32) == 0).all()


def test_chunks_that_stay_are_not_compressed_anew(features, monkeypatch):
    folder, values = features
    lengths = []
    encode = ShardFiles._encode
    monkeypatch.setattr(
        ShardFiles,
        "_encode",
        lambda files, pieces: lengths.append(sum(map(len, pieces))) or encode(files, pieces),
    )
    append(opened(folder), 14, [values[14:17], values[17:29]])
    assert lengths == [4, 4, 4, 4, 1]


def test_nothing_is_appended_to_a_damaged_shard(features):
    folder, values = features
    shard = shard_of(folder)
    shard.write_bytes(shard.read_bytes()[:60])
    for start in (4, 5):
        with pytest.raises(DamagedShardError, match="c/0/0 is damaged"):
            append(opened(folder), start, [values[start:8]])
    assert len(shard.read_bytes()) == 60
    assert list(folder.rglob("*.partial")) == []
