"""Reads JSON files that other programs wrote, within limits, and checks what they hold."""

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, ValidationError

from seds_core.errors import ImportedFileError

MEGABYTE = 2**20
MAX_BYTES = 64 * MEGABYTE
"""Size of the largest file that is read, where its format says nothing else."""

Content = TypeVar("Content", bound=BaseModel)

Number = Annotated[float, Field(ge=-1e38, le=1e38, allow_inf_nan=False)]
"""A number that float32 can hold, neither NaN nor infinite."""

Numbers = Annotated[list[Number], Field(fail_fast=True)]
"""A list of numbers; the first wrong one ends the reading."""


def read_json(path: Path, schema: type[Content], *, max_bytes: int = MAX_BYTES) -> Content:
    """What a file holds, as ``schema`` describes it.

    Raises :class:`ImportedFileError` for a file that is missing, too large, no JSON or of another
    shape.
    """
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= max_bytes else b""
    except OSError as error:
        raise ImportedFileError(path, f"cannot be read: {error.strerror}") from None
    if size > max_bytes:
        raise ImportedFileError(
            path,
            f"has {size / MEGABYTE:,.0f} MB, and JSON files of this kind are read up to "
            f"{max_bytes / MEGABYTE:,.0f} MB: split it",
        )
    return _checked(path, lambda: schema.model_validate_json(content.removeprefix(codecs.BOM_UTF8)))


def check_json(path: Path, content: object, schema: type[Content]) -> Content:
    """What was read from ``path`` without a schema, as ``schema`` describes it.

    Raises :class:`ImportedFileError` where it is of another shape.
    """
    return _checked(path, lambda: schema.model_validate(content))


def _checked(path: Path, read: Callable[[], Content]) -> Content:
    try:
        return read()
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    raise ImportedFileError(path, f"{place}: {problem['msg']}" if place else problem["msg"])
