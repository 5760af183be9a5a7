"""Runs and stores of earlier versions are opened, evaluated, compared and go on.

``run.tar.xz`` holds a run of the stage rgb, made by the commit d0ab661 before checkpoints had
checksums; ``untyped.tar.xz`` one of the stage fusion and its two stores, made by c474efe before
provenance was typed. Both were stopped at step 5 of 6, both carry all that they need, and the
numbers below are what their own version gave. Large layers are zeros, so that archives are small.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from run_comparison import losses

from extract.inspection.verify import verify_store
from reference.small_stores import hands_rgb_video, pose_video
from reference.stores_made_before import unpack
from seds_core.errors import UsageError
from seds_core.store.provenance import StoreMismatchError, WeightsRecord
from seds_core.store.reader import StoreReader
from seds_core.store.writer import StoreWriter
from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.evaluation.evaluate import evaluate
from train.evaluation.report import report
from train.training.run import train


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The run without checksums."""
    monkeypatch.chdir(unpack(tmp_path, "run"))
    return Path("runs/before")


@pytest.fixture
def untyped(tmp_path, monkeypatch):
    """The run of two stores whose provenance was not typed."""
    monkeypatch.chdir(unpack(tmp_path, "untyped"))
    return Path("runs/untyped")


def evaluated(run, **options):
    return evaluate([run], split="train", device="cpu", **options)


def resume(run, stage, **stores):
    return train(
        stage, pipeline="small", pipelines=Path("pipelines.yaml"), run_dir=run,
        index=Path("index.csv"), rgb=(Path("rgb.zarr"),), device="cpu", seed=0, resume=True,
        **stores,
    )  # fmt: skip


def scores(found, capsys, **options):
    """Stream -> (R@1, MeanR) from text to video, then back."""
    report(found, as_json=True, **options)
    values = json.loads(capsys.readouterr().out)
    streams = values["models"][0]["streams"]
    ways = ("text_to_video", "video_to_text")
    return values, {
        name: tuple(stream[way][metric] for way in ways for metric in ("R@1", "MeanR"))
        for name, stream in streams.items()
    }


def test_a_run_is_evaluated_and_compared(run, capsys):
    values, found = scores(evaluated(run, compare="published"), capsys, compare=True)
    assert found == {"rgb": (25.0, 2.25, 25.0, 2.5)}
    assert values["published"]["ours"][0]["repeats"] == "SEDS RGB only"


def test_a_run_of_untyped_stores_is_evaluated_and_compared(untyped, capsys):
    values, found = scores(evaluated(untyped, compare="published"), capsys, compare=True)
    assert found == {
        "fusion": (50.0, 1.5, 25.0, 2.0),
        "pose": (0.0, 3.0, 25.0, 2.75),
        "rgb": (25.0, 2.0, 25.0, 1.75),
    }
    assert values["published"]["ours"][0]["repeats"] == "SEDS fusion (paper)"


def test_a_run_goes_on_and_its_new_files_are_sealed(run):
    assert resume(run, "rgb") == 0
    assert losses(run)[5:] == pytest.approx([0.577352], abs=1e-4)
    assert read_checkpoint(RunFolder(run).last).position["step"] == 6
    assert len(evaluated(run, which="last")) == 1


def test_a_run_of_untyped_stores_goes_on(untyped, capsys):
    assert resume(untyped, "fusion", pose=Path("pose.zarr")) == 0
    assert losses(untyped)[5:] == pytest.approx([2.376984], abs=1e-4)
    capsys.readouterr()
    _, found = scores(evaluated(untyped, which="last"), capsys)
    assert found == {
        "fusion": (50.0, 1.5, 50.0, 1.75),
        "pose": (25.0, 2.75, 25.0, 2.75),
        "rgb": (50.0, 2.0, 25.0, 1.75),
    }


def test_untyped_stores_open_verify_and_take_another_video(untyped):
    made = {"pose.zarr": (pose_video, 26), "rgb.zarr": (hands_rgb_video, 26)}
    for path, (video, num_frames) in made.items():
        store = StoreReader(Path(path))
        assert list(store.videos) == list("abcdef")
        with StoreWriter(Path(path), store.provenance) as writer:
            writer.want(["g"])
            writer.claim()
            writer.finish(video("g", num_frames))
        verification = verify_store(Path(path), sample=0, device="cpu")
        assert not verification.problems
        assert list(StoreReader(Path(path)).videos) == list("abcdefg")
    rgb, pose = (StoreReader(Path(path)).provenance for path in ("rgb.zarr", "pose.zarr"))
    assert (rgb.clips.hand_rules, rgb.clips.drops_frames, rgb.clip_slots) == (
        "phoenix-2014t", True, 6,
    )  # fmt: skip
    assert rgb.weights.pose_store_sha256 == pose.rows_identity
    np.testing.assert_array_equal(
        StoreReader(Path("rgb.zarr")).rows("a")["features"],
        hands_rgb_video("a", 30).rows["features"],
    )


def test_other_settings_are_refused_by_untyped_stores(untyped):
    made = StoreReader(Path("pose.zarr")).provenance
    other = WeightsRecord(**{**vars(made.weights), "config_sha256": "0" * 64})
    with pytest.raises(StoreMismatchError, match=r"weights\.config_sha256: 2+ / 0+"):
        StoreWriter(Path("pose.zarr"), replace(made, weights=other))


def test_a_text_encoder_that_is_another_now_is_told(run):
    config = Path("text_encoder/config.json")
    values = json.loads(config.read_text())
    config.write_text(json.dumps(values | {"num_hidden_layers": values["num_hidden_layers"] + 1}))
    with pytest.raises(UsageError, match=r"(last|best)\.pt do not fit.*text"):
        evaluated(run)
