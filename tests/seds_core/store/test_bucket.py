"""What every place promises of its files, kept by a bucket; and what goes wrong on the way."""

import pickle
import sys
from concurrent.futures import ThreadPoolExecutor

import obstore
import pytest
from finished_videos import RGB, finished, problems_of

from seds_core.errors import UnavailableError, UsageError
from seds_core.store.arrays import StoreArrays
from seds_core.store.block_cache import BlockCache
from seds_core.store.bucket import BucketPlace
from seds_core.store.commit import StoreRoot
from seds_core.store.packed_store import _entry_of, _video_columns
from seds_core.store.place import Absent, ChangedError, place_of
from seds_core.store.provenance import StoreMismatchError
from seds_core.store.reader import StoreReader


@pytest.fixture
def place(bucket) -> BucketPlace:
    return BucketPlace(f"{bucket}/deep/rgb.zarr")


def test_a_file_is_written_read_in_part_and_replaced(place):
    assert place.look("rows/a") is None
    assert not place.exists()
    with pytest.raises(FileNotFoundError, match=r"rgb\.zarr/rows/a"):
        place.read("rows/a")
    first = place.write("rows/a", b"0123456789")
    assert first == place.look("rows/a")
    assert place.exists()
    assert place.read("rows/a", 2, 5) == b"234"
    assert place.read("rows/a", 8, 20) == b"89"
    assert place.read("rows/a", 20) == b""
    second = place.write("rows/a", b"9876543210")
    assert second.version != first.version
    assert place.read_seen("rows/a") == (b"9876543210", place.look("rows/a"))


def test_only_one_of_many_makes_and_replaces_a_file(place):
    def attempt(number: int, only_if) -> bool:
        try:
            place.write("lock", b"%d" % number, only_if=only_if)
        except ChangedError:
            return False
        return True

    for only_if, first in ((Absent(), 10), (None, 20)):
        seen = only_if or place.look("lock")
        with ThreadPoolExecutor(4) as pool:
            made = list(pool.map(lambda n, seen=seen: attempt(n, seen), range(first, first + 8)))
        assert made.count(True) == 1
        assert place.read("lock") == b"%d" % (first + made.index(True))
    seen = place.look("lock")
    place.remove(["lock", "never/there"])
    with pytest.raises(ChangedError, match="lock has been changed by another process"):
        place.write("lock", b"2", only_if=seen)
    assert place.look("lock") is None


def test_names_and_places(place):
    for name in ("videos/b", "rows/x/1", "rows/x/0", "rows/y", "zarr.json"):
        place.write(name, name.encode())
    found = dict(place.names())
    assert list(found) == ["rows/x/0", "rows/x/1", "rows/y", "videos/b", "zarr.json"]
    assert [name for name, _ in place.names("rows/x")] == ["rows/x/0", "rows/x/1"]
    assert place.look_at(["rows/y", "none"]) == {"rows/y": place.look("rows/y")}
    assert place.below("rows").read("y") == b"rows/y"
    assert place.beside("other").url == place.url.replace("rgb.zarr", "other")
    other = pickle.loads(pickle.dumps(place))
    assert other.read("rows/y") == b"rows/y"
    for use in (place.below, place.beside, lambda name: place.write(name, b"")):
        with pytest.raises(ValueError, match="is no name of a file within"):
            use("../outside")


def test_an_open_file_is_one_version(place):
    place.write("a", bytes(range(100)))
    with place.open("a") as file:
        assert file.read([(10, 12), (0, 1), (98, 200), (5, 5)]) == [b"\n\x0b", b"\0", b"bc", b""]
        place.write("a", bytes(100))
        with pytest.raises(ChangedError):
            file.read([(10, 12)])
    with place.open("a") as file:
        assert file.read([(10, 12)]) == [b"\0\0"]


