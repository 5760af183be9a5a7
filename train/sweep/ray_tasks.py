"""Work of a sweep as tasks of Ray; the one file that imports it."""

import signal
import time
from typing import Any

from seds_core.errors import UnavailableError
from train.sweep.engine import POLL_SECONDS, Outcome, start_process
from train.sweep.work import Work

try:
    import ray
except ImportError as error:
    raise UnavailableError(
        '--engine ray needs Ray, which is not installed: pip install -e ".[ray]"'
    ) from error

SECONDS_TO_SAVE = 60.0
"""For a run that is stopped: afterwards it is killed, and goes on from its last checkpoint."""

RETRIES = 3
"""Times that a run goes on elsewhere when its machine is lost."""


class RayTasks:
    """Tasks of the cluster that ``RAY_ADDRESS`` names, or of a new one on this machine.

    The sweep's folder, the stores and the program must be at the same paths on all machines.
    """

    def __init__(self) -> None:
        if not ray.is_initialized():
            ray.init(log_to_driver=False, include_dashboard=False)
        self._has_gpus = ray.cluster_resources().get("GPU", 0) > 0
        self._running: dict[Any, Work] = {}

    @property
    def num_cores(self) -> int:
        """Cores of the cluster."""
        return int(ray.cluster_resources()["CPU"])

    def start(self, work: Work) -> None:
        """Queues a task; Ray starts it where as many cores are free as it has threads."""
        wants_gpu = self._has_gpus and work.device != "cpu"
        task = ray.remote(_carry_out).options(
            num_cpus=work.threads,
            num_gpus=int(wants_gpu),
            max_retries=RETRIES,
            name=work.name,
        )
        self._running[task.remote(work)] = work

    def ended(self) -> list[Outcome]:
        """Returns what has ended since the last call."""
        if not self._running:
            return []  # Ray refuses to wait for nothing
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=POLL_SECONDS)
        return [Outcome(self._running.pop(task), _exit_code(task)) for task in done]

    def stop(self) -> None:
        """Interrupts all tasks."""
        for task in self._running:
            ray.cancel(task)


def _carry_out(work: Work) -> int:
    """Runs in a process of Ray: waits for one of our own, which has signals and threads to itself.

    Ray interrupts a cancelled task as Ctrl-C would.
    """
    process = start_process(work, work.device)
    try:
        # Ray interrupts Python code, and would not a wait in the system.
        while process.poll() is None:
            time.sleep(POLL_SECONDS)
        return process.returncode
    except BaseException:
        process.terminate()
        process.wait(SECONDS_TO_SAVE)
        raise


def _exit_code(task: Any) -> int:  # noqa: ANN401 - Ray's reference
    try:
        return int(ray.get(task))
    except ray.exceptions.TaskCancelledError:
        return -signal.SIGTERM
    except ray.exceptions.RayError:  # the machine was lost too often
        return -signal.SIGKILL
