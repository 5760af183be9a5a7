"""What a file is that should be a video and is none."""

import re
from pathlib import Path

_HEAD_BYTES = 4096
_PICTURE = "looks like a {} picture, not a video"
_ARCHIVE = "looks like a {} archive: unpack it first"

_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (rb"\x89PNG\r\n\x1a\n", _PICTURE.format("PNG")),
    (rb"\xff\xd8\xff", _PICTURE.format("JPEG")),
    (rb"RIFF....WEBP", _PICTURE.format("WebP")),
    (rb"GIF8[79]a", _PICTURE.format("GIF")),
    (rb"BM....\0\0\0\0", _PICTURE.format("BMP")),
    (rb"II\*\0|MM\0\*", _PICTURE.format("TIFF")),
    (rb"....ftyp(avif|heic|heix|mif1)", _PICTURE.format("AVIF or HEIC")),
    (
        rb"version https://git-lfs",
        "is a Git LFS pointer: the video itself was never downloaded (git lfs pull)",
    ),
    (
        rb"\s*<(?i:!doctype html|html|head|\?xml)",
        "looks like a web page (HTML): the download failed or needs a login",
    ),
    (rb"PK\x03\x04", _ARCHIVE.format("ZIP")),
    (rb"\x1f\x8b", _ARCHIVE.format("gzip")),
    (rb"7z\xbc\xaf\x27\x1c", _ARCHIVE.format("7z")),
    (rb"Rar!", _ARCHIVE.format("RAR")),
    (rb"%PDF", "looks like a PDF document, not a video"),
    (
        rb"....ftyp",
        "has no index (its 'moov atom'): the file is cut off, or its recording or download was "
        "never finished",
    ),
    (rb"\0{64}", "begins with zeros only: its download or copy was never finished"),
)


def disguise(path: Path) -> str | None:
    """What a file that cannot be opened as a video looks like; ``None`` when its bytes say nothing.

    Judged by the first bytes only.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    for signature, meaning in _SIGNATURES:
        if re.match(signature, head, re.DOTALL):
            return meaning
    return "looks like text, not a video" if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    text = head.decode("utf-8", errors="ignore")
    is_utf8 = len(text.encode()) > len(head) - 4  # the last character may be cut in two
    return is_utf8 and all(c.isprintable() or c in "\t\r\n" for c in text)
