import contextlib
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import reading_functions
import torch
from shared_data import REPOSITORY

from reference.small_stores import RGB, rgb_video, write_store
from seds_core.errors import UsageError
from seds_core.store.reader import StoreReader
from train.data.loading import KeyedLoader
from train.data.reading_process import LostReaderError, ReadingProcess
from train.data.sign_reader import StoreRows


@pytest.fixture
def start():
    with contextlib.ExitStack() as stack:

        def start(read):
            process = ReadingProcess(read)
            stack.callback(process.close)
            stack.callback(process.kill)
            return process

        yield start


def is_alive(pid):
    return os.path.exists(f"/proc/{pid}")


def wait_for_the_end_of(pid):
    deadline = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_answers_come_in_the_order_of_requests(start):
    process = start(reading_functions.double)
    for number in range(3):
        process.ask(number)
    assert [process.answer() for _ in range(3)] == [0, 2, 4]


def test_an_error_arrives_as_it_was_raised(start):
    process = start(reading_functions.fail_as_asked)
    process.ask(UsageError("name the file"))
    with pytest.raises(UsageError) as raised:
        process.answer()
    assert str(raised.value) == "name the file"
    assert "fail_as_asked" in raised.value.__notes__[0]
    process.ask(ValueError("another"))  # it goes on
    with pytest.raises(ValueError, match=r"^another"):
        process.answer()


def test_variables_are_those_of_the_time_when_it_starts(start, monkeypatch):
    """Not those of the first process: addresses of buckets and keys to them may come later."""
    for value in ("first", "second", None):
        if value is None:
            monkeypatch.delenv("SEDS_TRIED")
        else:
            monkeypatch.setenv("SEDS_TRIED", value)
        process = start(reading_functions.variable)
        process.ask("SEDS_TRIED")
        assert process.answer() == value


def test_an_error_that_cannot_be_sent_is_described(start):
    process = start(reading_functions.fail_unsendably)
    process.ask(None)
    with pytest.raises(RuntimeError) as raised:
        process.answer()
    assert str(raised.value) == "UnsendableError: 1 and 2"
    assert "fail_unsendably" in raised.value.__notes__[0]


def test_a_process_that_ends_is_lost(start):
    process = start(reading_functions.end_at_once)
    process.ask(7)
    with pytest.raises(LostReaderError, match=r"exit code 7"):
        process.answer()
    with pytest.raises(LostReaderError):
        process.ask(7)


def test_signals_to_the_whole_job_do_not_end_it_and_a_killed_one_is_lost(start):
    process = start(reading_functions.double)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGTERM)
    process.ask(4)
    assert process.answer() == 8
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(LostReaderError, match=r"SIGKILL.*--workers"):
        process.answer()


def test_killing_does_not_wait_for_an_answer(start):
    process = start(reading_functions.stand_still)
    process.ask(None)
    process.kill()
    wait_for_the_end_of(process.pid)


@pytest.mark.parametrize("read", [reading_functions.double, reading_functions.stand_still])
def test_a_forgotten_process_ends_whatever_it_does(read):
    process = ReadingProcess(read)
    pid = process.pid
    process.ask(1)
    del process
    wait_for_the_end_of(pid)


def test_a_busy_process_ends_with_a_program_that_is_killed(tmp_path):
    noted = tmp_path / "pid"  # a pipe would stay open as long as the process lives
    script = (
        "import os, pathlib, sys, time, reading_functions\n"
        "from train.data.reading_process import ReadingProcess\n"
        "process = ReadingProcess(reading_functions.stand_still)\n"
        "process.ask(None)\n"
        "time.sleep(1)  # it has the request\n"
        "pathlib.Path(sys.argv[1]).write_text(str(process.pid))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    folders = os.pathsep.join((str(REPOSITORY), str(REPOSITORY / "tests")))
    killed = subprocess.run(
        [sys.executable, "-c", script, noted],
        env=os.environ | {"PYTHONPATH": folders},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    wait_for_the_end_of(int(noted.read_text()))


def test_a_loader_closes_while_a_process_is_busy():
    loader = KeyedLoader(reading_functions.stand_still, int, 1, pin_memory=False)

    def wait_for_a_batch():
        with contextlib.suppress(LostReaderError):
            next(loader.batches([[1]]))

    waiting = threading.Thread(target=wait_for_a_batch, daemon=True)
    waiting.start()
    deadline = time.monotonic() + 60
    while loader._coming is None:  # the fork server loads the libraries first
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = loader._workers[0].pid
    closing = threading.Thread(target=loader.close, daemon=True)
    closing.start()
    closing.join(10)
    waiting.join(10)
    assert not closing.is_alive()
    assert not waiting.is_alive()
    wait_for_the_end_of(pid)


def test_a_process_is_sent_no_tables_and_loads_no_text_library(start, tmp_path):
    store = StoreReader(write_store(tmp_path / "rgb.zarr", RGB, [rgb_video("a", 30)]))
    process = start(reading_functions.look_around)
    process.ask(StoreRows.of(store, "first_frame"))
    table, are_shared, modules = process.answer()
    assert table is None
    assert are_shared == [True]
    assert "train.data.loading" in modules
    assert not modules & {"open_clip", "transformers", "timm", "torchvision"}


def test_tensors_are_shared(start):
    process = start(reading_functions.double)
    process.ask(torch.ones(3))
    answer = process.answer()
    assert answer.is_shared()
    assert answer.tolist() == [2, 2, 2]
