"""Stores in a bucket, through obstore: ``s3://``, ``gs://`` and ``az://``.

Keys, endpoint and region come from the environment under the names that the provider's own tools
read, such as ``AWS_ACCESS_KEY_ID`` and ``AWS_ENDPOINT_URL``. A bucket knows neither renames nor
locks, but a put is whole or not there, and may depend on the version that it replaces.
"""

import os
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from seds_core.errors import UnavailableError, UsageError
from seds_core.store.block_cache import BlockCache
from seds_core.store.place import Absent, ChangedError, Seen, refuse_outside

try:
    import obstore
    from obstore import exceptions
    from obstore.store import from_url
except ImportError:
    raise UnavailableError(
        "stores in a bucket need the package obstore, which is not installed: "
        "install the extra [bucket], pip install 'seds[bucket]'"
    ) from None

_RETRIES: Any = {
    "max_retries": 3,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=5)},
}
"""obstore's own: it repeats what the server has not begun to answer."""

_CONNECT_TIMEOUT = timedelta(seconds=10)
_TIMEOUT = timedelta(seconds=120)
"""Of one request with all of its content: a file of 64 MiB has to pass, over 5 Mbit/s."""

_ATTEMPTS = 9
"""At any request, also where its answer is cut: an outage of half a minute costs no more."""

_UPLOADS = 4
"""Files of up to 64 MiB that are in memory at once."""

_Answer = TypeVar("_Answer")

_CLOSE_BYTES = 2**16
"""Parts of a file that lie so close are read by one request."""


class LostConnectionError(UnavailableError):
    """A request without an answer, however often it was sent."""