def test_a_batch_fails_where_another_has_written_since(place):
    place.write("rows/a", b"before")
    with place.batch() as batch:
        for name in ("rows/a", "rows/b"):
            with batch.file(name) as file:
                file.write(b"ours")
        assert place.read("rows/a") == b"before"
        batch.publish()
    assert (place.read("rows/a"), place.read("rows/b")) == (b"ours", b"ours")
    for name in ("rows/a", "rows/c"):
        with place.batch() as batch:
            with batch.file(name) as file:
                file.write(b"too late")
            place.write(name, b"theirs")
            with pytest.raises(ChangedError):
                batch.publish()
        assert place.read(name) == b"theirs"


def extend(arrays, *ids):
    """Appends videos as whoever holds the lock does."""
    videos = [finished(video_id) for video_id in ids]
    append(arrays, videos)


def append(arrays, videos):
    first, entries = arrays.commit.num_rows, []
    for video in videos:
        entries.append(_entry_of(video, first_row=first, checksum=video.checksum))
        first += video.num_rows
    rows = {s.name: [v.rows[s.name] for v in videos] for s in arrays.row_specs}
    arrays.append(rows, _video_columns(entries), {})


def test_whose_lock_was_taken_over_cannot_commit(place, monkeypatch):
    slow = StoreArrays.create(place, RGB)
    extend(slow, "a")
    other = StoreArrays(BucketPlace(place.url))
    put_in_place = type(slow).put

    def overtaken(arrays, replacements, commit):
        if arrays is slow:
            extend(other, "theirs")
        put_in_place(arrays, replacements, commit)

    monkeypatch.setattr(StoreArrays, "put", overtaken)
    with pytest.raises(ChangedError):
        extend(slow, "too late")
    store = StoreReader(place.url)
    assert list(store.videos) == ["a", "theirs"]
    assert store.rows("theirs")["first_frame"].tolist() == [0, 1, 2]


def test_who_has_put_all_files_but_the_root_is_kept_out_too(place, monkeypatch):
    """By the one that took the lock over and has begun: both have the same root before them."""
    slow = StoreArrays.create(place, RGB)
    extend(slow, "a")
    other = StoreArrays(BucketPlace(place.url))
    write = StoreRoot.write

    def overtaken(root, commit):
        if root is slow.root:
            other.root.begin()
        write(root, commit)

    monkeypatch.setattr(StoreRoot, "write", overtaken)
    with pytest.raises(ChangedError):
        extend(slow, "too late")
    # What it has put is no damage, and is replaced.
    assert list(StoreReader(place.url).videos) == ["a"]
    extend(other, "theirs")
    assert list(StoreReader(place.url).videos) == ["a", "theirs"]
    assert problems_of(place.url) == []


def test_opening_and_reading_ask_for_few_files(place, proxy):
    extend(StoreArrays.create(place, RGB), "a", "b")
    before = len(proxy.requests)
    store = StoreReader(place.url)
    rows = store.rows("b")
    for name, values in finished("b").rows.items():
        assert (rows[name] == values).all()
    asked = proxy.requests[before:]
    assert sum("list-type" in line for line in asked) == 1
    # The descriptions of arrays are read; no file is asked for by itself, but for the root.
    assert sum("HEAD" in line for line in asked) <= 4
    before = len(proxy.requests)
    store.rows("a")
    assert len(proxy.requests) - before == len(rows)


def test_errors_say_what_to_do(bucket, monkeypatch):
    with pytest.raises(StoreMismatchError, match=f"there is no store {bucket}/none"):
        StoreReader(f"{bucket}/none")
    with pytest.raises(UnavailableError, match="there is no bucket s3://nowhere: make it"):
        StoreReader("s3://nowhere/pose.zarr")
    for url in ("s3://bucket", "s3:///a", "ftp://bucket/a", "s3://bucket//a"):
        with pytest.raises(UsageError, match=r"is named like s3://bucket/folder/pose\.zarr"):
            place_of(url)
    monkeypatch.setattr("seds_core.store.bucket._ATTEMPTS", 2)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(UnavailableError, match=r"no answer.*AWS_ENDPOINT_URL"):
        StoreReader(f"{bucket}/pose.zarr")


