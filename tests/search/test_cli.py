"""The command ``seds-search``: its commands, their options, and how a command ends.

Commands run in a process of their own: typer's contexts are not of the type that it declares, and
the checks of shapes and types in this process would refuse them.
"""

import subprocess
import sys

import pytest

STORES = ["--rgb", "--mix", "--pose", "--index"]
WORK = [
    "--devices", "--engine", "--address", "--num-workers", "--gpus-per-worker",
    "--cpus-per-worker", "--batch", "--workers", "--dry-run", "--json",
]  # fmt: skip
ASKING = ["--video", "--like", "--start", "--end", "-k"]

OPTIONS = {
    "build": [
        "--run", "--out", *STORES, "--which", "--windows", "--step", "--pipeline", "--pipelines",
        *WORK,
    ],
    "add": ["INDEX_PATH", "--run", *STORES, *WORK],
    "delete": ["INDEX", "VIDEO_IDS", "--json"],
    "info": ["INDEX", "--json"],
    "verify": ["INDEX", "--json"],
    "compact": ["INDEX", "--json"],
    "query": [
        "ASKED", *ASKING, "--filter", "--exact", "--normalise", "--html", "--json", "--device",
        "--run",
    ],
    "sentences": ["INDEX", *ASKING, "--exact", "--normalise", "--json", "--device", "--run"],
    "explain": [
        "INDEX", "VIDEO", "SENTENCE", "--start", "--end", "--html", "--json", "--device", "--run",
    ],
    "serve": ["INDEXES", "--host", "--port", "--device", "--run", "--allow-host"],
}  # fmt: skip

LISTED = """
import typer
from search.cli import app
for name, command in typer.main.get_command(app).commands.items():
    names = [p.opts[0] if p.opts[0].startswith("-") else p.name.upper() for p in command.params]
    print(name, *names)
"""


def program(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def seds_search(*arguments):
    return program("from search.cli import main; main()", *arguments)


def test_the_options_do_not_grow_by_accident():
    """Numbers belong into the pipeline file; the command line says what, where and how."""
    listed = [line.split() for line in program(LISTED).stdout.splitlines()]
    assert {name: options for name, *options in listed} == OPTIONS


def test_every_command_has_help_with_examples():
    code = """
import sys
from search.cli import app
for name in sys.argv[1:]:
    print("=== page", name)
    app([name, "--help"], standalone_mode=False)
"""
    done = program(code, *OPTIONS)
    assert done.returncode == 0, done.stderr
    _, *pages = done.stdout.split("=== page ")
    assert len(pages) == len(OPTIONS)
    for name, page in zip(OPTIONS, pages, strict=True):
        assert "Example" in page
        assert f"seds-search {name} " in page
        assert "Exit codes:" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["query", "nowhere", "rain"], "there is no index nowhere"),
        (["query", "nowhere", "rain", "-k", "0"], "-k"),
        (["sentences", "nowhere"], "--like"),
    ],
)
def test_what_is_wrong_with_a_query_is_told_in_a_sentence(arguments, message):
    done = seds_search(*arguments)
    assert done.returncode == 2
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_query_writes_its_page_and_only_results_to_standard_output(tmp_path):
    from reference.small_indexes import made_up_index

    index, page = made_up_index(tmp_path / "index"), tmp_path / "hits.html"
    done = seds_search(
        "query", str(index), "--like", "v3", "-k", "2", "--json", "--html", str(page)
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    assert '"query": "like v3"' in done.stdout
    assert str(page) in done.stderr
    assert "like v3" in page.read_text()
