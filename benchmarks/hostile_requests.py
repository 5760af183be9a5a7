"""Requests that no browser sends: for paths, hosts, bodies and numbers that are not to be had."""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

TRAVERSALS = [
    "../" * 8 + "etc/passwd", "..%2f" * 8 + "etc%2fpasswd", "%2e%2e/" * 8 + "etc/passwd",
    "%2e%2e%2f" * 8 + "etc%2fpasswd", "..%252f" * 8 + "etc%252fpasswd",
    "..%5c" * 8 + "windows%5cwin.ini", "..\\" * 8 + "etc\\passwd", "....//" * 8 + "etc/passwd",
    "..%c0%af" * 8 + "etc%c0%afpasswd", "..%ef%bc%8f" * 8 + "etc%ef%bc%8fpasswd",
    "%c0%ae%c0%ae/" * 8 + "etc/passwd", "/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd",
    "file:///etc/passwd", "file:%2f%2f%2fetc%2fpasswd", "/proc/self/environ", "/dev/stdin",
    "%00/etc/passwd", "../../etc/passwd%00.mp4", ".", "..", "~root/.bashrc", "./././etc/passwd",
    "..;/..;/etc/passwd", "%uff0e%uff0e/etc/passwd", "concat:/etc/passwd",
    "http://localhost/etc/passwd", "\u2025/etc/passwd".encode().hex("%"), "C:%5cboot.ini",
]  # fmt: skip

HOSTS = [
    "evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.nip.example",
    "localhost%00.evil.example", "evil.example#localhost", "evil.example/localhost",
    "localhost@evil.example", "-", "a" * 5000, "localhost:80:80", "localhost,evil.example",
    "[::1].evil.example", "[evil]", "xn--lcalhost-54a", "0x7f.1.evil",
]  # fmt: skip

RANGES = [
    "bytes=9-3", "bytes=-", "bytes=--5", "bytes=a-b", "bytes=99999999999999999999-",
    "bytes=0-99999999999999999999999999", "lines=0-1", "bytes", "bytes=", "bytes=1-2-3",
    "bytes=-0", "bytes= 0 - ", "bytes=" + "9" * 5000 + "-", "bytes=" + "0-0," * 3000,
    "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 2000, 2)), "\u00b2=0-1",
]  # fmt: skip

SENTENCES = [
    "%00", "a%00b", "%ED%A0%80", "%C0%AE%C0%AE", "%FF%FE", "%E2%80%AE" * 20, "e" + "%CC%81" * 90,
    "%F0%9F%A7%8F" * 50, "%EF%BB%BF", "%E2%80%8B" * 30, "%0d%0aSet-Cookie:%20a=b", "%26%23x3c;",
    "%3Cscript%3Ealert(1)%3C/script%3E", "'%20OR%201=1--", "%7B%7B7*7%7D%7D", "$(id)", "%25n%25n",
    "x" * 501, "%20" * 400, "%F4%90%80%80",
]  # fmt: skip

NUMBERS = [
    "k=-1", "k=0", "k=101", "k=999999999999999999999999", "k=NaN", "k=1e9", "k=0x10", "k=",
    "k=1&k=9999", "k=%00", "k=" + "9" * 5000, "filter=", "filter=x", "filter=hair=red",
    "filter=" + "a" * 9000 + "=b", "exact=maybe",
]  # fmt: skip

TIMES = ["start=nan", "start=inf", "start=-1", "end=0", "start=5&end=2", "end=1e300", "start=x"]

NO_VIDEOS = [
    b"no video", b"\x00" * 5000, b"\x89PNG\r\n\x1a\n" + b"\x00" * 500, b"PK\x03\x04" + b"x" * 500,
    b"RIFF\xff\xff\xff\xffAVI LIST", b"\x1aE\xdf\xa3" + b"\xff" * 900,
    b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 900, b"\x00\x00\x00\x01ftypmp42" + b"\xff" * 64,
    b"#EXTM3U\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile /etc/passwd\n",
    b"<?xml version='1.0'?><MPD><BaseURL>file:///etc/passwd</BaseURL></MPD>",
    b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5004 RTP/AVP 96\r\n", b"GIF89a" + b"\xff" * 99,
]  # fmt: skip

BROKEN_HTTP = [
    b"\x16\x03\x01\x02\x00\x01\x00", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", b"GET\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\nX\r\n\r\n",
    b"POST /api/video HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"POST /api/video HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 9000 + b"\r\n",
]  # fmt: skip


def _nothing() -> Iterator[bytes]:
    return iter(())


@dataclass(frozen=True)
class Hostile:
    """A request, byte by byte, and what may become of it."""

    kind: str
    content: bytes
    expected: tuple[str, ...]
    """Statuses, or ``closed`` for a connection that is closed without an answer."""
    more: Callable[[], Iterator[bytes]] = field(default=_nothing)
    """What is sent behind the content, until there is an answer."""
    pause: float = 0.0
    """Seconds between these."""