class BucketPlace:
    """A folder of a bucket; may be sent to another process."""

    has_only_versions = True
    reads_at_once = 16

    def __init__(self, url: str, *, cache: BlockCache | None = None) -> None:
        """``cache`` keeps on a disk what is read in parts.

        Raises :class:`UsageError` for a URL that names no folder of a bucket.
        """
        self.url = url.rstrip("/")
        scheme, _, rest = self.url.partition("://")
        bucket, _, folder = rest.partition("/")
        if scheme not in ("s3", "gs", "az") or not bucket or "" in folder.split("/"):
            raise UsageError(
                f"{url}: a store in a bucket is named like s3://bucket/folder/pose.zarr, and "
                "likewise with gs:// or az://"
            )
        self._cache = cache
        # Versions that were seen last: reading a part of a file asks for no other one first.
        self._known: dict[str, Seen] = {}

    def __repr__(self) -> str:
        return f"BucketPlace({self.url!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _remade, (self.url, self._cache, self._known)

    @cached_property
    def _store(self) -> Any:  # noqa: ANN401 - one of several types of obstore's
        endpoints = [v for k, v in os.environ.items() if k.startswith("AWS_ENDPOINT_URL")]
        options: Any = {
            "timeout": _TIMEOUT,
            "connect_timeout": _CONNECT_TIMEOUT,
            # A server in one's own network is often reached without encryption.
            "allow_http": any(endpoint.startswith("http://") for endpoint in endpoints),
        }
        with self._errors(""):
            return from_url(self.url, client_options=options, retry_config=_RETRIES)

    def below(self, name: str) -> "BucketPlace":
        """A folder of this one."""
        refuse_outside(name)
        return BucketPlace(f"{self.url}/{name}", cache=self._cache)

    def beside(self, name: str) -> "BucketPlace":
        """A folder of the folder that this one lies in."""
        refuse_outside(name)
        return BucketPlace(f"{self.url.rpartition('/')[0]}/{name}", cache=self._cache)

    def with_cache(self, cache: BlockCache) -> "BucketPlace":
        """The same folder, whose files are read in part through a cache."""
        return _remade(self.url, cache, self._known)

    def exists(self) -> bool:
        """Whether any file lies there."""
        return self._ask("", lambda: any(obstore.list(self._store, chunk_size=1)))

    def create(self, files: Mapping[str, bytes]) -> None:
        """Writes these files, the last of which says that they are complete.

        Raises :class:`ChangedError` where another process has written them.
        """
        *others, last = files
        with self.batch() as batch:
            for name in others:
                with batch.file(name) as file:
                    file.write(files[name])
            batch.publish()
        self.write(last, files[last], only_if=Absent())

    def look(self, name: str) -> Seen | None:
        """What is to be seen of a file without reading it; ``None`` where there is none."""
        try:
            seen = _seen(self._ask(name, lambda: obstore.head(self._store, name)))
        except FileNotFoundError:
            self._known.pop(name, None)
            return None
        self._known[name] = seen
        return seen

    def look_at(self, names: Collection[str]) -> dict[str, Seen]:
        """What is to be seen of many files; missing ones are left out. One listing tells."""
        wanted = frozenset(names)
        return {name: seen for name, seen in self.names() if name in wanted}

    @contextmanager
    def open(self, name: str) -> Iterator["BucketFile"]:
        """A file to read parts of; raises ``FileNotFoundError`` where there is none."""
        seen = self._known.get(name) or self.look(name)
        if seen is None:
            raise FileNotFoundError(f"{self.url}/{name}")
        yield BucketFile(self, name, seen)

    def batch(self) -> "BucketBatch":
        """Files to write together, which wait on a local disk."""
        return BucketBatch(self)

    def zarr_store(self, folder: str) -> Any:  # noqa: ANN401 - Zarr's own
        """A folder as Zarr opens it."""
        from zarr.storage import ObjectStore  # noqa: PLC0415 - only for arrays of other programs

        return ObjectStore(self.below(folder)._store, read_only=True)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """A file's bytes; raises ``FileNotFoundError`` where there is none."""
        if start == 0 and stop is None:
            return self.read_seen(name)[0]
        seen = self.look(name)
        if seen is None:
            raise FileNotFoundError(f"{self.url}/{name}")
        end = seen.num_bytes if stop is None else min(stop, seen.num_bytes)
        return self.fetch(name, start, end, seen.version) if start < end else b""

    def read_seen(self, name: str) -> tuple[bytes, Seen]:
        """A whole file, and which version of it that is; raises like :meth:`read`."""
        meta, content = self._ask(name, lambda: _whole(obstore.get(self._store, name)))
        seen = self._known[name] = _seen(meta)
        return content, seen

    def fetch(self, name: str, start: int, stop: int, version: str) -> bytes:
        """Bytes of one version of a file, by one request; not from the cache.

        Raises :class:`ChangedError` where it has been replaced.
        """
        options: Any = {"range": (start, stop), "if_match": version.split()[0]}
        try:
            get = partial(obstore.get, self._store, name, options=options)
            return self._ask(name, lambda: _whole(get()))[1]
        except (ChangedError, FileNotFoundError):
            self._known.pop(name, None)
            raise

    def write(
        self,
        name: str,
        content: bytes,
        *,
        only_if: Seen | Absent | None = None,
        is_durable: bool = True,
    ) -> Seen:
        """Writes or replaces a file, durably; raises :class:`ChangedError` like ``Place.write``."""
        del is_durable
        version = self.put(name, content, only_if=only_if)
        # Only a look tells the time by the server's clock.
        now = self.look(name)
        return Seen(len(content), version, now.modified if now else 0.0)

    def put(self, name: str, content: bytes, *, only_if: Seen | Absent | None = None) -> str:
        """Does what :meth:`write` does, and gives the version."""
        refuse_outside(name)
        mode = self._mode(name, only_if)
        put = partial(obstore.put, self._store, name, content, mode=mode, use_multipart=False)
        try:
            return _version(self._ask(name, put))
        except ChangedError:
            # It may be what this process has written itself, when the answer was lost.
            if (seen := self.look(name)) and seen.num_bytes == len(content):
                found, seen = self.read_seen(name)
                if found == content:
                    return seen.version
            raise

    def remove(self, names: Iterable[str]) -> None:
        """Removes files, as far as they are there."""
        gone = list(names)
        for name in gone:
            self._known.pop(name, None)
        try:
            if gone:
                self._ask(gone[0], lambda: obstore.delete(self._store, gone))
        except FileNotFoundError:
            # Microsoft's and Google's servers refuse what is not there, and may leave the others.
            for name in gone:
                with suppress(FileNotFoundError):
                    self._ask(name, partial(obstore.delete, self._store, name))

    def names(self, prefix: str = "") -> Iterator[tuple[str, Seen]]:
        """All files whose names begin in this way, in order."""
        # obstore compares whole parts of names.
        folder = prefix.rpartition("/")[0]
        listing = partial(obstore.list, self._store, prefix=folder or None, chunk_size=1000)
        parts = self._ask(folder, lambda: list(listing()))
        found = {entry["path"]: _seen(entry) for part in parts for entry in part}
        self._known |= found
        for name in sorted(found):
            if name.startswith(prefix):
                yield name, found[name]

    def _ask(self, name: str, request: Callable[[], _Answer]) -> _Answer:
        """What a request gives, which is sent again where its answer is lost."""
        for attempt in range(_ATTEMPTS - 1):
            with suppress(LostConnectionError), self._errors(name):
                return request()
            time.sleep(min(0.2 * 2**attempt, 10))
        with self._errors(name):
            return request()

    def _mode(self, name: str, only_if: Seen | Absent | None) -> Any:  # noqa: ANN401 - obstore's
        if only_if is None:
            return "overwrite"
        if isinstance(only_if, Absent):
            return "create"
        e_tag, _, number = only_if.version.partition(" ")
        # Google's servers compare numbers of versions, which listings leave out.
        if self.url.startswith("gs://") and not number:
            seen = self.look(name)
            if seen is None or seen.version.partition(" ")[0] != e_tag:
                raise ChangedError(f"{self.url}/{name}")
            number = seen.version.partition(" ")[2]
        return {"e_tag": e_tag} | ({"version": number} if number else {})

    @contextmanager
    def _errors(self, name: str) -> Iterator[None]:
        """Says what a failed request means for the user, and what to do."""
        where = f"{self.url}/{name}" if name else self.url
        try:
            yield
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise ChangedError(where) from None
        except (exceptions.BaseError, FileNotFoundError, ValueError) as error:
            told = str(error)
            if isinstance(error, FileNotFoundError) and not _is_bucket_missing(told):
                raise FileNotFoundError(where) from None
            raise _explained(where, error, told) from error


