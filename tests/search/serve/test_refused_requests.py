"""What a server does not do: for other hosts, other sites, too often, or beyond its limits."""

import threading
import time
from pathlib import Path

import pytest
from search_stand_in import record

from search.serve.errors import PathFilter
from search.serve.guard import SECURITY_HEADERS, RateLimit
from seds_core.errors import UnavailableError, UsageError


def wait_until(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("parameters", "status", "sentence"),
    [
        ("q=", 400, "the sentence is empty"),
        ("", 422, "q: Field required"),
        ("q=x&k=0", 422, "k: "),
        ("q=x&k=101", 422, "at most 100 hits"),
        ("q=x&k=many", 422, "k: "),
        ("q=" + "x" * 501, 422, "the sentence has 501 characters; the longest may have 500"),
        ("q=x&filter=signer", 422, "a filter is COLUMN=VALUE"),
        ("q=x&filter=hair=red", 400, "there is no column hair"),
    ],
)
def test_wrong_parameters_get_a_sentence(client, parameters, status, sentence):
    response = client.get(f"/api/search?{parameters}")
    assert response.status_code == status
    assert sentence in response.json()["detail"]


@pytest.mark.parametrize("times", ["start=2&end=1", "start=nan", "end=inf", "start=-1", "end=1e9"])
def test_times_that_are_none_are_refused(client, times):
    assert client.get(f"/api/explain?id=first&q=x&{times}").status_code == 422


def test_overlong_ids_are_not_looked_up(client):
    assert client.get("/api/media", params={"id": "x" * 1025}).status_code == 404


def test_wrong_values_are_not_sent_back(client):
    response = client.get("/api/search", params={"q": "x", "k": "<script>" * 1000})
    assert "script" not in response.text


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:8321", "127.0.0.1:1", "[::1]:8321", "192.168.1.7", "LOCALHOST:1"],
)
def test_addresses_and_localhost_are_ours(client, host):
    assert client.get("/api/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8321", "localhost.evil.example", "127.0.0.1.evil.example", "",
     "localhost@evil.example", "::evil"],
)  # fmt: skip
def test_other_names_are_not(client, host):
    for path in ("/", "/api/health", "/metrics", "/nowhere"):
        assert client.get(path, headers={"host": host}).status_code == 421


def test_names_can_be_allowed(make_client, retriever):
    client = make_client(retriever, allowed_hosts=("signs.example.org",))
    assert client.get("/", headers={"host": "Signs.example.org"}).status_code == 200
    assert client.get("/", headers={"host": "other.example.org"}).status_code == 421


VIDEO = {"content-type": "video/mp4"}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_uploads_from_other_sites_are_refused(client, retriever, headers):
    response = client.post("/api/video", content=b"x", headers=VIDEO | headers)
    assert response.status_code == 403
    assert retriever.files_seen == []


def test_uploads_from_our_page_are_not(client):
    headers = VIDEO | {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
    assert client.post("/api/video", content=b"x", headers=headers).status_code == 422


def test_pages_of_other_sites_cannot_ask_or_embed(client):
    assert client.get("/api/health", headers={"sec-fetch-site": "cross-site"}).status_code == 403
    # A link to the page is fine, wherever it stands.
    response = client.get("/", headers={"sec-fetch-site": "cross-site"})
    assert response.status_code == 200
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client, method):
    assert client.request(method, "/api/search").status_code == 405


@pytest.mark.parametrize(
    ("path", "host"),
    [("/", "localhost"), ("/api/search?q=", "localhost"), ("/no", "localhost"), ("/", "evil.io"),
     ("/api/media?id=first", "localhost")],
)  # fmt: skip
def test_every_answer_has_the_security_headers(client, path, host):
    headers = client.get(path, headers={"host": host}).headers
    assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert "unsafe" not in headers["content-security-policy"]


def test_even_a_failed_request_has_them(client, retriever):
    retriever.filters = None
    response = client.get("/api/filters")
    assert response.status_code == 500
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert 'route="/api/filters",status="500"} 1.0' in client.get("/metrics").text


