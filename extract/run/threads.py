"""The two threads beside the network's: one prefetches for it, one writes what it made."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")

MAX_WAITING = 4
"""Videos that may wait to be written."""


class _End:
    """Stands in the queue behind the last item; the generator may have failed there."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Prefetch(Generic[Item]):
    """Gives the items of a generator, in order, while a thread makes later ones.

    Use as a context manager: leaving it closes the generator in its own thread and waits for that.
    What the generator raises is raised where its items are taken.

    >>> with Prefetch((number * number for number in range(4)), depth=2) as squares:
    ...     list(squares)
    [0, 1, 4, 9]
    """

    def __init__(
        self,
        items: Iterator[Item],
        depth: int,
        *,
        size: Callable[[Item], int] = lambda _: 1,
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        """The next item is kept as long as the sizes of those that wait are below ``depth``.

        ``hurry`` is called when the context is left early, to end what the generator waits for.
        """
        self._items = items
        self._depth = depth
        self._size = size
        self._hurry = hurry
        # Both threads change what follows, and tell each other, with the lock of ``_changed`` held.
        self._changed = threading.Condition()
        self._waiting: deque[tuple[int, Item | _End]] = deque()
        self._size_waiting = 0
        self._is_wanted = True
        self._has_ended = False
        self._thread = threading.Thread(target=self._make, name="prefetch", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        self._thread.start()
        return self._taken()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # The thread may wait for room, and the generator for a decoder: end both.
        with self._changed:
            self._is_wanted = False
            self._changed.notify()
        if not self._has_ended:
            self._hurry()
        self._thread.join()

    def _taken(self) -> Iterator[Item]:
        while not isinstance(item := self._get(), _End):
            yield item
        self._has_ended = True
        if item.error is not None:
            raise item.error

    def _make(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put(item):
                    break
        except BaseException as raised:  # it is raised again in the other thread
            error = raised
        finally:
            # A generator must be closed by the thread that runs it.
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._put(_End(error))

    def _put(self, item: "Item | _End") -> bool:
        """Waits for room; returns whether the items are still wanted."""
        size = 0 if isinstance(item, _End) else self._size(item)
        with self._changed:
            self._changed.wait_for(lambda: self._size_waiting < self._depth or not self._is_wanted)
            self._waiting.append((size, item))
            self._size_waiting += size
            self._changed.notify()
            return self._is_wanted

    def _get(self) -> "Item | _End":
        with self._changed:
            self._changed.wait_for(lambda: self._waiting)
            size, item = self._waiting.popleft()
            self._size_waiting -= size
            self._changed.notify()
            return item


class WritingThread:
    """Runs one action after the other; the first that fails is raised in the giving thread.

    Use as a context manager: leaving it waits for all actions.
    """

    def __enter__(self) -> "WritingThread":
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writing")
        self._waiting: deque[Future[None]] = deque()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()
        # An error that is on its way is told, and not what writing raised after it.
        if error is None:
            self.finish()

    def do(self, action: Callable[[], None]) -> None:
        """Puts an action behind the others, once few enough of them wait."""
        self._settle(num_left=MAX_WAITING - 1)
        self._waiting.append(self._pool.submit(action))

    def finish(self) -> None:
        """Waits until everything is done."""
        self._settle(num_left=0)

    def _settle(self, num_left: int) -> None:
        """Waits for the oldest actions, and raises what they raised."""
        while len(self._waiting) > num_left or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
