"""Errors as the API tells them: a status, a sentence, and no path of the server's disk."""

import logging
import re
from collections.abc import Iterable
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from extract.videos.part import VideoError
from search.query.retriever import VideoNotInIndexError
from search.serve.work_queue import BusyError
from seds_core.errors import UnavailableError, UsageError

logger = logging.getLogger(__name__)


class ApiError(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, sentence: str, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.retry_after = status, sentence, retry_after


# The folders of an absolute path, up to its last part; no slash within a word, as in and/or.
_FOLDERS = re.compile(r"(?<![\w/])/(?:[^\s/'\"]+/)*")


class PathFilter:
    """Takes the folders of the server's disk out of sentences that were written for its owner."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """``folders`` are known ones, whose names may hold blanks; others are told by a slash."""
        names = {str(folder) for folder in folders} | {str(Path.home()), str(Path.cwd())}
        # The longest first: a folder may lie in another one.
        self._folders = sorted((n for n in names if n != "/"), key=len, reverse=True)

    def __call__(self, sentence: str) -> str:
        """Returns the sentence with the last part only of each folder."""
        for folder in self._folders:
            sentence = sentence.replace(folder, Path(folder).name)
        return _FOLDERS.sub("", sentence)


def add_error_handlers(app: FastAPI, without_paths: PathFilter) -> None:
    """Makes every error of a request an answer of one form: ``{"detail": sentence}``."""

    async def answer(_request: Request, error: Exception) -> JSONResponse:
        status, sentence, retry_after = _told(error)
        headers = {} if retry_after is None else {"retry-after": str(retry_after)}
        if isinstance(error, HTTPException):
            headers |= dict(error.headers or {})
        return JSONResponse({"detail": without_paths(sentence)}, status, headers)

    for kind in (
        ApiError, BusyError, VideoNotInIndexError, UsageError, VideoError, UnavailableError,
        RequestValidationError, HTTPException, Exception,
    ):  # fmt: skip
        app.add_exception_handler(kind, answer)


def _told(error: Exception) -> tuple[int, str, int | None]:
    """The status, the sentence and the seconds to wait of an error."""
    match error:
        case ApiError():
            return error.status, error.sentence, error.retry_after
        case BusyError():
            return 503, str(error), error.retry_after
        case VideoNotInIndexError():
            return 404, "the index has no video of this id", None
        case UsageError():
            return 400, str(error), None
        case VideoError():
            return 422, f"the video cannot be used: {error.reason}", None
        case UnavailableError():
            logger.warning("%s", error)
            return 503, str(error), None
        case RequestValidationError():
            return 422, "; ".join(map(_parameter, error.errors())), None
        case HTTPException():
            return error.status_code, str(error.detail), None
    # What is wrong with the server is for its log, not for whoever has asked.
    logger.error("a request failed", exc_info=error)
    return 500, "the server has failed at this; its log says why", None


def _parameter(problem: dict[str, object]) -> str:
    """A wrong parameter, without its value: that may be megabytes of anything."""
    location = problem["loc"]
    assert isinstance(location, tuple)
    return f"{location[-1]}: {problem['msg']}"
