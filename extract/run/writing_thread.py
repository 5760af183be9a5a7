"""What has been computed is written in a thread of its own, in order, while the network goes on."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

MOST_WAITING = 4
"""Videos that may wait to be written."""


class WritingThread:
    """Does one action after the other; the first that fails is raised to whoever gave it.

    Use as a context manager: leaving it waits for all of them.
    """

    def __enter__(self) -> "WritingThread":
        """Starts the thread."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._waiting: deque[Future[None]] = deque()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Waits for what is left."""
        self._pool.shutdown()
        if error is None:
            self._settle(most_left=0)

    def do(self, action: Callable[[], None]) -> None:
        """Puts an action behind the others, once there are few enough of them."""
        self._settle(most_left=MOST_WAITING - 1)
        self._waiting.append(self._pool.submit(action))

    def finish(self) -> None:
        """Waits until everything is done."""
        self._settle(most_left=0)

    def _settle(self, most_left: int) -> None:
        """Waits for the oldest actions, and raises what they raised."""
        while len(self._waiting) > most_left or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
