import sys
from pathlib import Path

import pytest
import typer

from seds_core.errors import UnavailableError, UsageError
from train.evaluation import cli, command


@pytest.fixture
def call(monkeypatch):
    """Calls the command line with the library replaced; gives its exit code."""

    def call(*arguments, answer=0):
        def evaluate(request):
            call.request = request
            if isinstance(answer, Exception):
                raise answer
            return answer

        monkeypatch.setattr(command, "evaluate", evaluate)
        monkeypatch.setattr(sys, "argv", ["seds-eval", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    return call


def test_options_become_a_request(call):
    code = call(
        "--run", "a", "--run", "b", "--split", "dev", "--ties", "published", "--which", "last",
        "--ranks", "r.csv", "--json", "--workers", "0", "--compare", "published",
        "--rgb", "a.zarr", "--mix", "0.5", "--rgb", "b.zarr", "--mix", "0.5",
    )  # fmt: skip
    request = call.request
    assert code == 0
    assert request.runs == (Path("a"), Path("b"))
    assert (request.split, request.ties, request.which) == ("dev", "published", "last")
    assert (request.ranks, request.as_json, request.workers) == (Path("r.csv"), True, 0)
    assert (request.compare, request.mix) == ("published", (0.5, 0.5))
    assert request.rgb == (Path("a.zarr"), Path("b.zarr"))


def test_what_is_left_out(call):
    assert call("--checkpoint", "ph.bin", "--pipeline", "phoenix-2014t") == 0
    request = call.request
    assert (request.runs, request.checkpoint) == ((), Path("ph.bin"))
    assert (request.split, request.ties, request.which) == ("test", "expected", "best")
    assert (request.index, request.pose, request.workers, request.compare) == (None,) * 4
    assert (request.rgb, request.mix) == ((), ())
    assert request.pipelines.is_file()


@pytest.mark.parametrize(
    ("answer", "code", "message"),
    [
        (UsageError("no [such] split"), 2, "error: no [such] split"),
        (UnavailableError("scores are not finite"), 1, "error: scores are not finite"),
    ],
)
def test_exit_codes(call, capsys, answer, code, message):
    assert call("--run", "a", answer=answer) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--ties", "lucky"], ["--which", "worst"], ["--k", "3"]])
def test_unknown_choices_are_usage_errors(call, wrong):
    assert call("--run", "a", *wrong) == 2


def test_the_options_do_not_grow_by_accident():
    """Numbers belong into the pipeline file; the command line says what, where and how."""
    options = sorted(parameter.name for parameter in typer.main.get_command(cli.app).params)
    assert options == [
        "as_json", "checkpoint", "compare", "device", "index", "mix", "pipeline", "pipelines",
        "pose", "ranks", "rgb", "runs", "split", "ties", "which", "workers",
    ]  # fmt: skip