def hostile_requests(video_id: str) -> list[Hostile]:
    """Makes five hundred requests; ``video_id`` is one of the index, quoted for an address."""
    found = [*_paths(), *_heads(video_id), *_parameters(video_id), *_uploads(), *_slow()]
    # The rest are good requests with bytes that were changed at random.
    choose = random.Random(1)
    good = f"GET /api/search?q=water&k=3 HTTP/1.1\r\nHost: localhost\r\nA: {video_id}\r\n\r\n"
    while len(found) < 500:
        damaged = bytearray(good.encode())
        for _ in range(choose.randrange(1, 9)):
            damaged[choose.randrange(len(damaged) - 4)] = choose.randrange(256)
        found.append(Hostile("damaged bytes", bytes(damaged), (*_REFUSED, "200", "405", "501")))
    return found


_REFUSED = ("400", "404", "410", "421", "422", "431", "closed")


def _get(path: str, *lines: str, host: str = "localhost") -> bytes:
    head = "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *lines])
    return head.encode("utf-8") + b"\r\n\r\n"


def _paths() -> Iterator[Hostile]:
    for payload in TRAVERSALS:
        for route in ("/page/", "/"):
            # Dots that stay in place name the page itself.
            expected = (*_REFUSED, "200") if payload == "." else _REFUSED
            yield Hostile("paths of the page", _get(route + payload.lstrip("/")), expected)
        for route in ("media", "like"):
            yield Hostile("ids that are paths", _get(f"/api/{route}?id={payload}"), _REFUSED)


def _heads(video_id: str) -> Iterator[Hostile]:
    for host in HOSTS:
        for path in ("/", "/api/search?q=water"):
            yield Hostile("other hosts", _get(path, host=host), ("421", "400"))
    for asked in RANGES:
        request = _get(f"/api/media?id={video_id}", f"Range: {asked}")
        yield Hostile("ranges", request, ("400", "416", "200", "206", "431"))
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "X"):
        content = f"{method} /api/search?q=a HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        yield Hostile("methods", content, ("405", "400", "closed"))
    for content in BROKEN_HTTP:
        yield Hostile("broken HTTP", content, (*_REFUSED, "501", "415"))


def _parameters(video_id: str) -> Iterator[Hostile]:
    for text in SENTENCES:
        for path in (f"/api/search?q={text}", f"/api/explain?id={video_id}&q={text}"):
            yield Hostile("texts", _get(path), ("200", "400", "422"))
        filtered = _get(f"/api/search?q=water&filter=signer={text}")
        yield Hostile("texts as filters", filtered, ("400", "422"))
        yield Hostile("texts as ids", _get(f"/api/media?id={text}"), ("400", "404", "422"))
    for number in NUMBERS:
        yield Hostile("numbers", _get(f"/api/search?q=water&{number}"), ("400", "422"))
    for seconds in TIMES:
        request = _get(f"/api/explain?id={video_id}&q=water&{seconds}")
        yield Hostile("numbers", request, ("400", "422"))


def _post(lines: str, body: bytes = b"") -> bytes:
    return f"POST /api/video HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n\r\n".encode() + body


def _uploads() -> list[Hostile]:
    found = []
    video = "Content-Type: video/mp4"
    for content in (*NO_VIDEOS, *(os.urandom(size) for size in (1, 100, 10_000, 1_000_000))):
        request = _post(f"{video}\r\nContent-Length: {len(content)}", content)
        found.append(Hostile("no videos", request, ("422", "503")))
    for origin in ("http://evil.example", "null", "http://localhost:1", "https://localhost.evil"):
        lines = f"{video}\r\nOrigin: {origin}\r\nContent-Length: 1"
        found.append(Hostile("other origins", _post(lines, b"x"), ("403",)))
    for media_type in ("text/html", "multipart/form-data; boundary=x", "application/json", ""):
        lines = f"Content-Type: {media_type}\r\nContent-Length: 1"
        found.append(Hostile("other types", _post(lines, b"x"), ("415", "503")))
    for size in ("10000000000", "9" * 25, "104857601"):
        lines = f"{video}\r\nContent-Length: {size}"
        found.append(Hostile("huge bodies", _post(lines), ("413", "400", "503")))

    def endless() -> Iterator[bytes]:
        chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
        while True:
            yield chunk

    for _ in range(3):
        request = _post(f"{video}\r\nTransfer-Encoding: chunked")
        found.append(Hostile("huge bodies", request, ("413", "503", "closed"), endless))
    return found


def _slow() -> list[Hostile]:
    def trickle() -> Iterator[bytes]:
        while True:
            yield b"X-A: b\r\n"

    head = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
    slow = [Hostile("slow heads", head, ("closed",), trickle, 0.5) for _ in range(12)]
    slow += [Hostile("slow heads", head, ("closed",)) for _ in range(6)]
    body = _post("Content-Type: video/mp4\r\nContent-Length: 1000", b"x")
    return slow + [Hostile("slow bodies", body, ("408", "503")) for _ in range(8)]
