"""What a server allows: every limit of the page and its API, in one typed place."""

from dataclasses import dataclass, field
from pathlib import Path

from seds_core.files import cache_dir

MEGABYTE = 1 << 20


@dataclass(frozen=True)
class ServeSettings:
    """The defaults suit one machine and a class of users; a program may choose others."""

    host: str = "127.0.0.1"
    """Address that is listened on; anything but loopback lets other machines search and watch."""
    port: int = 8321
    allowed_hosts: tuple[str, ...] = ()
    """Names, besides ``localhost`` and ``host``, under which browsers may reach the server.

    Addresses are always allowed: only a name can be made to point somewhere else.
    """

    max_hits: int = 100
    """The largest ``k`` of a request."""
    sentence_characters: int = 500
    """Longest sentence that is searched for."""
    id_characters: int = 1024
    """Longest id of a video that is looked up."""

    upload_bytes: int = 100 * MEGABYTE
    """Largest video that is taken."""
    upload_seconds: float = 60.0
    """Longest video that is encoded, after it was trimmed: stage one takes as long as it is."""
    upload_pixels: int = 4096 * 2304
    """Pixels of the largest frame that is decoded; a tiny file may claim gigantic ones."""
    concurrent_uploads: int = 8
    """Videos that are received or wait at one time; further ones are asked to come again."""
    waiting_encodings: int = 4
    """Received videos that wait until stage one is free; it encodes one at a time."""

    concurrent_searches: int = 4
    """Searches at one time; more of them would only share the same processors."""
    waiting_searches: int = 64
    """Searches that wait for their turn; further ones are asked to come again."""

    requests_per_second: float = 50.0
    """Of one client, on the average; videos that are being watched do not count."""
    request_burst: int = 200
    """Requests that a client may send at once after a pause."""
    uploads_per_minute: float = 12.0
    """Of one client, on the average."""
    upload_burst: int = 6
    """Videos that a client may send at once after a pause."""

    head_bytes: int = 32768
    """Largest head of a request: its address and its headers."""
    header_seconds: float = 10.0
    """Until the head of a request has to be there."""
    body_seconds: float = 120.0
    """Until the whole of an upload has to be there."""
    stall_seconds: float = 20.0
    """How long an upload may pause, and how long a reader may take nothing of an answer."""
    keep_alive_seconds: float = 15.0
    """How long a connection stays open between two requests."""
    connections: int = 512
    """Open connections and requests under way; further ones are answered with 503."""

    preview_folder: Path = field(default_factory=lambda: cache_dir() / "previews")
    """Where H.264 copies lie of videos that browsers cannot play; it may be deleted at any time."""
    preview_bytes: int = 2048 * MEGABYTE
    """What the copies may take; those that were not watched for the longest time go first."""
    preview_seconds: float = 1800.0
    """Longest video of which a copy is made."""
    preview_side: int = 480
    """Pixels of the longer side of a copy, at most."""
    waiting_previews: int = 16
    """Copies that wait until they are made, one at a time."""
