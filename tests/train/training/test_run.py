"""What a run leaves behind, what it refuses, and what it reports."""

import json
import shutil

import numpy as np
import pytest
import yaml
from run_comparison import assert_same_run, losses, metric_lines
from small_training import change_settings, small_request

from reference.small_stores import LENGTHS, RGB, rgb_video, write_store
from seds_core.errors import UsageError
from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.training.run import train


def test_a_seed_decides_every_bit(small_folder):
    change_settings(small_folder, "epochs: 4", "epochs: 7")  # 21 steps
    for name in ("one", "two"):
        assert train(**small_request(small_folder, name)) == 0
    runs = small_folder / "runs"
    assert len(losses(runs / "one")) == 21
    assert_same_run(runs / "one", runs / "two")


def test_a_run_explains_itself(whole_run):
    folder = RunFolder(whole_run / "runs" / "whole")
    settings = yaml.safe_load(folder.settings.read_text())
    assert settings["stage"] == "fusion"
    assert settings["train"]["cgaf"]["hidden"] == 32
    assert settings["train"]["optimisation"]["beta2"] == 0.98
    assert set(json.loads(folder.provenance.read_text())["provenance"]) == {"rgb", "pose"}
    (begun, *_) = json.loads(folder.environment.read_text())
    assert begun["versions"]["torch"]
    steps = metric_lines(folder.path)
    assert [line["step"] for line in steps] == list(range(1, 13))
    assert [line["epoch"] for line in metric_lines(folder.path, "validation")] == [1, 2, 3, 4]
    assert list(folder.tensorboard.glob("events*"))


def test_training_lowers_the_loss(whole_run):
    found = losses(whole_run / "runs" / "whole")
    assert sum(found[-3:]) < sum(found[:3])


def test_the_best_epoch_is_kept(whole_run):
    run_dir = whole_run / "runs" / "whole"
    scores = [line["mean_r1"]["fusion"] for line in metric_lines(run_dir, "validation")]
    best = read_checkpoint(RunFolder(run_dir).best)
    assert best.best_score == max(scores)
    assert best.position["epoch"] == scores.index(max(scores)) + 1
    assert not best.can_be_resumed
    sizes = [path.stat().st_size for path in (RunFolder(run_dir).best, RunFolder(run_dir).last)]
    assert sizes[0] < 0.4 * sizes[1]  # the optimiser holds two numbers a weight


def test_weights_without_an_optimiser_are_not_resumed(whole_run):
    folder = RunFolder(whole_run / "runs" / "renamed")
    folder.path.mkdir()
    shutil.copy(RunFolder(whole_run / "runs" / "whole").best, folder.last)
    with pytest.raises(UsageError, match=r"last\.pt holds weights without.*--init"):
        train(**small_request(whole_run, "renamed", resume=True))


def test_a_run_is_not_overwritten(whole_run):
    with pytest.raises(UsageError, match="exists; resume with --resume or name another"):
        train(**small_request(whole_run, "whole"))


def test_nothing_to_resume_is_an_error(whole_run):
    with pytest.raises(UsageError, match=r"no last\.pt to resume"):
        train(**small_request(whole_run, "absent", resume=True))


def test_a_changed_run_is_not_resumed(whole_run):
    with pytest.raises(UsageError, match=r"last\.pt cannot be resumed.*seed: 0 there, 5 now"):
        train(**small_request(whole_run, "whole", resume=True, seed=5))


def test_a_dry_run_writes_nothing(small_folder, capsys):
    assert train(**small_request(small_folder, dry_run=True)) == 0
    told = capsys.readouterr()
    assert "Nothing was trained. One batch went through the model" in told.out
    assert "6 of 5 sentences" in told.err
    assert not (small_folder / "runs").exists()


@pytest.mark.parametrize("settings", ["batch_size: 4", "batch_size: 4, micro_batch: 1"])
def test_a_dry_run_tells_the_loss_of_the_first_step(small_folder, capsys, settings):
    """With micro-batches each video has batch statistics of its own, and another loss."""
    change_settings(small_folder, "epochs: 4, batch_size: 2", f"epochs: 1, {settings}")
    assert train(**small_request(small_folder, dry_run=True)) == 0
    told = capsys.readouterr().out
    assert train(**small_request(small_folder)) == 0
    first, *_ = losses(small_folder / "runs" / "run")
    assert f"loss {first:.4f}" in told


