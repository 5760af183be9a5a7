"""However a run with reading processes ends, it ends at once, tells its exit code, and leaves no
process behind."""

import os
import signal
import subprocess
import time

import pytest
import small_training
from process_group import start_two_processes
from run_comparison import wait_for_step
from sessions import end_of, members, start_session, ten_seconds


@pytest.fixture
def start(small_folder):
    """Starts a run with two reading processes, which ends with the test."""
    started = []

    def start(*options):
        arguments = (small_folder, "run", "--workers", 2, *options)
        started.append(start_session(small_training.__file__, *arguments))
        return started[-1]

    yield start
    for process in started:
        for pid in members(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


def error_of(process):
    """The line of standard error that tells the error, and what follows it."""
    for line in process.stderr:
        if "error:" in line or "Error:" in line:
            return line + process.stderr.read()
    raise AssertionError("no error was told")


def test_an_error_in_a_reading_process_is_told_as_it_is(start, small_folder):
    (shard,) = (small_folder / "rgb.zarr/rows/features/c").glob("*/*")
    shard.write_bytes(bytes(shard.stat().st_size))  # what opening a store does not see
    process = start()
    told = error_of(process)
    assert end_of(process) == 2
    assert "Traceback" not in told
    assert "the video '" in told
    assert "rgb.zarr/rows/features/c/0/0 is damaged" in told


def test_an_error_in_the_main_process(start):
    process = start("--fail")
    told = error_of(process)
    assert "RuntimeError: a mistake of ours" in told
    assert "leaked" not in told
    assert end_of(process) == 1


def test_ctrl_c_twice_does_not_wait_for_the_step(start, small_folder):
    process = start("--stand-still")
    wait_for_step(small_folder / "runs" / "run", 4, process)
    while not (small_folder / "standing").exists():  # before that, the first Ctrl-C ends the run
        assert process.poll() is None
        time.sleep(0.01)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        time.sleep(0.5)
    assert end_of(process) == 130


def test_nothing_is_left_of_a_killed_run_and_it_can_be_resumed(start, small_folder):
    process = start("--stand-still")
    wait_for_step(small_folder / "runs" / "run", 4, process)
    assert len(members(process.pid)) >= 4  # main, fork server, two readers
    second = start("--resume")
    assert "is going on in another process" in error_of(second)
    assert end_of(second) == 2
    process.kill()
    assert end_of(process) == -signal.SIGKILL
    assert end_of(start("--resume"), 300) == 0


def test_a_reading_process_that_is_killed_is_told(start, small_folder):
    process = start("--slowly")
    wait_for_step(small_folder / "runs" / "run", 1, process)
    oldest, *_, newest = sorted(members(process.pid))
    assert newest != oldest == process.pid
    os.kill(newest, signal.SIGKILL)
    told = error_of(process)
    assert "SIGKILL" in told
    assert "--workers" in told
    assert end_of(process) == 1


def test_a_job_that_is_told_to_stop_saves(start, small_folder):
    process = start("--slowly")
    wait_for_step(small_folder / "runs" / "run", 1, process)
    os.killpg(process.pid, signal.SIGTERM)  # as a cluster does
    assert end_of(process) == 143
    told = process.stderr.read()
    assert "Everything is saved" in told
    assert "leaked" not in told


@pytest.mark.parametrize("lost", [0, 1])
def test_the_loss_of_one_of_two_training_processes_ends_the_other(small_folder, lost):
    running = start_two_processes(small_training.__file__, small_folder, "run", "--slowly")
    wait_for_step(small_folder / "runs" / "run", 1, *running)
    running[lost].kill()
    other = running[1 - lost]
    told = other.communicate(timeout=ten_seconds())[1]
    assert other.returncode == 1
    assert "another process of this run has ended" in told
    assert "Traceback" not in told
    assert running[lost].communicate()[1].count("Traceback") == 0


def test_a_training_process_that_computes_ends_with_the_others(small_folder):
    """Nothing of what it does would tell it."""
    running = start_two_processes(small_training.__file__, small_folder, "run", "--stand-still")
    wait_for_step(small_folder / "runs" / "run", 4, *running)
    running[1].kill()
    with pytest.raises(subprocess.TimeoutExpired):
        running[0].communicate(timeout=0.5)
    assert "has ended" in running[0].communicate(timeout=ten_seconds())[1]
    assert running[0].returncode == 1
    running[1].communicate()
