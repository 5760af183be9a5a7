"""A run's log tells programs what happened, in whatever way the run ended."""

import json
import os
import signal
import subprocess
import sys
import time

import mean_stream
import pytest

from extract.run import run_log
from extract.run.run_log import RunLog, log_beside, logged_run
from extract.run.watching import WatchOptions
from seds_core.console import warn
from seds_core.errors import UsageError


def lines(path):
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_run_tells_everything(run, corpus, tmp_path):
    corpus.path("video2").write_bytes(b"no video")
    code, _ = run(watch=WatchOptions(log_file=tmp_path / "run.jsonl"))
    assert code == 3
    told = lines(tmp_path / "run.jsonl")
    assert [told[0]["event"], told[-2]["event"], told[-1]["event"]] == ["run", "summary", "ended"]
    assert {(line["host"], line["pid"]) for line in told} == {(os.uname().nodename, os.getpid())}
    finished = [line for line in told if line["event"] == "finished"]
    assert [line["video"] for line in finished] == [v for v in corpus.ids if v != "video2"]
    assert all(line["seconds"] >= 0 and line["level"] == "info" for line in finished)
    [failed] = [line for line in told if line["event"] == "failed"]
    assert (failed["video"], failed["level"]) == ("video2", "error")
    assert failed["reason"] in run.told.err
    assert told[-2]["finished"] == 5
    assert [line["time"] for line in told] == sorted(line["time"] for line in told)


def test_without_a_choice_it_lies_beside_the_store(run, tmp_path):
    run()
    [path] = (tmp_path / "rgb.zarr.logs").iterdir()
    assert str(os.getpid()) in path.name
    assert lines(path)[-1]["event"] == "ended"
    run()  # has nothing to do
    assert len(list((tmp_path / "rgb.zarr.logs").iterdir())) == 1


def test_a_store_in_a_bucket_has_its_log_here():
    path = log_beside("s3://bucket/folder/pose.zarr/")
    assert path.parent.as_posix() == "pose.zarr.logs"


def test_a_killed_run_has_written_all_that_happened(corpus, tmp_path):
    store = tmp_path / "rgb.zarr"
    command = [
        sys.executable,
        mean_stream.__file__,
        str(store),
        str(corpus.index),
        "--seconds",
        "0.1",
    ]
    environment = os.environ | {"PYTHONPATH": ".:tests"}
    printed = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as process:
        while sum(event["event"] == "finished" for event in printed) < 2:
            printed.append(json.loads(process.stdout.readline()))
        process.send_signal(signal.SIGKILL)
        printed += [json.loads(line) for line in process.stdout if line.endswith(b"\n")]
    assert process.returncode == -signal.SIGKILL
    [path] = (tmp_path / "rgb.zarr.logs").iterdir()
    told = lines(path)  # every line is whole
    happened = [(event["event"], event["video_id"]) for event in printed if "video_id" in event]
    assert [(line["event"], line.get("video")) for line in told[1:]][: len(happened)] == happened
    assert told[-1]["event"] != "ended"


def test_an_error_ends_the_log(tmp_path):
    path = tmp_path / "run.jsonl"

    def run():
        with logged_run(path, is_chosen=True):
            warn("the [bold]disk[/] is slow")
            raise RuntimeError("no card")

    with pytest.raises(RuntimeError):
        run()
    _, warned, ended = lines(path)
    assert (warned["level"], warned["text"]) == ("warning", "the disk is slow")
    assert (ended["level"], ended["reason"]) == ("error", "RuntimeError: no card")
    warn("nobody listens any more")
    assert len(lines(path)) == 3


@pytest.mark.parametrize("name", ["two\nlines", "\udcfc", "\x00", "a" * 100_000, '"}{'])
def test_whatever_a_video_is_called_its_line_is_one(tmp_path, name):
    with logged_run(tmp_path / "run.jsonl", is_chosen=True) as log:
        log("started", {"video_id": name})
    assert [line.get("video") for line in lines(tmp_path / "run.jsonl")] == [None, name, None]


def test_a_full_disk_costs_the_log_and_not_the_run(tmp_path, capsys):
    full = tmp_path / "run.jsonl"
    full.symlink_to("/dev/full")
    with logged_run(full, is_chosen=True) as log:
        for _ in range(3):
            log("finished", {"video_id": "a"})
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_a_place_that_cannot_be_written_is_refused_where_it_was_chosen(tmp_path, capsys):
    (tmp_path / "file").touch()
    place = tmp_path / "file" / "run.jsonl"
    with pytest.raises(UsageError, match=r"--log-file .*run\.jsonl: File exists"):
        RunLog(place, is_chosen=True)
    with logged_run(place, is_chosen=False) as log:
        log("finished", {"video_id": "a"})
    assert "the run goes on without it" in capsys.readouterr().err


def test_it_grows_to_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "MAX_BYTES", 2_000)
    with logged_run(tmp_path / "run.jsonl", is_chosen=True) as log:
        for number in range(200):
            log("finished", {"video_id": f"video-{number}"})
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["run.jsonl", "run.jsonl.1"]
    assert all(file.stat().st_size < 2_500 for file in files)
    videos = [line.get("video") for file in reversed(files) for line in lines(file)]
    assert videos[-2] == "video-199"
    assert videos[:-1] == [f"video-{n}" for n in range(200 - len(videos) + 1, 200)]


def test_logs_of_long_ago_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(run_log, "KEPT_LOGS", 2)
    for number in range(4):
        log = tmp_path / f"{number}.jsonl"
        log.touch()
        if number < 3:
            old = time.time() - 90_000 + number
            os.utime(log, (old, old))
    with logged_run(tmp_path / "new.jsonl", is_chosen=False):
        assert sorted(path.name for path in tmp_path.iterdir()) == ["3.jsonl", "new.jsonl"]
