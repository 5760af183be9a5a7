"""The list of benchmarks names every script, gives each what it asks for, and keeps old results."""

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest
from claims import CLAIMS, NO_BENCHMARKS, Claim
from run_all import (
    Outcome,
    as_markdown,
    document,
    result,
    run,
    run_claims,
    section,
    sections_of,
    without_paths,
)
from shared_data import REPOSITORY

BENCHMARKS = REPOSITORY / "benchmarks"

CALLS = [
    shlex.split(line)[1:]
    for claim in CLAIMS
    for line in claim.command.splitlines()
    if line.startswith("python ")
]
"""Script and arguments of every command."""

CLAIM = Claim("loader", "The loader", "Ours against theirs.", "python benchmarks/loader.py")
OUTCOME = Outcome("2 CPUs\n\n| way | s |\n|---|---|\n| ours | 1 |\n", "", 0, 12.3)


def test_every_script_is_listed_or_named_as_no_benchmark():
    listed = {script for claim in CLAIMS for script in claim.scripts}
    assert listed & NO_BENCHMARKS.keys() == set()
    assert listed | NO_BENCHMARKS.keys() == {path.name for path in BENCHMARKS.glob("*.py")}


def test_claims_have_names_of_their_own():
    names = [claim.name for claim in CLAIMS]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("call", CALLS, ids=" ".join)
def test_a_command_gives_its_script_what_that_asks_for(call):
    script, *given = call
    named, positional = asked(REPOSITORY / script)
    flags = [word for word in given if word.startswith("--")]
    assert set(flags) <= named.keys()
    assert {name for name, is_required in named.items() if is_required} <= set(flags)
    first_flag = next((place for place, word in enumerate(given) if word in flags), len(given))
    assert first_flag == positional


def asked(script: Path) -> tuple[dict[str, bool], int]:
    """Options of a script, whether each is required, and the number of other arguments."""
    named, positional = {}, 0
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "add_argument":
            name = ast.literal_eval(node.args[0])
            settings = {word.arg: word.value for word in node.keywords}
            if name.startswith("--"):
                named[name] = "required" in settings and ast.literal_eval(settings["required"])
            else:
                positional += 1
    return named, positional


def test_claims_on_shared_videos_name_the_part_that_they_need():
    needs = {claim.name: claim.needs for claim in CLAIMS if "SHARED" in claim.command}
    assert "realsigns/tid" in needs["extraction_growth"]
    assert all(needs.values())


def test_sections_that_were_not_run_stay_as_they_are():
    old = document("# Results\n", {name: f"## {name}\n\nOld.\n" for name in ("loader", "scoring")})
    sections = sections_of(old)
    sections["scoring"] = "## scoring\n\nNew.\n"
    new = document("# Other machine\n", sections)
    assert new.startswith("# Other machine\n")
    assert sections_of(new) == {
        "loader": "## loader\n\nOld.\n",
        "scoring": "## scoring\n\nNew.\n",
    }
    assert document("# Other machine\n", sections_of(new)) == new


def test_sections_are_in_the_order_of_the_list_and_those_of_no_claim_are_dropped():
    text = document("# Results\n", {name: "Text.\n" for name in ("scoring", "gone", "loader")})
    assert list(sections_of(text)) == ["loader", "scoring"]


def test_a_section_says_what_is_claimed_how_it_is_measured_and_what_came_out():
    text = section(CLAIM, result(OUTCOME, "2026-01-02 03:04, commit abc"))
    assert text == (
        "## The loader\n\nOurs against theirs.\n\n```\npython benchmarks/loader.py\n```\n\n"
        "2026-01-02 03:04, commit abc, 12 s.\n\n2 CPUs\n\n| way | s |\n|---|---|\n| ours | 1 |\n"
    )
    with_bar = Claim("loader", "The loader", "Ours.", "python x.py", "Ten times as fast.")
    assert "\n\n**Bar.** Ten times as fast.\n\n" in section(with_bar, "")


def test_tables_stay_tables_and_aligned_lines_stay_aligned():
    printed = "one line\n| a | b |\n|---|---|\n| 1 | 2 |\nfirst   1\nsecond  2\n\nlast line\n"
    assert as_markdown(printed) == (
        "one line\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "```\nfirst   1\nsecond  2\n```\n\nlast line\n"
    )


def test_a_command_that_fails_leaves_its_last_lines():
    outcome = Outcome("began\n", "\n".join(f"line {n}" for n in range(40)) + "\nValueError", 3, 1.0)
    text = result(outcome, "today")
    assert "**Failed** with exit code 3 (today, 1 s)" in text
    assert "line 39\nValueError\n```" in text
    assert "began" not in text
    assert "line 20" not in text


def test_places_on_this_machine_are_not_published(tmp_path):
    text = f"videos {tmp_path}/tid, {REPOSITORY}/demo/rgb.zarr"
    assert without_paths(text, tmp_path) == "videos $SHARED/tid, ./demo/rgb.zarr"


def test_a_command_runs_in_the_repository_with_the_shared_folder_and_our_python(tmp_path):
    outcome = run(
        Claim("x", "", "", 'pwd\necho "$SHARED"\ncommand -v python\nfalse\necho'), tmp_path
    )
    assert outcome.output.splitlines() == [
        str(REPOSITORY), str(tmp_path), str(Path(sys.executable).with_name("python")),
    ]  # fmt: skip
    assert outcome.code == 1


def test_a_run_measures_skips_and_fails_claim_by_claim(tmp_path, monkeypatch, capsys):
    claims = (
        Claim("bad", "Bad", "", "echo broken >&2; exit 5"),
        Claim("good", "Good", "", "echo fine"),
        Claim("missing", "Missing", "", "echo $SHARED/nowhere"),
        Claim("kept", "Kept", "", "echo $SHARED/nowhere"),
    )
    results = tmp_path / "RESULTS.md"
    monkeypatch.setattr("run_all.CLAIMS", claims)
    monkeypatch.setattr("run_all.RESULTS", results)
    monkeypatch.setattr("run_all.heading", lambda: "# Results\n")
    results.write_text(document("# Results\n", {"kept": "## Kept\n\nOld.\n"}))
    assert run_claims(claims, tmp_path) == 1
    sections = sections_of(results.read_text())
    assert sections["good"].endswith("\n\nfine\n")
    assert "Not measured: $SHARED/nowhere is missing" in sections["missing"]
    assert "exit code 5" in sections["bad"]
    assert "broken" in sections["bad"]
    assert sections["kept"] == "## Kept\n\nOld.\n"
    assert "skipped: $SHARED/nowhere is missing" in capsys.readouterr().err
    assert run_claims(claims[1:], tmp_path) == 0
    assert set(sections_of(results.read_text())) == {"good", "missing", "bad", "kept"}


def test_the_results_are_in_the_form_that_is_written():
    path = BENCHMARKS / "RESULTS.md"
    if not path.exists():
        pytest.skip("nothing has been measured yet")
    text = path.read_text(encoding="utf-8")
    assert document(text[: text.index("\n<!--")], sections_of(text)) == text
    assert re.search(r"/(work|home|root|tmp)/", text) is None
