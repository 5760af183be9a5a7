"""The typed ``search`` section of a pipeline: every number that an index and its answers need."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from seds_core.pipeline_file import Settings, read_section

Count = Annotated[int, Field(ge=1)]
Fraction = Annotated[float, Field(ge=0, le=1)]


class SearchSettings(Settings):
    """Kept in the index that is built with it."""

    exhaustive_below: Count = 2000
    """Up to this many videos or windows, each is scored: no candidates are chosen."""

    candidates: Count = 64
    """Videos or windows that are scored exactly for a query, at least; more for more hits."""

    first_share: Fraction = 0.05
    """Of the videos and windows searched, those whose compressed tokens are read: the best by the
    codes of their tokens. At least ``exhaustive_below``."""

    coarse_dim: Count = 64
    """Dimensions of the compressed tokens by which an exact search leaves videos out."""

    query_bank: Annotated[int, Field(ge=0)] = 1000
    """Sentences, and as many videos, of the run's training split whose scores with everything in
    the index tell hubs; drawn evenly from it. 0 keeps none, and no probabilities either."""

    moment_tolerance: Fraction = 0.25
    """A window of a recording joins the moment beside it when it lacks at most this fraction of
    what the moment's best window is above the median of the windows around."""


def search_settings(pipelines: Path, pipeline: str | None) -> SearchSettings | None:
    """Reads the section of a pipeline; ``None`` where none is named."""
    return None if pipeline is None else read_section(pipelines, pipeline, "search", SearchSettings)