def _is_bucket_missing(told: str) -> bool:
    return "NoSuchBucket" in told or "ContainerNotFound" in told


def _explained(where: str, error: Exception, told: str) -> UnavailableError:
    bucket = "/".join(where.split("/")[:3])
    if _is_bucket_missing(told):
        return UnavailableError(f"there is no bucket {bucket}: make it, or correct its name")
    if isinstance(error, exceptions.NotSupportedError | NotImplementedError) or " 501 " in told:
        return UnavailableError(
            f"{where}: the server does not support conditional puts (If-None-Match, If-Match), "
            "without which several writers would damage a store: update the server, or write to "
            "a disk and copy the finished store"
        )
    has_no_keys = "169.254.169.254" in told or "metadata.google" in told or "redential" in told
    if has_no_keys or isinstance(error, exceptions.UnauthenticatedError):
        return UnavailableError(
            f"{where}: no valid credentials were found: set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY (and AWS_ENDPOINT_URL for a server that is not Amazon's), "
            "GOOGLE_APPLICATION_CREDENTIALS, or AZURE_STORAGE_ACCOUNT_NAME and "
            "AZURE_STORAGE_ACCOUNT_KEY"
        )
    if isinstance(error, exceptions.PermissionDeniedError) or "403 Forbidden" in told:
        return UnavailableError(
            f"{where}: the server refuses these credentials: allow them to list, read and write "
            f"in {bucket}"
        )
    first_line = told.splitlines()[0] if told else type(error).__name__
    return LostConnectionError(
        f"{where}: the server gives no answer ({first_line[:300]}): look at the network and at "
        "AWS_ENDPOINT_URL, then run the command again, which goes on from here"
    )


