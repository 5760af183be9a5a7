"""One ``seds-extract plan`` command: from the request to the exit code."""

import json
import sys
import tempfile
from pathlib import Path

from extract.planning.request import PlanRequest
from extract.settings import ExtractSettings
from extract.videos.listing import VideoList, find_videos, videos_of_index
from seds_core.console import messages, results
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section

EXIT_DONE = 0


def run_plan(request: PlanRequest) -> int:
    """Looks into the videos, measures the networks, prints the plan; writes nothing.

    Raises ``UsageError`` for a request that does not fit its files, before anything heavy is
    loaded, and ``UnavailableError`` when no video can be decoded.
    """
    if request.index and request.places:
        raise UsageError("name the videos either with --videos or with --index")
    if request.sample < 1:
        raise UsageError(f"--sample is {request.sample}; look into one video at least")
    settings = read_section(request.pipeline_file, request.pipeline, "extract", ExtractSettings)
    listed = _named_videos(request)
    if listed is not None and not listed.videos:
        raise UsageError(f"{request.index or ', '.join(request.places)} names no video")
    from extract.planning.measured_plan import measured_plan  # noqa: PLC0415 - loads torch
    from extract.planning.report import as_json, plan_tables  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="seds-plan-") as folder:
        plan = measured_plan(request, settings, listed, Path(folder))
    if request.as_json:
        sys.stdout.write(json.dumps(as_json(plan)) + "\n")
    else:
        results.print(plan_tables(plan))
    return EXIT_DONE


def _named_videos(request: PlanRequest) -> VideoList | None:
    if request.index:
        return videos_of_index(request.index)
    if not request.places:
        return None
    videos = find_videos(request.places)
    for passed_over in videos.passed_over:
        messages.print(str(passed_over), markup=False)
    return videos
