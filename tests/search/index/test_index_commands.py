"""The commands that make and tend an index, in a process of their own: typer's contexts are not of
the type that it declares, which the checks of types in this process would refuse."""

import json
import subprocess
import sys

import numpy as np
import pytest

from reference.small_indexes import small_run
from reference.small_stores import LENGTHS, POSE, RGB, pose_video, rgb_video, write_store

PROGRAM = """
import contextlib, io, json, sys
from search.cli import main
for arguments in json.loads(sys.argv[1]):
    sys.argv = ["seds-search", *arguments]
    out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
    code = 0
    with contextlib.redirect_stdout(out):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    out.flush()
    print(json.dumps([code, out.buffer.getvalue().decode()]))
"""


def call(*commands):
    """Runs one command after the other; returns each one's exit code and output."""
    words = [command.split() for command in commands]
    program = [sys.executable, "-c", PROGRAM, json.dumps(words)]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("commands")
    small_run(folder)
    return folder


def test_an_index_from_its_making_to_its_end(folder):
    index, build = folder / "index", f"build --run {folder}/run --out {folder}/index --device cpu"
    answers, _ = call(
        f"{build} --dry-run --json",
        f"{build} --json",
        f"{build} --workers 0 --batch 2 --json",
        f"info {index} --json",
        f"delete {index} a b --json",
        f"add {index} --dry-run --device cpu --json",
        f"compact {index} --json",
        f"verify {index} --json",
        f"add {index} --device cpu --json",
    )
    assert [code for code, _ in answers] == [0] * len(answers)
    dry, built, again, info, deleted, planned, compacted, verified, added = (
        json.loads(out) for _, out in answers
    )
    assert (dry["dry_run"], dry["num_new"], dry["num_entries"]) == (True, len(LENGTHS), 0)
    assert (built["num_new"], built["num_entries"]) == (len(LENGTHS), len(LENGTHS))
    assert (again["num_unchanged"], again["num_entries"]) == (len(LENGTHS), 0)
    (part,) = info["parts"]
    assert (part["num_videos"], part["num_sentences"], part["num_dead"]) == (8, 6, 0)
    assert (info["stage"], info["columns"], info["windows"]) == ("fusion", {"split": 2}, None)
    assert info["bytes_per_entry"] > 0
    assert deleted == {"num_videos": 2, "num_entries": 2}
    assert (planned["num_new"], planned["num_unchanged"]) == (2, 6)
    assert (compacted["parts"][0]["num_entries"], compacted["parts"][0]["num_removed"]) == (6, 2)
    assert (verified["is_whole"], verified["parts"][0]["num_entries"]) == (True, 6)
    assert (added["num_new"], added["num_entries"]) == (2, 2)


def test_tables_and_exit_codes_tell_what_is_wrong(folder):
    index, build = folder / "other", f"build --run {folder}/run --out {folder}/other --device cpu"
    bad = rgb_video("bad", 50)
    bad.rows["features"][0, 0] = np.inf
    stores = [
        write_store(folder / "bad_rgb.zarr", RGB, [rgb_video("g", 17), bad]),
        write_store(folder / "bad_pose.zarr", POSE, [pose_video("g", 17), pose_video("bad", 50)]),
    ]
    (folder / "few.csv").write_text("video_id,path,text\ng,g.mp4,hello\nbad,bad.mp4,oh\n")
    answers, told = call(
        f"{build} --rgb {stores[0]} --pose {stores[1]} --index {folder}/few.csv",
        f"info {index}",
        f"delete {index} nobody",
        f"{build} --step 2s",
        f"{build} --windows fast",
        f"{build} --pipeline nothing",
        f"info {folder}",
        f"info {folder}/nowhere",
    )
    assert [code for code, _ in answers] == [3, 0, 2, 2, 2, 2, 0, 2]
    assert "failed" in answers[0][1]
    assert "sentences" in answers[1][1]
    assert "bad: its rows hold numbers that are not finite" in told
    for reason in ("no video nobody", "--windows", "no length of time", "'nothing'", "no index"):
        assert reason in told
    tokens = index / "generation-1" / "signs.tokens"
    tokens.write_bytes(b"\xff" + tokens.read_bytes()[1:])
    ((code, _),), told = call(f"verify {index}")
    assert (code, "g: its tokens have changed" in told) == (1, True)
