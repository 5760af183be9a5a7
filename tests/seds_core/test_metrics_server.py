"""Prometheus can read a command's figures, and only what may."""

import socket
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families

from seds_core.errors import UsageError
from seds_core.metrics_server import Figure, exposition, served_metrics

FIGURES = [
    Figure("seds_run_rows_total", "counter", "Rows.", 3, {"store": 'a "b"\\\nc'}),
    Figure("seds_run_rows_total", "counter", "Rows.", 1.5, {"store": "\udcfc"}),
    Figure("seds_run_in_hand", "gauge", "Videos.", 0),
]


def read(port, path="/metrics", host="127.0.0.1"):
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=10) as answer:
        return answer.read().decode()


def test_prometheus_reads_what_is_written():
    families = list(text_string_to_metric_families(exposition(FIGURES)))
    samples = [(s.name, s.labels, s.value) for family in families for s in family.samples]
    assert samples == [
        ("seds_run_rows_total", {"store": 'a "b"\\\nc'}, 3.0),
        ("seds_run_rows_total", {"store": "?"}, 1.5),
        ("seds_run_in_hand", {}, 0.0),
    ]
    assert [family.type for family in families] == ["counter", "gauge"]


def test_the_page_is_as_of_now_and_there_is_no_other():
    figures = FIGURES[:1]
    with served_metrics("0", lambda: figures) as port:
        assert read(port) == exposition(FIGURES[:1])
        figures.append(FIGURES[2])
        assert read(port, "/metrics?x=1") == exposition(figures)
        for path in ("/", "/metrics/../../etc/passwd"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                read(port, path)
    with pytest.raises(urllib.error.URLError):
        read(port)


def test_only_this_machine_is_answered_unless_asked_for():
    with served_metrics("0", lambda: FIGURES) as port, pytest.raises(urllib.error.URLError):
        read(port, host="127.0.0.2")
    with served_metrics("0.0.0.0:0", lambda: FIGURES) as port:
        assert "seds_run_in_hand" in read(port, host="127.0.0.2")


@pytest.mark.parametrize(
    "address", ["x", "", "localhost:", "99999", "-1", "no.such.host.invalid:0"]
)
def test_an_address_that_cannot_be_had_is_refused(address):
    with pytest.raises(UsageError, match="--metrics-port"), served_metrics(address, list):
        pass


def test_a_port_in_use_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match="in use"), served_metrics(str(port), list):
            pass
