"""The command trains, keeps the best weights, and prints what they are worth."""

import sys

import pytest

from extract.demo_pose import evaluate, train, training_run
from extract.demo_pose.model_config import WEIGHTS_PATH


def test_the_command_calls_one_after_the_other(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(training_run, "train", lambda out: calls.append(("train", out)))
    monkeypatch.setattr(training_run, "keep_best", lambda *paths: calls.append(("keep", *paths)))
    monkeypatch.setattr(evaluate, "held_out_errors", lambda _weights, _frames: {"hands": 1.234})
    monkeypatch.setattr(sys, "argv", ["train", "--out", str(tmp_path)])
    train.main()
    assert calls == [("train", tmp_path), ("keep", tmp_path, WEIGHTS_PATH)]
    assert capsys.readouterr().out == "hands: 1.23 % of the signer's height\n"


def test_the_folder_must_be_named(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train"])
    with pytest.raises(SystemExit):
        train.main()
