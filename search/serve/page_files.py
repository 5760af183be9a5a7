"""The page's own files, as they lie in the package."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

_FOLDER = Path(__file__).with_name("page")
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class PageFile:
    """One file of the page, held in memory."""

    content: bytes
    media_type: str
    etag: str

    def respond(self, request: Request) -> Response:
        """Answers a request; a browser that holds this very content is told so."""
        # Asked for each time: after an update no old script meets a new page.
        headers = {"etag": self.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == self.etag:
            return Response(None, 304, headers)
        return Response(self.content, 200, headers, self.media_type)


def read_page() -> dict[str, PageFile]:
    """Returns the page's files by name; what is asked for is looked up here and never on disk."""
    files = {}
    for path in sorted(_FOLDER.iterdir()):
        if path.suffix in _MEDIA_TYPES:
            content = path.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            files[path.name] = PageFile(content, _MEDIA_TYPES[path.suffix], etag)
    return files