def test_what_is_not_there_keeps_nothing_from_being_removed(place, monkeypatch):
    """Microsoft's and Google's servers refuse to remove it, and leave what comes after."""
    delete = obstore.delete

    def delete_in_order(store, paths):
        for path in [paths] if isinstance(paths, str) else paths:
            obstore.head(store, path)  # raises
            delete(store, path)

    monkeypatch.setattr(obstore, "delete", delete_in_order)
    place.write("a", b"1")
    place.write("b", b"2")
    place.remove(["a", "never/there", "b"])
    assert list(place.names()) == []


def test_listings_without_quotes_tell_the_same_version(place, monkeypatch):
    """As Microsoft's servers send them."""
    listed = obstore.list

    def list_without_quotes(*arguments, **options):
        for part in listed(*arguments, **options):
            yield [entry | {"e_tag": entry["e_tag"].strip('"')} for entry in part]

    monkeypatch.setattr(obstore, "list", list_without_quotes)
    seen = place.write("a", b"1")
    assert place.look_at(["a"]) == {"a": seen}
    place.write("a", b"2", only_if=place.look_at(["a"])["a"])
    assert place.read("a") == b"2"


def test_a_missing_bucket_is_told_from_a_missing_file(place, monkeypatch):
    for code in ("NoSuchBucket", "ContainerNotFound"):

        def refuse(*_, code=code, **__):
            raise FileNotFoundError(f"404 <Code>{code}</Code>")

        monkeypatch.setattr(obstore, "get", refuse)
        with pytest.raises(UnavailableError, match=r"there is no bucket s3://bucket-\w+: make it"):
            place.read("a")


def test_without_the_extra_one_sentence_says_which(monkeypatch):
    monkeypatch.delitem(sys.modules, "seds_core.store.bucket")
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(UnavailableError, match=r"install the extra \[bucket\]"):
        place_of("s3://bucket/pose.zarr")


def test_connections_are_cut(place, proxy):
    """Also where a put was carried out and its answer was lost."""
    arrays = StoreArrays.create(place, RGB)
    proxy.cuts_left, proxy.share = 25, 0.1
    for number in range(4):
        extend(arrays, f"a{number}", f"b{number}")
    assert proxy.num_cut >= 10
    proxy.cuts_left = 0
    store = StoreReader(place.url)
    assert sorted(store.videos) == sorted(f"{v}{n}" for v in "ab" for n in range(4))
    for video_id in store.videos:
        for name, values in finished(video_id).rows.items():
            assert (store.rows(video_id)[name] == values).all()


def test_a_cached_file_that_was_replaced_is_another(place, tmp_path):
    cache = BlockCache(tmp_path / "blocks", 2**24)
    for content in (b"before", b"after!"):
        place.write("a", content)
        with BucketPlace(place.url).with_cache(cache).open("a") as file:
            assert file.read([(1, 4)]) == [content[1:4]]


def test_a_put_whose_answer_is_lost_has_been_done(place, monkeypatch):
    """Its own echo is no other process's write; another's is."""
    put = obstore.put
    lost = []

    def put_and_lose(*arguments, **options):
        answer = put(*arguments, **options)
        if not lost:
            lost.append(answer)
            raise obstore.exceptions.GenericError("the connection was cut")
        return answer

    monkeypatch.setattr(obstore, "put", put_and_lose)
    seen = place.write("lock", b"ours", only_if=Absent())
    assert seen == place.look("lock")
    lost.clear()
    assert place.write("lock", b"ours again", only_if=seen) == place.look("lock")
    with pytest.raises(ChangedError):
        place.write("lock", b"theirs", only_if=Absent())
