"""Every place that a store can lie in keeps what the store relies on."""

from uuid import uuid4

import pytest

pytest.importorskip("hypothesis")

from seds_core.store import liveness
from seds_core.store.liveness import FORCED
from seds_core.store.testing import check_place


@pytest.mark.parametrize("by", ["locks", "heartbeats"])
def test_a_disk(tmp_path, monkeypatch, by):
    if by == "heartbeats":
        monkeypatch.setenv(FORCED, "1")
        monkeypatch.setattr(liveness, "_SECONDS_BETWEEN_LOOKS", 0.0)
    check_place(lambda: tmp_path / uuid4().hex / "s.zarr", num_examples=4, num_steps=20)


def test_a_bucket(bucket, monkeypatch):
    pytest.importorskip("obstore")
    monkeypatch.setattr(liveness, "_SECONDS_BETWEEN_LOOKS", 0.0)
    check_place(lambda: f"{bucket}/{uuid4().hex}/s.zarr", num_examples=2, num_steps=15)
