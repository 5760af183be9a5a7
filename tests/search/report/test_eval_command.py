"""The command line of ``seds-eval``."""

import sys
from pathlib import Path

import pytest
import typer

from search import eval_cli as cli
from seds_core.errors import UnavailableError, UsageError
from train.evaluation import evaluate as evaluate_module
from train.evaluation import report as report_module


@pytest.fixture
def call(monkeypatch):
    """Calls the command line with the library replaced; gives its exit code."""

    def call(*arguments, error=None):
        def evaluated(runs, **options):
            if error:
                raise error
            call.options = {"runs": runs} | options
            return ["models"]

        def reported(models, **options):
            assert models == ["models"]
            call.reported = options

        monkeypatch.setattr(evaluate_module, "evaluate", evaluated)
        monkeypatch.setattr(report_module, "report", reported)
        monkeypatch.setattr(sys, "argv", ["seds-eval", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code

    return call


def test_every_option_arrives(call):
    code = call(
        "--run", "a", "--run", "b", "--split", "dev", "--ties", "published", "--which", "last",
        "--ranks", "r.csv", "--json", "--workers", "0", "--compare", "published",
        "--rgb", "a.zarr", "--mix", "0.5", "--rgb", "b.zarr", "--mix", "0.5",
        "--index", "i.csv", "--pose", "p.zarr", "--device", "cpu", "--normalise", "--calibrate",
        "--takes",
    )  # fmt: skip
    assert code == 0
    del call.options["pipelines"]
    assert call.options == {
        "runs": (Path("a"), Path("b")), "checkpoint": None, "pipeline": None, "split": "dev",
        "which": "last", "workers": 0, "compare": "published", "mix": (0.5, 0.5),
        "rgb": ("a.zarr", "b.zarr"), "index": Path("i.csv"), "pose": "p.zarr",
        "device": "cpu", "look": None, "normalise": True, "calibrate": True,
        "takes": True,
    }  # fmt: skip
    assert call.reported == {
        "ties": "published", "compare": True, "ranks": Path("r.csv"), "as_json": True,
    }  # fmt: skip


def test_what_is_left_out(call):
    assert call("--checkpoint", "ph.bin", "--pipeline", "phoenix-2014t") == 0
    assert call.options.pop("pipelines").is_file()
    assert call.options == {
        "runs": (), "checkpoint": Path("ph.bin"), "pipeline": "phoenix-2014t", "split": "test",
        "which": "best", "workers": None, "compare": None, "mix": (), "rgb": (), "index": None,
        "pose": None, "device": "auto", "look": None, "normalise": False, "calibrate": False,
        "takes": False,
    }  # fmt: skip
    assert call.reported == {"ties": "expected", "compare": False, "ranks": None, "as_json": False}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (UsageError("no [such] split"), 2, "error: no [such] split"),
        (UnavailableError("scores are not finite"), 1, "error: scores are not finite"),
    ],
)
def test_exit_codes(call, capsys, error, code, message):
    assert call("--run", "a", error=error) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--ties", "lucky"], ["--which", "worst"], ["--k", "3"]])
def test_unknown_choices_are_usage_errors(call, wrong):
    assert call("--run", "a", *wrong) == 2


def test_the_options_do_not_grow_by_accident():
    """Numbers belong into the pipeline file; the command line says what, where and how."""
    options = sorted(parameter.name for parameter in typer.main.get_command(cli.app).params)
    assert options == [
        "as_json", "calibrate", "checkpoint", "compare", "device", "index", "mix", "normalise",
        "pipeline", "pipelines", "pose", "ranks", "report", "rgb", "runs", "split", "takes", "ties",
        "which", "workers",
    ]  # fmt: skip


def test_a_report_looks_at_each_model_and_is_written_last(call, monkeypatch, tmp_path):
    from search.report import eval_page

    class Page:
        def __init__(self, folder, num_models, ties):
            call.page = self
            self.arguments, self.written = (folder, num_models, ties), None

        def look(self, *arguments):
            raise AssertionError("the library is replaced")

        def write(self, models):
            assert call.reported
            self.written = models

    monkeypatch.setattr(eval_page, "EvalReport", Page)
    report = str(tmp_path / "report")
    code = call("--run", "a", "--run", "b", "--report", report, "--ties", "optimistic")
    assert code == 0
    assert call.page.arguments == (Path(report), 2, "optimistic")
    assert call.options["look"] == call.page.look
    assert call.page.written == ["models"]
    assert call("--checkpoint", "a.pt", "--report", report) == 0
    assert call.page.arguments[1] == 1
