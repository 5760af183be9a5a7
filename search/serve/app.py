"""The application: the page, the API and the metrics, behind one guard."""

from collections.abc import Iterable
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from search.serve.api import router
from search.serve.errors import ApiError, PathFilter, add_error_handlers
from search.serve.guard import Guard
from search.serve.page_files import read_page
from search.serve.searcher import Searcher
from search.serve.serve_settings import ServeSettings
from search.serve.service import Service


class GuardedApp(FastAPI):
    """An application whose guard stands before everything else, its own errors included."""

    service: Service

    def build_middleware_stack(self) -> ASGIApp:
        """Puts the guard before what FastAPI would have first."""
        service = self.service
        return Guard(super().build_middleware_stack(), service.settings, service.metrics)


def create_app(
    retriever: Searcher, settings: ServeSettings | None = None, *, folders: Iterable[Path] = ()
) -> GuardedApp:
    """Makes the application of one server.

    ``folders`` are the indexes and what else lies on the disk that answers must not name.
    """
    settings = settings or ServeSettings()
    service = Service.of(retriever, settings)
    app = GuardedApp(
        title="seds-search",
        description="Sign videos by sentence, sentences by sign video, and why.",
        openapi_url="/api/openapi.json",
        # The pages that FastAPI brings load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.service = app.state.service = service
    add_error_handlers(app, PathFilter(folders))
    app.include_router(router)
    files = read_page()

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return files["index.html"].respond(request)

    @app.get("/page/{name}", include_in_schema=False)
    async def page_file(request: Request, name: str) -> Response:
        if name not in files:
            raise ApiError(404, "the page has no such file")
        return files[name].respond(request)

    @app.get("/metrics", include_in_schema=False)
    async def metrics() -> Response:
        return Response(service.metrics.exposition(), media_type="text/plain; version=0.0.4")

    return app
