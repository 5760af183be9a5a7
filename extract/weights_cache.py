"""Published weight files: downloaded once, verified, and kept in one folder.

The folder is ``$SEDS_CACHE``, by default ``~/.cache/seds``. A machine without internet works too:
put the file where the error says, it is verified in the same way.
"""

import re
import tempfile
import urllib.request
from http.client import HTTPException
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from seds_core.console import messages
from seds_core.errors import UnavailableError
from seds_core.files import cache_dir, file_sha256

_BLOCK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30
# Eight hexadecimal digits before the ending, or before a date behind them. A date alone
# (20YYMMDD) has the same form, and is ruled out.
_HASH_IN_NAME = re.compile(r"-(?!20\d{6}\.)([0-9a-f]{8})(?:_\d{8})?\.pth$")


class WeightsUnavailable(UnavailableError):  # noqa: N818 - it states a condition, as StopIteration does
    """Weights that could neither be found in the cache nor downloaded, or that fail their check."""


def cached_download(
    url: str,
    file_name: str,
    expected_bytes: int | None = None,
    sha256_prefix: str | None = None,
) -> Path:
    """Returns the verified local copy of ``url``, downloaded when the cache does not hold it yet.

    Raises :class:`WeightsUnavailable` when the address cannot be reached or the file is not the
    published one; the message names the path where a copy may be put by hand.
    """
    path = cache_dir() / file_name
    if path.is_file():
        # Each time: the file may have been put there by hand.
        _verify(path, path, url, expected_bytes, sha256_prefix)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    # Into a folder of its own first, which vanishes with an unfinished download.
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".download-") as folder:
        partial = Path(folder) / path.name
        try:
            _download(url, partial)
        except (OSError, HTTPException) as error:
            raise WeightsUnavailable(
                f"Could not download {url} ({error}). On a machine with internet access fetch that "
                f"address, and put the file at {path}"
            ) from error
        _verify(partial, path, url, expected_bytes, sha256_prefix)
        partial.replace(path)  # A reader sees the whole file or none.
    return path


def sha256_prefix_in_name(file_name: str) -> str | None:
    """The first 8 digits of a checksum that OpenMMLab and torchvision write into file names.

    Some names hold only a date there; they give ``None``.

    >>> sha256_prefix_in_name("rtmpose-m_simcc-coco-wholebody_256x192-cd5e845c_20230123.pth")
    'cd5e845c'
    >>> sha256_prefix_in_name("rtmw-dw-l-m_simcc-cocktail14_270e-256x192-20231122.pth")
    """
    match = _HASH_IN_NAME.search(file_name)
    return match.group(1) if match else None


def _download(url: str, target: Path) -> None:
    with (
        # Addresses are constants of this project.
        urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as response,  # nosec B310
        target.open("wb") as file,
    ):
        length = response.headers.get("Content-Length")
        total = int(length) if length else None
        received = 0
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        progress = Progress(*columns, TransferSpeedColumn(), console=messages, transient=True)
        with progress:
            task = progress.add_task(target.name, total=total)
            while block := response.read(_BLOCK_BYTES):
                file.write(block)
                received += len(block)
                progress.update(task, completed=received)
    # urllib ends quietly when a connection breaks.
    if total is not None and received != total:
        raise OSError(f"the connection ended after {received:,} of {total:,} bytes")


def _verify(
    path: Path, home: Path, url: str, expected_bytes: int | None, sha256_prefix: str | None
) -> None:
    """Refuses a file of the wrong size or content; ``home`` is where a good copy belongs."""
    problem = None
    size = path.stat().st_size
    if expected_bytes is not None and size != expected_bytes:
        problem = f"has {size:,} bytes instead of {expected_bytes:,}"
    elif sha256_prefix is not None and not (digest := file_sha256(path)).startswith(sha256_prefix):
        problem = f"has SHA-256 {digest[:16]}... instead of {sha256_prefix}..."
    if problem is None:
        return
    where = f"{home} (delete it)" if path == home else f"what {url} sent"
    raise WeightsUnavailable(
        f"{where} {problem}: not the published file. Fetch {url} and put it at {home}"
    )
