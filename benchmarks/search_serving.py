"""Twenty users at once, and five hundred hostile requests, against a server of an index.

``python benchmarks/search_serving.py INDEX`` prints the seconds of the users' requests and what
became of the hostile ones; it ends with 1 for an error of the first and a success of the second.
"""

import argparse
import http.client
import json
import multiprocessing
import random
import re
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
from hostile_requests import Hostile, hostile_requests
from measurement import print_conditions

from search.serve.serve_settings import ServeSettings

THINKING_SECONDS = 0.6
"""What a user takes, on the average, before the next request."""


def main() -> None:
    """Runs both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    parser.add_argument("--run", type=Path, help="where the index's run lies now")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120.0)
    options = parser.parse_args()
    print_conditions({"users": options.users, "seconds": options.seconds})
    with tempfile.TemporaryDirectory() as folder:
        settings = ServeSettings(port=0, preview_folder=Path(folder))
        with _served(options.index, options.run, settings) as port:
            is_well = _users(port, options.users, options.seconds)
        # So many uploads of one client would be refused unread: here all are looked at.
        settings = ServeSettings(
            port=0,
            preview_folder=Path(folder),
            uploads_per_minute=60_000.0,
            upload_burst=1000,
            requests_per_second=1000.0,
            request_burst=1000,
        )
        with _served(options.index, options.run, settings) as port:
            is_well &= _attack(port)
    sys.exit(not is_well)


@contextmanager
def _served(index: Path, run: Path | None, settings: ServeSettings) -> Iterator[int]:
    """A server in a process of its own; gives its port."""
    context = multiprocessing.get_context("spawn")
    addresses = context.SimpleQueue()
    process = context.Process(target=_serve, args=(index, run, settings, addresses))
    process.start()
    port = int(re.findall(r":(\d+)/", addresses.get())[0])
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def _serve(
    index: Path,
    run: Path | None,
    settings: ServeSettings,
    addresses: "multiprocessing.queues.SimpleQueue[str]",
) -> None:
    from search.serve.server import serve

    serve([index], settings, device="cpu", run=run, ready=addresses.put)


def _get(port: int, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read()


def _memory(port: int) -> float:
    """Megabytes that the server holds."""
    text = _get(port, "/metrics")[1].decode()
    return float(re.findall(r"^process_resident_memory_bytes (\S+)", text, re.MULTILINE)[0]) / 1e6


def _some_hits(port: int) -> list[dict[str, str]]:
    found = json.loads(_get(port, "/api/search?q=a+sentence&k=100")[1])["hits"]
    return [{"id": hit["video_id"], "text": hit["text"], "media": hit["media"]} for hit in found]


def _users(port: int, num_users: int, seconds: float) -> bool:
    """Lets users search, watch and ask why; prints how long they wait."""
    hits, until = _some_hits(port), time.monotonic() + seconds
    taken: dict[str, list[float]] = defaultdict(list)
    wrong: Counter[str] = Counter()

    def use(seed: int) -> None:
        choose = random.Random(seed)
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
            while time.monotonic() < until:
                hit = choose.choice(hits)
                of_hit = {"id": hit["id"]}
                kind, path = choose.choices(
                    [
                        ("search", f"/api/search?{urlencode({'q': hit['text']})}"),
                        ("like", f"/api/like?{urlencode(of_hit)}"),
                        ("sentences", f"/api/sentences?{urlencode(of_hit)}"),
                        ("explain", f"/api/explain?{urlencode(of_hit | {'q': hit['text']})}"),
                        ("media", hit["media"]),
                    ],
                    [5, 1, 1, 1, 4],
                )[0]
                headers = {"range": "bytes=0-65535"} if kind == "media" else {}
                began = time.monotonic()
                try:
                    connection.request("GET", path, headers=headers)
                    response = connection.getresponse()
                    response.read()
                    if response.status not in (200, 206):
                        wrong[f"{kind} {response.status}"] += 1
                except (OSError, http.client.HTTPException) as error:
                    wrong[f"{kind} {type(error).__name__}"] += 1
                    connection.close()
                taken[kind].append(time.monotonic() - began)
                time.sleep(choose.expovariate(1 / THINKING_SECONDS))

    before = _memory(port)
    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(num_users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"{'request':<12}{'number':>8}{'p50 ms':>9}{'p99 ms':>9}{'most ms':>9}")
    for kind, values in sorted(taken.items()):
        middle, late, most = 1000 * np.percentile(values, [50, 99, 100])
        print(f"{kind:<12}{len(values):>8}{middle:>9.0f}{late:>9.0f}{most:>9.0f}")
    number = sum(map(len, taken.values()))
    print(
        f"{number} requests of {num_users} users in {seconds:g} s, errors: {dict(wrong) or 'none'}"
    )
    print(f"memory: {before:.0f} MB before, {_memory(port):.0f} MB after\n")
    return not wrong


def _attack(port: int) -> bool:
    """Sends hostile requests, sixteen at a time; prints what became of each kind."""
    hit = _some_hits(port)[0]
    requests = hostile_requests(quote(hit["id"], safe=""))
    random.Random(0).shuffle(requests)
    # What is loaded and cached on the way is no leak: a fifth goes first.
    begun = len(requests) // 5
    outcomes: dict[str, Counter[str]] = defaultdict(Counter)
    wrong = []

    def send(request: Hostile) -> None:
        outcome, body = _outcome(port, request)
        outcomes[request.kind][outcome] += 1
        if outcome not in request.expected or b"root:" in body:
            wrong.append(f"{request.kind}: {outcome} for {request.content[:90]!r}")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(send, requests[:begun]))
        before = _memory(port)
        list(pool.map(send, requests[begun:]))
    after, status = _memory(port), _get(port, "/api/health")[0]
    for kind, found in sorted(outcomes.items()):
        told = ", ".join(f"{outcome} x{number}" for outcome, number in found.most_common())
        print(f"{kind:<22}{sum(found.values()):>4}  {told}")
    print(f"{len(requests)} hostile requests, {len(wrong)} with another outcome than expected")
    for line in wrong[:20]:
        print(f"  {line}")
    print(f"memory: {before:.0f} MB after the first {begun}, {after:.0f} MB after all")
    print(f"the server {'answers' if status == 200 else 'is gone'}")
    return not wrong and status == 200 and after < before + 64


def _outcome(port: int, request: Hostile) -> tuple[str, bytes]:
    """The status of an answer, or ``closed``, and its beginning."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        # A server that has refused closes while the client still sends.
        with suppress(OSError):
            connection.sendall(request.content)
            for chunk in request.more():
                connection.sendall(chunk)
                time.sleep(request.pause)
                connection.settimeout(0)
                with suppress(BlockingIOError):
                    received += connection.recv(65536)
                connection.settimeout(60)
                if received:
                    break
        with suppress(OSError):
            while b"\r\n\r\n" not in received and (chunk := connection.recv(65536)):
                received += chunk
    return (received.split()[1].decode() if received else "closed"), received


if __name__ == "__main__":
    main()