class BucketFile:
    """One version of a file in a bucket."""

    def __init__(self, place: BucketPlace, name: str, seen: Seen) -> None:
        self._place, self._name, self._seen = place, name, seen

    @property
    def seen(self) -> Seen:
        """What tells this version from others."""
        return self._seen

    def read(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Bytes ``start`` to ``stop`` of each range, fewer where the file ends before.

        Raises :class:`ChangedError` where the version has been replaced.
        """
        end = self._seen.num_bytes
        asked = [(min(start, end), min(stop, end)) for start, stop in ranges]
        spans: list[tuple[int, int]] = []
        for start, stop in sorted(span for span in asked if span[0] < span[1]):
            if spans and start - spans[-1][1] <= _CLOSE_BYTES:
                spans[-1] = (spans[-1][0], max(spans[-1][1], stop))
            else:
                spans.append((start, stop))
        read = {first: self._span(first, last) for first, last in spans}
        contents = []
        for start, stop in asked:
            first = max((first for first in read if first <= start), default=start)
            contents.append(read[first][start - first : stop - first] if start < stop else b"")
        return contents

    def _span(self, start: int, stop: int) -> bytes:
        def fetch(first: int, last: int) -> bytes:
            return self._place.fetch(self._name, first, last, self._seen.version)

        cache = self._place._cache
        if cache is None:
            return fetch(start, stop)
        file = f"{self._place.url}/{self._name} {self._seen.version}"
        return cache.read(file, self._seen.num_bytes, start, stop, fetch)


class BucketBatch:
    """Files that wait on a local disk until all are put, if nobody else has written since."""

    def __init__(self, place: BucketPlace) -> None:
        self._place = place
        self._before: dict[str, Seen] = {}
        self._written: dict[str, Path] = {}

    def __enter__(self) -> "BucketBatch":
        self._before = dict(self._place.names())
        self._folder = tempfile.TemporaryDirectory(prefix="seds-")
        return self

    def __exit__(self, *_: object) -> None:
        """Deletes what waits."""
        self._folder.cleanup()

    @contextmanager
    def file(self, name: str) -> Iterator[BinaryIO]:
        """A file to write to."""
        path = Path(self._folder.name) / str(len(self._written))
        with path.open("xb") as file:
            yield file
        self._written[name] = path

    def sync(self) -> None:
        """Nothing is durable here before it is in the bucket."""

    def write(self, name: str, content: bytes) -> None:
        """Writes or replaces a file at once, unless another process has written it meanwhile."""
        version = self._place.put(name, content, only_if=self._before.get(name, Absent()))
        self._before[name] = Seen(len(content), version, 0.0)

    def publish(self) -> None:
        """Puts all files, each unless another process has written it meanwhile."""
        with ThreadPoolExecutor(_UPLOADS) as pool:
            writes = [pool.submit(self._put, *written) for written in self._written.items()]
            try:
                for write in writes:
                    write.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _put(self, name: str, path: Path) -> None:
        self.write(name, path.read_bytes())


def _remade(url: str, cache: BlockCache | None, known: dict[str, Seen]) -> BucketPlace:
    place = BucketPlace(url, cache=cache)
    place._known = dict(known)
    return place


def _whole(answer: Any) -> tuple[Mapping[str, Any], bytes]:  # noqa: ANN401 - obstore's
    return answer.meta, answer.bytes().to_bytes()


def _seen(meta: Mapping[str, Any]) -> Seen:
    return Seen(meta["size"], _version(meta), meta["last_modified"].timestamp())


def _version(meta: Mapping[str, Any]) -> str:
    # Microsoft's servers leave the quotes of an e_tag out of listings; none has a space in it.
    e_tag = meta["e_tag"] or ""
    if e_tag and '"' not in e_tag:
        e_tag = f'"{e_tag}"'
    return f"{e_tag} {meta['version'] or ''}".strip()
