"""Worker processes end with their parent, however it ends, and carry little."""

import os
import signal
import subprocess
import sys
import time

import pytest
from video_files import numbered_video

PROGRAM = """
import sys, time
from pathlib import Path
from extract.videos import decode_pool
from extract.videos.decoding import DecodeJob
from extract.videos.decode_pool import DecodePool
from extract.videos.frame_memory import Slots

decode_pool.SLOTS = Slots(num_chunks=4, chunk_bytes=2 * 128 * 96 * 3)

if __name__ == "__main__":
    with DecodePool(2, timeout_s=float(sys.argv[3])) as pool:
        jobs = [DecodeJob(str(i), Path(sys.argv[1]), chunk_frames=2) for i in range(4)]
        for video in pool.stream(jobs):
            for chunk in video.chunks():
                print(*(worker._process.pid for worker in pool._workers), flush=True)
                time.sleep(float(sys.argv[2]))
"""

HEAVY = {"torch", "mmpose", "mmengine", "mmcv", "zarr", "rich", "pydantic", "typer"}


@pytest.fixture
def start(tmp_path):
    """Starts the program and waits for its first chunk; gives it and its workers' process ids."""
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    video = numbered_video(tmp_path / "v.mp4", 20)
    started = []

    def start(pause, timeout_s=60.0):
        program = subprocess.Popen(
            [sys.executable, "-W", "error", script, video, str(pause), str(timeout_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        started.append(program)
        return program, [int(pid) for pid in program.stdout.readline().split()]

    yield start
    for program in started:
        program.kill()
        program.communicate()


def all_end(pids, seconds=5.0):
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if not any(os.path.exists(f"/proc/{pid}") for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_a_run_that_goes_well_says_nothing_and_leaves_nothing(start):
    program, pids = start(0)
    _, complaints = program.communicate(timeout=60)
    assert (program.returncode, complaints) == (0, "")
    assert all_end(pids)


def test_workers_end_when_their_parent_is_killed(start):
    program, pids = start(60)
    assert len(pids) == 2
    program.kill()
    assert all_end(pids)
    assert program.communicate()[1] == ""


def test_workers_that_are_stuck_end_when_their_parent_is_killed(start):
    program, pids = start(60)
    program.send_signal(signal.SIGSTOP)  # its workers wait for memory or messages
    program.kill()
    assert all_end(pids)


def test_ctrl_c_is_answered_by_the_parent_alone(start):
    program, pids = start(60)
    os.killpg(program.pid, signal.SIGINT)
    _, complaints = program.communicate(timeout=30)
    assert program.returncode == -signal.SIGINT
    # What a decoder's destructor says while a process ends is no complaint of ours.
    assert complaints.count("Traceback") - complaints.count("Exception ignored in") == 1
    assert "decode_worker" not in complaints
    assert all_end(pids)


def test_no_worker_hears_ctrl_c_not_even_the_first(start):
    _, pids = start(60)
    for pid in pids:
        with open(f"/proc/{pid}/status") as status:
            [blocked] = [int(line.split()[1], 16) for line in status if line.startswith("SigBlk")]
        assert blocked & 1 << signal.SIGINT - 1


def test_time_in_which_all_was_suspended_does_not_count(start):
    program, pids = start(0.02, timeout_s=3.0)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1)  # it has used what was decoded ahead, and waits
    program.send_signal(signal.SIGSTOP)
    time.sleep(3)
    program.send_signal(signal.SIGCONT)
    time.sleep(0.5)  # it looks for its workers before they go on
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    _, complaints = program.communicate(timeout=20)
    assert (program.returncode, complaints) == (0, "")


IMMORTAL = """
import os, signal
from multiprocessing.process import BaseProcess
from extract.videos.decode_pool import DecodePool

if __name__ == "__main__":
    with DecodePool(2) as pool:
        pids = [worker._process.pid for worker in pool._workers]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        BaseProcess.kill = lambda process: None  # it waits for a disk, say
        print(*pids, flush=True)
"""


def test_a_worker_that_cannot_die_is_not_waited_for(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(IMMORTAL)
    program = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    pids = [int(pid) for pid in program.stdout.readline().split()]
    try:
        assert program.wait(timeout=10) == 0
    finally:
        program.kill()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        program.communicate()
    assert len(pids) == 2


def test_a_worker_loads_nothing_heavy():
    statement = "import extract.videos.decode_worker, sys; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", statement], check=True, capture_output=True, text=True
    )
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert {"numpy", "av", "decord", "cv2"} <= loaded
    assert not loaded & HEAVY
