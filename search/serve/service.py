"""What all requests to one server share: the retriever, its limits, and who waits for what."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from starlette.requests import Request

from search.results import Span
from search.serve.media import MediaFiles
from search.serve.metrics import Metrics
from search.serve.previews import PreviewCache
from search.serve.searcher import Searcher
from search.serve.serve_settings import ServeSettings
from search.serve.uploads import check_length, received_video
from search.serve.work_queue import WorkQueue

Result = TypeVar("Result")


@dataclass(frozen=True)
class Service:
    """One server's shared things; requests reach it as ``request.app.state.service``."""

    retriever: Searcher
    settings: ServeSettings
    searches: WorkQueue
    receiving: WorkQueue
    """Its places bound how many uploads lie on the disk at one time."""
    stage_one: WorkQueue
    media: MediaFiles
    metrics: Metrics = field(default_factory=Metrics)

    @classmethod
    def of(cls, retriever: Searcher, settings: ServeSettings) -> "Service":
        """Makes the queues that the settings ask for."""
        previews = PreviewCache(
            settings.preview_folder,
            max_bytes=settings.preview_bytes,
            max_seconds=settings.preview_seconds,
            side=settings.preview_side,
        )
        service = cls(
            retriever,
            settings,
            WorkQueue(running=settings.concurrent_searches, waiting=settings.waiting_searches),
            WorkQueue(running=settings.concurrent_uploads, waiting=0),
            WorkQueue(running=1, waiting=settings.waiting_encodings),
            MediaFiles(previews, WorkQueue(running=1, waiting=settings.waiting_previews)),
        )
        for name, queue in (("searches", service.searches), ("encodings", service.stage_one)):
            service.metrics.watch(
                f"seds_{name}_under_way", f"{name.capitalize()} that run or wait.", queue.taken
            )
        return service

    async def search(self, work: Callable[[], Result]) -> Result:
        """Does the work of a query that is there. Raises ``BusyError`` where too many wait."""
        return await self.searches.run(work)

    async def with_upload(
        self, request: Request, trim: Span | None, work: Callable[[Path], Result]
    ) -> Result:
        """Receives the video of a request, works with it when its turn comes, and deletes it.

        Raises ``BusyError``, ``ApiError``, and ``VideoError`` for what is no video.
        """

        def checked(path: Path) -> Result:
            check_length(path, trim, self.settings)
            return work(path)

        # A full queue says so before the client has sent megabytes for nothing.
        self.stage_one.check()
        async with self.receiving.place(), received_video(request, self.settings) as path:
            return await self.stage_one.run(lambda: checked(path))


def service_of(request: Request) -> Service:
    """The service of the application that a request came to."""
    service = request.app.state.service
    assert isinstance(service, Service)
    return service
