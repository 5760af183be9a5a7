"""What stands before every request: who may ask, how often, and what browsers must keep to.

A server on loopback is reached by every web page that its user opens: pages of other sites are
told apart by the headers that browsers set and scripts cannot.
"""

import ipaddress
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.serve.metrics import Metrics
from search.serve.serve_settings import ServeSettings

SECURITY_HEADERS = {
    # Scripts and styles are files of our own; a recording is played from memory (blob:).
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
}

_METHODS = ("GET", "HEAD", "POST")

# Clients that are remembered; those that were not seen for the longest time are forgotten.
_CLIENTS = 4096


@dataclass
class _Bucket:
    tokens: float
    filled_at: float


class RateLimit:
    """A bucket of tokens for every client: it fills at a rate and holds a burst."""

    def __init__(
        self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def seconds_to_wait(self, client: str) -> float:
        """Takes a token and returns 0, or returns the seconds until there is one."""
        now = self._clock()
        bucket = self._buckets.setdefault(client, _Bucket(float(self._burst), now))
        self._buckets.move_to_end(client)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        bucket.tokens += (now - bucket.filled_at) * self._per_second
        bucket.tokens, bucket.filled_at = min(float(self._burst), bucket.tokens), now
        if bucket.tokens < 1:
            return (1 - bucket.tokens) / self._per_second
        bucket.tokens -= 1
        return 0.0


@dataclass(frozen=True)
class _Refusal:
    status: int
    reason: str
    """A word for the metrics."""
    sentence: str
    retry_after: float = 0.0


class Guard:
    """Refuses what no page of this server would send, and adds security headers to all answers."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics
        self._names = {"localhost", settings.host.lower(), *map(str.lower, settings.allowed_hosts)}
        self._head_limit = settings.head_bytes
        self._requests = RateLimit(settings.requests_per_second, settings.request_burst)
        self._uploads = RateLimit(settings.uploads_per_minute / 60, settings.upload_burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or lets the application answer it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # websockets: there are none
            await send({"type": "websocket.close", "code": 1008})
            return
        began, status = time.monotonic(), 500

        async def send_guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((n, v) for n, v in _encoded(SECURITY_HEADERS.items()) if n not in present),
                ]
            await send(message)

        refusal = self._refusal(scope)
        try:
            if refusal is None:
                await self._app(scope, receive, send_guarded)
            else:
                self._metrics.refused(refusal.reason)
                await _refuse(refusal, send_guarded)
        finally:
            self._metrics.answered(scope, status, time.monotonic() - began)

    def _refusal(self, scope: Scope) -> _Refusal | None:
        """Says why a request is not answered; ``None`` where it is."""
        headers, method = Headers(scope=scope), scope["method"]
        if _head_bytes(scope) > self._head_limit:
            return _Refusal(431, "size", "the request's head is too large")
        if method not in _METHODS:
            return _Refusal(405, "method", f"{', '.join(_METHODS)} are the methods of this server")
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            return _Refusal(421, "host", "this server does not go by that name")
        if method == "POST" and not _is_same_origin(headers, hosts[0]):
            return _Refusal(403, "origin", "uploads come from this server's own page only")
        if headers.get("sec-fetch-site") == "cross-site" and scope["path"].startswith("/api/"):
            return _Refusal(403, "origin", "pages of other sites may not ask this server")
        return self._rate_refusal(scope)

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if _has_port(host) else host
        if name.lower() in self._names:
            return True
        try:
            # A name can be made to point at this machine (DNS rebinding); an address is one.
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True

    def _rate_refusal(self, scope: Scope) -> _Refusal | None:
        if not scope["path"].startswith("/api/") or scope["path"] == "/api/media":
            return None
        limit = self._uploads if scope["method"] == "POST" else self._requests
        wait = limit.seconds_to_wait(_client_of(scope))
        if not wait:
            return None
        return _Refusal(429, "rate", "too many requests; wait a moment", wait)


def _head_bytes(scope: Scope) -> int:
    lines = [scope.get("raw_path") or b"", scope["query_string"]]
    return sum(map(len, lines)) + sum(
        len(name) + len(value) + 4 for name, value in scope["headers"]
    )


def _has_port(host: str) -> bool:
    # ``::1`` without brackets is no Host header, and ``[::1]`` ends with a bracket.
    return host.rpartition(":")[2].isdecimal() and not host.endswith("]")


def _is_same_origin(headers: Headers, host: str) -> bool:
    """Whether a request that changes or costs something comes from our page, or from no page."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or origin in (f"http://{host}", f"https://{host}")


def _client_of(scope: Scope) -> str:
    """The client's address; of IPv6 the network, of which one client has all addresses."""
    address: str = (scope.get("client") or ("",))[0]
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return (
        address if parsed.version == 4 else str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    )


def _encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers]


async def _refuse(refusal: _Refusal, send: Send) -> None:
    body = json.dumps({"detail": refusal.sentence}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        # What was not read of the request would be taken for the next one.
        "connection": "close",
    }
    if refusal.retry_after:
        headers["retry-after"] = str(int(refusal.retry_after) + 1)
    if refusal.status == 405:
        headers["allow"] = ", ".join(_METHODS)
    start = {"type": "http.response.start", "status": refusal.status}
    await send(start | {"headers": _encoded(headers.items())})
    await send({"type": "http.response.body", "body": body})
