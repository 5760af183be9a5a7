"""The command line in a process of its own: typer's contexts are not of the type that it declares,
and the checks of shapes and types in this process would refuse them."""

import inspect
import subprocess
import sys

import pytest

from train import cli

PROGRAM = """
import sys, types
from seds_core.errors import UnavailableError, UsageError
run = types.ModuleType("train.training.run")
def train(*values, **options):
    print(*values, options)
    answer = {answer}
    if isinstance(answer, Exception):
        raise answer
    return answer
run.train = train
sys.modules[run.__name__] = run
sys.argv = ["seds-train", *{arguments}]
from train.cli import main
main()
"""


def call(*arguments, answer="0"):
    """Runs the command with the training replaced by one that prints what it is called with."""
    program = PROGRAM.format(arguments=arguments, answer=answer)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_options_become_a_call():
    done = call(
        "--stage", "fusion", "--pipeline", "how2sign", "--rgb", "r.zarr", "--mix", "0.8",
        "--rgb", "s.zarr", "--mix", "0.2", "--init", "a.bin",
        "--init", "b.pt", "--freeze", "text", "--seed", "3", "--workers", "0",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for text in (
        "fusion {'pipeline': 'how2sign'",
        "'rgb': ['r.zarr', 's.zarr']",
        "'mix': [0.8, 0.2]",
        "'init': [PosixPath('a.bin'), PosixPath('b.pt')]",
        "'freeze_text': True",
        "'seed': 3",
        "'workers': 0",
        "'run_dir': PosixPath('runs/how2sign-fusion-seed3')",
        "'resume': False",
        "'dry_run': False",
    ):
        assert text in done.stdout


def test_a_run_may_have_a_name():
    done = call("--stage", "rgb", "--runs", "far", "--name", "first", "--resume", "--dry-run")
    for text in ("'run_dir': PosixPath('far/first')", "'resume': True", "'dry_run': True"):
        assert text in done.stdout


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        ("143", 143, ""),
        ("UsageError('the [index] x')", 2, "error: the [index] x"),
        ("UnavailableError('no weights')", 1, "error: no weights"),
    ],
)
def test_exit_codes(answer, code, message):
    done = call("--stage", "pose", answer=answer)
    assert done.returncode == code
    assert message in done.stderr


@pytest.mark.parametrize(
    "arguments", [["--pipeline", "demo"], ["--stage", "both"], ["--rate", "1"]]
)
def test_a_wrong_command_is_refused(arguments):
    assert call(*arguments).returncode == 2


def test_check_names_the_store_that_is_none(tmp_path):
    done = call("check", "--rgb", str(tmp_path / "r"), "--pose", str(tmp_path / "p"))
    assert done.returncode == 2
    assert str(tmp_path / "r") in done.stderr


def test_the_options_do_not_grow_by_accident():
    """Numbers belong into the pipeline file; the command line says what, where and how."""
    assert list(inspect.signature(cli.seds_train).parameters) == [
        "context", "stage", "pipeline", "pipelines", "index", "rgb", "mix", "pose", "init",
        "freeze", "runs", "name", "seed", "resume", "device", "workers", "dry_run",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("option", "places"),
    [
        ("--epochs", ["train.optimisation.epochs"]),
        ("--batch-size=8", ["train.optimisation.batch_size", "train.evaluation.batch_size"]),
        ("--learning-rate", ["train.optimisation.learning_rates"]),
        ("--max_words", ["train.text.max_words"]),
    ],
)
def test_a_setting_as_an_option_is_answered_with_its_place(option, places):
    done = call("--stage", "rgb", option, "8")
    assert done.returncode == 2
    told = " ".join(done.stderr.split())
    assert all(place in told for place in places)
    assert "--pipeline" in told


def test_a_sweep_has_options_of_its_own():
    assert list(inspect.signature(cli.sweep_recipes).parameters) == [
        "file", "out", "jobs", "engine", "device", "dry_run",
    ]  # fmt: skip


def test_a_sweep_with_a_wrong_key_ends_with_2_and_its_sentence(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text("pipeline: demo\nseeds: [1]\nreceipts: {}\n")
    command = [sys.executable, "-m", "train", "sweep", path, "--out", tmp_path / "out"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "Did you mean 'recipes'?" in done.stderr
    assert not (tmp_path / "out").exists()


def test_another_unknown_option_is_answered_as_ever():
    done = call("--stage", "rgb", "--sede", "8")
    assert done.returncode == 2
    assert "--seed" in done.stderr
    assert call("--stage", "rgb", "--workers=0", "--pose", "p.zarr").returncode == 0
