"""The cache of what is read from buckets: never more than it may, never anything but the file."""

import multiprocessing
import os
import pickle
import random

import pytest

from seds_core.errors import UsageError
from seds_core.store.block_cache import BLOCK_BYTES, BlockCache, shared_cache

CONTENT = random.Random(0).randbytes(5 * BLOCK_BYTES + 1234)


class Bucket:
    """A file far away, and what is asked of it."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: list[tuple[int, int]] = []

    def fetch(self, start: int, stop: int) -> bytes:
        self.asked.append((start, stop))
        return self.content[start:stop]


def read(cache, bucket, start, stop, version="v1"):
    return cache.read(f"s3://b/a {version}", len(bucket.content), start, stop, bucket.fetch)


@pytest.fixture
def cache(tmp_path):
    return BlockCache(tmp_path / "blocks", 100 * BLOCK_BYTES)


def size_of(cache):
    return sum(path.stat().st_size for path in cache.folder.glob("??/*"))


def test_any_part_is_that_of_the_file_and_fetched_once(cache):
    bucket, draw = Bucket(), random.Random(1)
    for _ in range(50):
        start = draw.randrange(len(CONTENT))
        stop = draw.randrange(start, len(CONTENT)) + 1
        assert read(cache, bucket, start, stop) == CONTENT[start:stop]
    assert read(cache, bucket, len(CONTENT) - 5, len(CONTENT)) == CONTENT[-5:]
    fetched = [range(start // BLOCK_BYTES, -(-stop // BLOCK_BYTES)) for start, stop in bucket.asked]
    assert sorted(block for blocks in fetched for block in blocks) == list(range(6))


def test_missing_neighbours_are_fetched_together(cache):
    bucket = Bucket()
    read(cache, bucket, 2 * BLOCK_BYTES, 2 * BLOCK_BYTES + 1)
    read(cache, bucket, 0, len(CONTENT))
    blocks = [(2, 3), (0, 2), (3, 6)]
    assert bucket.asked == [
        (start * BLOCK_BYTES, min(stop * BLOCK_BYTES, len(CONTENT))) for start, stop in blocks
    ]


def test_a_changed_file_is_another(cache):
    read(cache, Bucket(), 0, 10)
    changed = Bucket(bytes(len(CONTENT)))
    assert read(cache, changed, 0, 10, version="v2") == bytes(10)
    assert read(cache, Bucket(), 0, 10) == CONTENT[:10]


def test_a_broken_block_is_fetched_again(cache):
    read(cache, Bucket(), 0, 10)
    [block] = cache.folder.glob("??/*")
    for broken in (block.read_bytes()[:-7], b"", b"x" + block.read_bytes()[1:]):
        block.write_bytes(broken)
        bucket = Bucket()
        assert read(cache, bucket, 0, 10) == CONTENT[:10]
        assert len(bucket.asked) == 1


def test_it_never_takes_more_than_it_may(tmp_path):
    cache = BlockCache(tmp_path / "blocks", 4 * BLOCK_BYTES)
    for version in range(5):
        for number in range(5):
            bucket = Bucket()
            start = number * BLOCK_BYTES
            read(cache, bucket, start, start + 5, version=str(version))
            assert size_of(cache) <= 4 * BLOCK_BYTES
    assert size_of(cache) >= 2 * BLOCK_BYTES


def test_what_a_killed_process_left_is_dropped_in_time(tmp_path):
    cache = BlockCache(tmp_path / "blocks", 3 * BLOCK_BYTES)
    left = cache.folder / "00" / "0.partial"
    left.parent.mkdir(parents=True)
    left.write_bytes(bytes(3 * BLOCK_BYTES))
    for number in range(5):
        read(cache, Bucket(), number * BLOCK_BYTES, number * BLOCK_BYTES + 1)
    assert not left.exists() or size_of(cache) <= 3 * BLOCK_BYTES


def _read_in_process(cache, number):
    read(cache, Bucket(), number * BLOCK_BYTES, number * BLOCK_BYTES + 1)


def test_processes_share_blocks_and_counts(cache):
    context = multiprocessing.get_context("spawn")
    for number in (0, 0, 1):
        process = context.Process(target=_read_in_process, args=(cache, number))
        process.start()
        process.join()
        assert process.exitcode == 0
    counts = cache.counts()
    assert (counts.num_found, counts.num_fetched) == (BLOCK_BYTES, 2 * BLOCK_BYTES)
    assert counts.hit_rate == pytest.approx(1 / 3)
    read(pickle.loads(pickle.dumps(cache)), Bucket(), 0, 1)
    assert cache.counts().hit_rate == 1
    assert cache.counts().hit_rate == 0
    cache.close()
    assert not list((cache.folder / "counts").iterdir())
    # Another run of the same machine finds the same blocks and counts its own.
    other = BlockCache(cache.folder, cache.max_bytes)
    bucket = Bucket()
    read(other, bucket, 0, 1)
    assert not bucket.asked


def test_a_disk_that_takes_nothing_costs_only_the_cache(cache, monkeypatch, capsys):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    for _ in range(2):
        bucket = Bucket()
        assert read(cache, bucket, 5, 10) == CONTENT[5:10]
        assert bucket.asked
    assert capsys.readouterr().err.count("not all that is read is kept there") == 1


def test_the_environment_says_how_large_it_is(monkeypatch, tmp_path):
    monkeypatch.setenv("SEDS_CACHE", str(tmp_path))
    monkeypatch.setenv("SEDS_CACHE_GIB", "0.5")
    cache = shared_cache()
    assert (cache.folder, cache.max_bytes) == (tmp_path / "blocks", 2**29)
    assert not os.listdir(tmp_path)
    monkeypatch.setenv("SEDS_CACHE_GIB", "0")
    assert shared_cache() is None
    for wrong in ("much", "-1", "inf", "nan"):
        monkeypatch.setenv("SEDS_CACHE_GIB", wrong)
        with pytest.raises(UsageError, match="SEDS_CACHE_GIB is"):
            shared_cache()