def test_sentences_are_counted_once_a_run(small_folder, capsys):
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    change_settings(small_folder, "max_words: 12", "max_words: 5")
    assert train(**small_request(small_folder)) == 0
    assert "sentences have more than 5 words" in capsys.readouterr().err
    assert train(**small_request(small_folder, resume=True)) == 0
    assert "sentences have more" not in capsys.readouterr().err


def test_a_frozen_text_encoder_stays(small_folder):
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    assert train(**small_request(small_folder, "frozen", freeze_text=True)) == 0
    change_settings(small_folder, "text: 0.001", "text: 0.1")
    assert train(**small_request(small_folder, "frozen too", freeze_text=True)) == 0
    assert train(**small_request(small_folder, "free")) == 0
    frozen, frozen_too, free = (
        text_weights(small_folder / "runs" / name) for name in ("frozen", "frozen too", "free")
    )
    assert frozen.keys() == free.keys() != set()
    assert all(frozen[name].equal(frozen_too[name]) for name in frozen)
    assert not any(frozen[name].equal(free[name]) for name in frozen if "weight" in name)


def text_weights(run_dir):
    model = read_checkpoint(RunFolder(run_dir).last).model
    return {name: tensor for name, tensor in model.items() if name.startswith("text.")}


def test_without_validation_videos_the_last_epoch_is_the_best(small_folder, capsys):
    change_settings(small_folder, "workers: 0", "workers: 0, validation_split: none")
    assert train(**small_request(small_folder)) == 0
    told = capsys.readouterr().err
    assert told.count("no validation") == 1
    folder = RunFolder(small_folder / "runs" / "run")
    assert read_checkpoint(folder.best).position["epoch"] == 4
    assert folder.best.samefile(folder.last)
    assert metric_lines(folder.path, "validation") == []


@pytest.mark.parametrize("stage", ["pose", "rgb"])
def test_single_streams_are_trained_and_can_begin_a_fusion(small_folder, stage, capsys):
    change_settings(small_folder, "epochs: 4", "epochs: 1")
    assert train(**small_request(small_folder, "single", stage=stage)) == 0
    best = RunFolder(small_folder / "runs" / "single").best
    assert train(**small_request(small_folder, "both", init=(best,))) == 0
    assert "tensors loaded" in capsys.readouterr().err
    (begun,) = json.loads(RunFolder(small_folder / "runs" / "both").environment.read_text())
    assert len(begun["weights"][str(best)]) == 64


def test_an_index_has_to_be_named(small_folder):
    with pytest.raises(UsageError, match="give --index FILE"):
        train(**small_request(small_folder, index=None))


@pytest.fixture
def folder_with(small_folder):
    """Makes the RGB store anew, with features that are not finite in some videos."""

    def folder_with(*broken):
        videos = [rgb_video(video, length) for video, length in LENGTHS.items()]
        for video in videos:
            if video.source.video_id in broken:
                video.rows["features"][-1, 2] = np.inf
        write_store(small_folder / "broken.zarr", RGB, videos)
        change_settings(small_folder, "epochs: 4", "epochs: 2")
        return small_folder

    return folder_with


def request(folder, **changes):
    return small_request(folder, stage="rgb", rgb=(folder / "broken.zarr",), pose=None, **changes)


def test_steps_are_skipped_and_counted_by_name(folder_with, capsys):
    folder = folder_with("c")
    assert train(**request(folder)) == 0
    steps = metric_lines(folder / "runs" / "run")
    skipped = [line for line in steps if line["skipped"]]
    assert len(steps) == 6
    assert [line["unusable_videos"] for line in skipped] == [["c"], ["c"]]  # once an epoch
    told = [line for line in capsys.readouterr().err.splitlines() if "not finite" in line]
    assert [("'c'" in line, "2 steps" in line) for line in told] == [(True, False), (True, True)]


def test_validation_refuses_them(folder_with):
    with pytest.raises(UsageError, match="features of 'g' hold"):
        train(**request(folder_with("g")))


def test_a_dry_run_refuses_them(folder_with):
    with pytest.raises(UsageError, match="not finite"):
        train(**request(folder_with(*"abcdef"), dry_run=True))
