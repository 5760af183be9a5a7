"""The command trains, keeps the best weights, and prints what they are worth."""

import sys

import pytest

from extract.demo import pose_training
from extract.demo.pose_config import WEIGHTS_PATH


def test_the_command_calls_one_after_the_other(tmp_path, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(pose_training, "train", lambda out: calls.append(("train", out)))
    monkeypatch.setattr(pose_training, "keep_best", lambda *paths: calls.append(("keep", *paths)))
    monkeypatch.setattr(
        pose_training, "held_out_errors", lambda _weights, _frames: {"hands": 1.234}
    )
    monkeypatch.setattr(sys, "argv", ["train", "--out", str(tmp_path)])
    pose_training.main()
    assert calls == [("train", tmp_path), ("keep", tmp_path, WEIGHTS_PATH)]
    assert capsys.readouterr().out == "hands: 1.23 % of the signer's height\n"


def test_the_folder_must_be_named(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["train"])
    with pytest.raises(SystemExit):
        pose_training.main()
