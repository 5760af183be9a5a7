"""Training on stores in a bucket is training on the same stores on a disk."""

import json

import pytest
import torch
from small_training import prepare_folder, small_request

from seds_core.store.bucket import BucketPlace
from seds_core.store.disk import DiskPlace
from train.evaluation.evaluate import evaluate
from train.training.run import train


@pytest.fixture
def folder(tmp_path):
    return prepare_folder(tmp_path)


def losses(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return [line["loss"] for line in map(json.loads, lines) if line["kind"] == "step"]


def test_the_same_steps_and_few_requests(folder, bucket, proxy, monkeypatch, capsys):
    monkeypatch.setenv("SEDS_CACHE", str(folder / "cache"))
    stores = {}
    for kind in ("rgb", "pose"):
        place = BucketPlace(f"{bucket}/{kind}.zarr")
        disk = DiskPlace(folder / f"{kind}.zarr")
        place.create({name: disk.read(name) for name, _ in disk.names()})
        stores[kind] = place.url
    on_disk = small_request(folder, "disk", workers=2)
    far = small_request(folder, "far", workers=2, rgb=(stores["rgb"],), pose=stores["pose"])
    assert train(**on_disk) == 0
    proxy.requests.clear()
    assert train(**far) == 0
    assert losses(folder / "runs" / "far") == losses(folder / "runs" / "disk")
    first, second = (
        torch.load(folder / "runs" / name / "best.pt", weights_only=True)
        for name in ("disk", "far")
    )
    assert first["model"].keys() == second["model"].keys()
    assert all(torch.equal(first["model"][n], second["model"][n]) for n in first["model"])
    told = capsys.readouterr().err
    assert "of the rows in buckets" in told
    assert "100% came from the local cache" in told
    # All rows are in one block, which is fetched once, or by two processes at the same time.
    shards = [line for line in proxy.requests if "/rows/keypoints/c/0" in line and "GET" in line]
    assert len(shards) <= 2
    # Evaluation reads the same rows, from the cache, and says so too.
    on_disk_scores, far_scores = (
        evaluate([folder / "runs" / name], split="dev")[0].scores.scores["fusion"]
        for name in ("disk", "far")
    )
    assert (on_disk_scores == far_scores).all()
    told = capsys.readouterr().err
    assert f"{folder / 'runs' / 'far'}: of the rows in buckets, 100%" in told.replace("\n", " ")
