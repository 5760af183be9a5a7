"""The commands from the download to the score, in their order and with their paths."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from extract.cli_options import PIPELINE_FILE
from extract.planning.releases import ONE_HOUR, RELEASES
from extract.planning.request import PlanRequest
from extract.settings import ExtractSettings
from seds_core.dataset_index import read_index


@dataclass(frozen=True)
class Step:
    """One command."""

    purpose: str
    command: str


def steps(request: PlanRequest, settings: ExtractSettings) -> list[Step]:
    """The steps that the request leaves to do: one that has an index begins with extraction."""
    name = request.pipeline
    index, first = _index_steps(request)
    pose, rgb = Path(f"stores/{name}-pose.zarr"), Path(f"stores/{name}-rgb.zarr")
    only_hands = ("--pose", pose) if settings.rgb.frames == "hands" else ()
    options = ("--pipeline", name, *_pipeline_file(request), "--index", index)
    extraction = [
        Step("keypoints", _line("seds-extract", "pose", *options, "--out", pose)),
        Step("features", _line("seds-extract", "rgb", *options, "--out", rgb, *only_hands)),
    ]
    run = Path(f"runs/{name}-fusion-seed42")
    compare = ("--compare", "published") if name in RELEASES else ()
    return [
        *first,
        *extraction,
        Step(
            "training",
            _line("seds-train", "--stage", "fusion", *options, "--rgb", rgb, "--pose", pose),
        ),
        Step("score", _line("seds-eval", "--run", run, *compare)),
    ]


def downloads(request: PlanRequest, weights: list[str]) -> list[str]:
    """Names of the files that have to be fetched: the data set's archives, and weights."""
    release = RELEASES.get(request.pipeline)
    archives = release.archives if release and not (request.index or request.places) else ()
    return [*archives, *weights]


def _index_steps(request: PlanRequest) -> tuple[Path, list[Step]]:
    """The index that the stores are made of, and the steps that make it."""
    index = request.index or Path(f"{request.pipeline}.csv")
    made: list[Step] = []
    if request.index is None:
        arguments = RELEASES.get(request.pipeline, ONE_HOUR).captions
        if request.places:
            arguments = (*arguments[:-1], request.places[0])
        command = _line("seds-extract", "captions", *arguments, "--out", index)
        made.append(Step("index of videos and sentences", command))
    if _lacks_crops(request):
        cropped = index.with_name(f"{index.stem}-cropped.csv")
        options = ("--pipeline", request.pipeline, *_pipeline_file(request), "--index", index)
        made.append(
            Step(
                "where the signers are", _line("seds-extract", "boxes", *options, "--out", cropped)
            )
        )
        return cropped, made
    return index, made


def _lacks_crops(request: PlanRequest) -> bool:
    """Whether the data set is published in recordings of which a crop is used, and has none yet."""
    if not RELEASES.get(request.pipeline, ONE_HOUR).crop:
        return False
    if request.index is None:
        return True
    return not any(video.other.get("crop") for video in read_index(request.index))


def _pipeline_file(request: PlanRequest) -> tuple[str | Path, ...]:
    is_default = request.pipeline_file.resolve() == PIPELINE_FILE.resolve()
    return () if is_default else ("--pipelines", request.pipeline_file)


def _line(*words: str | Path) -> str:
    return shlex.join(map(str, words))
