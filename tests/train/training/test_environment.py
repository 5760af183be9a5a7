import hashlib
import json
import platform
import subprocess

import torch

from train.checkpoints.run_folder import environment, git_state


def git(folder, *words):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", folder, *identity, *words], check=True, capture_output=True)


def test_a_checkout_is_described(tmp_path):
    git(tmp_path, "init")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-m", "first")
    clean = git_state(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["is_changed"] is False
    (tmp_path / "file").write_text("two")
    assert git_state(tmp_path) == clean | {"is_changed": True}


def test_outside_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) is None


def test_the_environment_does_not_name_the_machine(tmp_path):
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"abc")
    found = environment(torch.device("cpu"), 2, [weights])
    assert found["weights"] == {str(weights): hashlib.sha256(b"abc").hexdigest()}
    assert found["versions"]["torch"] == torch.__version__.split("+")[0]
    assert found["processes"] == 2
    assert not platform.node() or platform.node() not in json.dumps(
        {name: value for name, value in found.items() if name != "weights"}
    )