def test_a_client_has_a_rate(make_client, retriever):
    client = make_client(retriever, requests_per_second=0.001, request_burst=3)
    statuses = [client.get("/api/health").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    assert int(client.get("/api/health").headers["retry-after"]) > 60
    # What is being watched does not count, nor does the page.
    assert client.get("/api/media?id=first").status_code == 200
    assert client.get("/").status_code == 200
    assert 'seds_refused_total{reason="rate"} 3.0' in client.get("/metrics").text


def test_uploads_have_their_own_rate(make_client, retriever):
    client = make_client(retriever, uploads_per_minute=0.1, upload_burst=1)
    statuses = [
        client.post("/api/video", content=b"x", headers=VIDEO).status_code for _ in range(2)
    ]
    assert statuses == [422, 429]


def test_a_bucket_fills_again():
    now = 0.0
    limit = RateLimit(per_second=2.0, burst=2, clock=lambda: now)
    assert [limit.seconds_to_wait("a") for _ in range(3)] == [0, 0, 0.5]
    assert limit.seconds_to_wait("b") == 0  # another client
    now = 0.5
    assert [limit.seconds_to_wait("a") for _ in range(2)] == [0, 0.5]
    now = 100.0  # never above the burst
    assert [limit.seconds_to_wait("a") for _ in range(3)] == [0, 0, 0.5]


def test_clients_are_forgotten_before_they_fill_the_memory():
    limit = RateLimit(per_second=1.0, burst=1)
    for number in range(10_000):
        limit.seconds_to_wait(str(number))
    assert len(limit._buckets) <= 4096


def test_searches_beyond_the_queue_come_again(make_client, retriever):
    client = make_client(retriever, concurrent_searches=1, waiting_searches=1)
    begun, finish = threading.Event(), threading.Event()
    search = retriever.search

    def slow(*args, **how):
        begun.set()
        finish.wait(10)
        return search(*args, **how)

    retriever.search = slow
    statuses = []
    threads = [
        threading.Thread(target=lambda: statuses.append(client.get("/api/search?q=x").status_code))
        for _ in range(2)
    ]
    # One event loop for all requests, as in a server.
    with client:
        for thread in threads:
            thread.start()
        assert begun.wait(10)
        wait_until(lambda: client.app.state.service.searches.taken() == 2)
        refused = client.get("/api/search?q=x")
        finish.set()
        for thread in threads:
            thread.join()
        assert client.get("/api/search?q=x").status_code == 200
    assert (refused.status_code, statuses) == (503, [200, 200])
    assert int(refused.headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    ("error", "status"), [(UsageError, 400), (UnavailableError, 503), (RuntimeError, 500)]
)
def test_errors_name_no_path_of_the_disk(make_client, retriever, tmp_path, error, status):
    def fail(*_args, **_how):
        raise error(f"the index {tmp_path / 'secret' / 'index'} is damaged")

    retriever.search = fail
    from starlette.testclient import TestClient

    from search.serve.app import create_app

    app = create_app(retriever, folders=[tmp_path / "secret" / "index"])
    client = TestClient(app, base_url="http://localhost", raise_server_exceptions=False)
    response = client.get("/api/search?q=x")
    assert response.status_code == status
    assert "secret" not in response.text
    assert str(tmp_path) not in response.text


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        ("no video of /srv/my signs/index has it", "no video of index has it"),
        ("the run /data/runs/a is gone", "the run a is gone"),
        ("'/data/a.csv': and/or 3/4", "'a.csv': and/or 3/4"),
        ("(/data/x/y)", "(y)"),
    ],
)
def test_folders_are_taken_out_of_sentences(sentence, told):
    assert PathFilter([Path("/srv/my signs/index")])(sentence) == told


def test_answers_hold_no_paths(client, videos):
    for path in ("search?q=child", "like?id=first", "sentences?id=first", "info", "filters"):
        assert str(videos[0].parent) not in client.get(f"/api/{path}").text


def test_a_gone_file_is_told_and_the_others_go_on(client, retriever, tmp_path):
    retriever.records[0] = record("first", tmp_path / "gone.mp4", "the child", duration=1.0)
    hits = client.get("/api/search?q=the child").json()["hits"]
    assert {hit["video_id"]: hit["is_there"] for hit in hits}["first"] is False
    assert sum(hit["is_there"] for hit in hits) == 2
    response = client.get("/api/media?id=first")
    assert response.status_code == 410
    assert "no longer where the index found it" in response.json()["detail"]
    assert str(tmp_path) not in response.text
