"""A checkpoint file is whole or refused."""

from dataclasses import replace

import pytest
import torch

from train.checkpoints import run_checkpoint as module
from train.checkpoints.run_checkpoint import (
    RunCheckpoint,
    RunCheckpointError,
    link_checkpoint,
    read_checkpoint,
    write_checkpoint,
)

CHECKPOINT = RunCheckpoint(
    stage="fusion",
    seed=1,
    settings={"cgaf": {"neighbours": [5, 3]}},
    layout={"num_slots": 64},
    provenance={},
    training_videos="0" * 64,
    versions={"torch": "2"},
    position={"epoch": 1, "step_in_epoch": 2, "step": 5},
    best_score=None,
    model={"weight": torch.arange(3.0)},
    optimiser={"state": {0: {"mean": torch.zeros(3)}}, "param_groups": [{"betas": (0.9, 0.98)}]},
    scaler={},
    random_states=[{"python": (3, (1, 2), None)}],
)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "last.pt"
    write_checkpoint(path, CHECKPOINT)
    found = read_checkpoint(path)
    assert torch.equal(found.model["weight"], CHECKPOINT.model["weight"])
    assert replace(found, model={}, optimiser={}) == replace(CHECKPOINT, model={}, optimiser={})
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    write_checkpoint(path, CHECKPOINT)

    def full_disk(content, file):
        file.write(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.torch, "save", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_checkpoint(path, replace(CHECKPOINT, seed=2))
    monkeypatch.undo()
    assert read_checkpoint(path).seed == 1


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(RunCheckpointError, match=r"there is no checkpoint .*last\.pt"):
        read_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("size", [0, 40, -200])
def test_a_damaged_file_is_named(tmp_path, size):
    path = tmp_path / "last.pt"
    write_checkpoint(path, CHECKPOINT)
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(RunCheckpointError, match=r"last\.pt is damaged or no checkpoint"):
        read_checkpoint(path)


def test_a_file_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "last.pt"
    torch.save({"format_version": 1, "model": pytest.Config}, path)
    with pytest.raises(RunCheckpointError, match="damaged or no checkpoint"):
        read_checkpoint(path)


def test_weights_alone_are_no_checkpoint(tmp_path):
    torch.save({"weight": torch.ones(1)}, tmp_path / "weights.pt")
    with pytest.raises(RunCheckpointError, match="no checkpoint of a seds-train run"):
        read_checkpoint(tmp_path / "weights.pt")


def test_another_format_is_refused(tmp_path):
    write_checkpoint(tmp_path / "last.pt", replace(CHECKPOINT, format_version=99))
    with pytest.raises(RunCheckpointError, match="checkpoint format 99, this program reads 1"):
        read_checkpoint(tmp_path / "last.pt")


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_is_told_with_what_is_left(tmp_path, bit):
    for name in ("last.pt", "best.pt"):
        write_checkpoint(tmp_path / name, CHECKPOINT)
    last, best = tmp_path / "last.pt", tmp_path / "best.pt"
    whole = bytearray(last.read_bytes())
    for place in (0, 3, whole.find(b"stage"), len(whole) // 2, len(whole) - 80, len(whole) - 1):
        damaged = whole.copy()
        damaged[place] ^= 1 << bit
        last.write_bytes(damaged)
        with pytest.raises(RunCheckpointError, match=r"last\.pt is damaged.*best\.pt \(--init\)"):
            read_checkpoint(last)
    best.write_bytes(damaged)
    with pytest.raises(RunCheckpointError, match=r"best\.pt is damaged.*--which last"):
        read_checkpoint(best)
    last.unlink()
    with pytest.raises(RunCheckpointError, match=r"best\.pt is damaged") as error:
        read_checkpoint(best)
    assert "--which" not in str(error.value)


def test_weights_alone_are_evaluated_and_not_resumed(tmp_path):
    write_checkpoint(tmp_path / "best.pt", CHECKPOINT.weights_only())
    found = read_checkpoint(tmp_path / "best.pt")
    assert torch.equal(found.model["weight"], CHECKPOINT.model["weight"])
    assert (found.best_score, found.position) == (CHECKPOINT.best_score, CHECKPOINT.position)
    assert not found.can_be_resumed
    assert CHECKPOINT.can_be_resumed


def test_a_second_name_costs_nothing_and_stays_when_the_first_is_replaced(tmp_path):
    last, best = tmp_path / "last.pt", tmp_path / "best.pt"
    write_checkpoint(last, CHECKPOINT)
    for _ in range(2):  # also where it is one already
        assert link_checkpoint(best, last)
        assert best.samefile(last)
    write_checkpoint(last, replace(CHECKPOINT, seed=2))
    assert (read_checkpoint(best).seed, read_checkpoint(last).seed) == (1, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "last.pt"]


def test_a_file_system_without_links_is_told(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "last.pt", CHECKPOINT)
    refused = OSError(95, "Operation not supported")
    monkeypatch.setattr(module.os, "link", lambda *_: (_ for _ in ()).throw(refused))
    assert not link_checkpoint(tmp_path / "best.pt", tmp_path / "last.pt")
    assert not (tmp_path / "best.pt").exists()
