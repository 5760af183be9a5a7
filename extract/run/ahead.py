"""An iterable that is worked off in a thread of its own, a bounded number of items ahead."""

import threading
from collections.abc import Callable, Iterator
from queue import Full, Queue
from types import TracebackType
from typing import Generic, TypeVar

Item = TypeVar("Item")

_SECONDS_BETWEEN_LOOKS = 0.05


class Ahead(Generic[Item]):
    """Gives the items of a generator, in order, while later ones are being made.

    Use as a context manager: leaving it closes the generator in its own thread and waits for that.
    What the generator raises is raised to whoever takes its items.

    >>> with Ahead((number * number for number in range(4)), depth=2) as squares:
    ...     list(squares)
    [0, 1, 4, 9]
    """

    def __init__(
        self,
        items: Iterator[Item],
        depth: int,
        *,
        hurry: Callable[[], None] = lambda: None,
    ) -> None:
        """At most ``depth`` items wait to be taken.

        ``hurry`` makes a generator give up what it is waiting for, when nobody wants its items.
        """
        self._items = items
        self._hurry = hurry
        self._made: Queue[Item | _End] = Queue(depth)
        self._is_wanted = True
        self._has_ended = False
        self._thread = threading.Thread(target=self._make, name="ahead", daemon=True)

    def __enter__(self) -> Iterator[Item]:
        """Starts the thread; the iterator serves one thread."""
        self._thread.start()
        return self._taken()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends the thread."""
        self._is_wanted = False
        if not self._has_ended:
            self._hurry()
        self._thread.join()

    def _taken(self) -> Iterator[Item]:
        while not isinstance(item := self._made.get(), _End):
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
        except BaseException as raised:  # a thread has nobody else to tell
            error = raised
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._put(_End(error))

    def _put(self, item: "Item | _End") -> bool:
        """Waits for a place; whether anybody wants the item."""
        while self._is_wanted:
            try:
                self._made.put(item, timeout=_SECONDS_BETWEEN_LOOKS)
            except Full:
                continue
            return True
        return False


class _End:
    """The generator is at its end, or failed."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error
