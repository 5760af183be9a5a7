"""The engine of many machines: Ray actors, one for each worker.

The only file that knows Ray. Actors are not restarted by Ray, which would not know which videos
they had: the driver starts a new one. An actor that the cluster has no room for yet waits there,
while the others work; so a cluster that grows is used as soon as it has grown.
"""

import logging
import threading
from collections import deque
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any

from extract.run.engine import ClusterShare, Lost, Slot, Work, do_work
from extract.run.worker import forget_program
from seds_core.console import messages
from seds_core.errors import UnavailableError

try:
    import ray
except ModuleNotFoundError as error:
    raise UnavailableError(
        "Ray is not installed, which --engine ray needs. Install it with the extra 'ray': "
        'pip install -e ".[ray]"'
    ) from error

from ray._private import worker as ray_worker
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayError

# What an actor waits for an event before it answers that there was none.
_LONGEST_POLL = 5.0

_LONGEST_REASON = 500

# Events in one answer.
_MAX_EVENTS = 100


class _Worker:
    """Does a worker's work in a thread; its methods carry the messages."""

    def __init__(self, work: Work, slot: Slot) -> None:
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._events: SimpleQueue[Any] = SimpleQueue()
        forget_program()
        threading.Thread(target=do_work, args=(work, slot, self), daemon=True).start()

    def receive(self) -> Any:  # noqa: ANN401
        return self._inbox.get()

    def send(self, event: Any) -> None:  # noqa: ANN401
        self._events.put(event)

    def tell(self, message: Any) -> None:  # noqa: ANN401
        """Takes the driver's next message."""
        self._inbox.put(message)

    def events(self) -> list[Any]:
        """The events since the last call; waits for one, but not for ever."""
        events: list[Any] = []
        try:
            events.append(self._events.get(timeout=_LONGEST_POLL))
            while len(events) < _MAX_EVENTS:
                events.append(self._events.get_nowait())
        except Empty:
            pass
        return events


class RayEngine:
    """Workers that are actors of a Ray cluster: an :class:`~extract.run.engine.Engine`."""

    def __init__(self, work: Work, share: ClusterShare, decode_workers: int) -> None:
        """Joins the cluster, whose workers are each to do ``work``.

        ``decode_workers`` of 0 lets each decode by itself. Raises ``UnavailableError`` where there
        is no cluster.
        """
        _join(share.address)
        has: dict[str, float] = ray.cluster_resources()
        gpus = share.gpus if share.gpus is not None else float(has.get("GPU", 0.0) >= 1)
        nodes: list[dict[str, Any]] = ray.nodes()
        largest = max(node["Resources"].get("CPU", 0.0) for node in nodes)
        cpus = share.cpus if share.cpus is not None else min(1.0 + decode_workers, largest)
        num_workers = share.num_workers
        if num_workers is None:
            room = [has.get("CPU", 0.0) // cpus]
            if gpus:
                room.append(has.get("GPU", 0.0) // gpus)
            num_workers = max(1, int(min(room)))
        decoders = max(1, int(cpus) - 1) if decode_workers else 0
        self.slots = [Slot("cuda" if gpus else "cpu", decoders)] * num_workers
        self._work = ray.put(work)
        # Ray keeps the order of calls only where one thread answers them.
        as_actors: Any = ray.remote(
            num_cpus=cpus, num_gpus=gpus, max_restarts=0, max_task_retries=0,
            concurrency_groups={"told": 1, "heard": 1},
        )  # fmt: skip
        self._actors = as_actors(_Worker)
        self._handles: dict[int, Any] = {}
        # What each actor has been asked for: its next events.
        self._asked: dict[Any, int] = {}
        # Actors whose connection was cut.
        self._cut: set[int] = set()
        # Events that have come and were not given yet.
        self._events: deque[tuple[int, Any]] = deque()

    def __enter__(self) -> "RayEngine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number in list(self._handles):
            self.kill(number)

    def start(self, number: int, slot: Slot) -> None:
        """Asks the cluster for an actor."""
        handle = self._actors.remote(self._work, slot)
        self._handles[number] = handle
        self._asked[_asked_for_events(handle)] = number

    def tell(self, number: int, message: Any) -> None:  # noqa: ANN401
        """Sends a message."""
        self._handles[number].tell.options(concurrency_group="told").remote(message)

    def next_event(self, timeout_s: float) -> tuple[int, Any] | None:
        """The next event of any worker."""
        if not self._events:
            ready, _ = ray.wait(list(self._asked), timeout=timeout_s)
            for answer in ready:
                self._take(answer, self._asked.pop(answer))
        while self._events:
            number, event = self._events.popleft()
            if number in self._handles:
                if isinstance(event, Lost):
                    self.kill(number)
                return number, event
        return None

    def kill(self, number: int) -> None:
        """Ends an actor at once; its decoders end with it."""
        handle = self._handles.pop(number)
        self._asked = {asked: of for asked, of in self._asked.items() if of != number}
        ray.kill(handle)

    def _take(self, answer: Any, number: int) -> None:  # noqa: ANN401
        try:
            events = ray.get(answer)
        except ActorUnavailableError:
            # The next answer tells whether it has died, and of what.
            self._cut.add(number)
            self._asked[_asked_for_events(self._handles[number])] = number
            return
        except ActorDiedError as error:
            reason = _sentence(error)
            is_preempted = error.preempted or "its node has died" in reason
            events = [Lost(reason, is_preempted=is_preempted)]
        except RayError as error:
            events = [Lost(_sentence(error))]
        else:
            if number in self._cut:
                # It lives, but what it said when the connection was cut is lost.
                events = [Lost("the connection to it was cut for a while", is_preempted=True)]
            else:
                self._asked[_asked_for_events(self._handles[number])] = number
        self._events.extend((number, event) for event in events)


def _asked_for_events(handle: Any) -> Any:  # noqa: ANN401
    return handle.events.options(concurrency_group="heard").remote()


def _sentence(error: RayError) -> str:
    # The lines that are set in are numbers of Ray's.
    lines = [line for line in str(error).splitlines() if not line.startswith("\t")]
    return " ".join(" ".join(lines).split())[:_LONGEST_REASON]


def _join(address: str) -> None:
    def tell(data: dict[str, Any], *, ignore_prefix: bool) -> None:
        del ignore_prefix
        messages.print("\n".join(data["lines"]), markup=False)

    # Ray prints what its daemons have to say on standard output, where programs read the events of
    # --json, and has no option for that.
    ray_worker.print_to_stdstream = tell
    try:
        ray.init(
            address=address,
            ignore_reinit_error=True,
            log_to_driver=False,
            logging_level=logging.WARNING,
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UnavailableError(
            f"there is no Ray cluster at '{address}' ({error}): start one with 'ray start --head', "
            "or name another with --address"
        ) from None
