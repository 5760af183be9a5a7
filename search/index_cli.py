"""The commands of ``seds-search`` that make and tend an index.

Each is its options and one call of the library; nothing heavy is imported before it.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from extract.cli_options import (
    Address,
    CpusPerWorker,
    Devices,
    EngineOption,
    GpusPerWorker,
    NumWorkers,
)
from search.cli_options import EXIT_CODES, Index, Json
from seds_core.command_line import PIPELINE_FILE, PipelineFile

BUILD_CODES = (
    "Exit codes: 0 all there, 3 some videos could not be encoded, 2 usage, 1 anything else."
)
VERIFY_CODES = "Exit codes: 0 whole, 1 damaged or anything else, 2 usage."


def _seconds(text: str) -> float:
    """Reads ``4s`` or ``4``."""
    try:
        seconds = float(text.strip().removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 3600:
        raise typer.BadParameter(f"'{text}' is no length of time such as 4s or 2.5s")
    return seconds


Rgb = Annotated[
    list[str] | None,
    typer.Option(
        metavar="STORE", help="Store of RGB features; several are mixed.", show_default="the run's"
    ),
]
Mix = Annotated[
    list[float] | None, typer.Option(help="Weight of each RGB store; together they are 1.")
]
Pose = Annotated[
    str | None, typer.Option(metavar="STORE", help="Store of keypoints.", show_default="the run's")
]
DataIndex = Annotated[
    Path | None,
    typer.Option(
        "--index",
        help="CSV of the videos: video_id, path, split, text, and columns to filter by.",
        show_default="the run's, while it exists; without one the stores name the videos",
    ),
]
Window = Annotated[
    float | None,
    typer.Option(
        "--windows", parser=_seconds, metavar="SECONDS", show_default="whole videos",
        help="Index windows of long recordings, such as 4s.",
    ),
]  # fmt: skip
Step = Annotated[
    float | None,
    typer.Option(
        parser=_seconds, metavar="SECONDS", show_default="half a window",
        help="From one window to the next, such as 2s.",
    ),
]  # fmt: skip
SearchPipeline = Annotated[
    str | None,
    typer.Option(
        "--pipeline", help="Whose section 'search' a new index takes.", show_default="defaults"
    ),
]
Batch = Annotated[
    int | None,
    typer.Option(min=1, help="Videos encoded at once.", show_default="the run's"),
]
Workers = Annotated[
    int | None,
    typer.Option(min=0, help="Processes that read ahead.", show_default="the run's"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]


def add_index_commands(app: typer.Typer) -> None:
    """Adds them to the program, in the order of use."""
    app.command(epilog=BUILD_CODES, no_args_is_help=True)(build)
    app.command(epilog=BUILD_CODES, no_args_is_help=True)(add)
    app.command(epilog=EXIT_CODES, no_args_is_help=True)(delete)
    app.command(epilog=EXIT_CODES, no_args_is_help=True)(compact)
    app.command(epilog=EXIT_CODES, no_args_is_help=True)(info)
    app.command(epilog=VERIFY_CODES, no_args_is_help=True)(verify)


def build(
    run: Annotated[Path, typer.Option(help="Folder of the trained run.")],
    out: Annotated[Path, typer.Option(help="Index to make or to go on with.")],
    rgb: Rgb = None,
    mix: Mix = None,
    pose: Pose = None,
    index: DataIndex = None,
    which: Annotated[Literal["best", "last"], typer.Option(help="Checkpoint of the run.")] = "best",
    windows: Window = None,
    step: Step = None,
    pipeline: SearchPipeline = None,
    pipelines: PipelineFile = PIPELINE_FILE,
    devices: Devices = "auto",
    engine: EngineOption = "local",
    address: Address = None,
    num_workers: NumWorkers = None,
    gpus_per_worker: GpusPerWorker = None,
    cpus_per_worker: CpusPerWorker = None,
    batch: Batch = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Encodes videos by a trained model into an index, or goes on where an earlier call stopped.

    Only what is new or changed is encoded; it may be stopped or killed at any time.

    [bold]Examples[/]

    seds-search build --run runs/demo --out demo/index

    seds-search build --run runs/demo --rgb rgb.zarr --pose pose.zarr --index index.csv --out index

    seds-search build --run runs/demo --rgb all.zarr --pose whole.zarr --out long --windows 4s

    seds-search build --run runs/demo --out demo/index --devices all
    """
    from extract.run.devices import share_of_cluster
    from search.index.build import build_index, windows_from
    from search.index.report import report_build
    from search.settings import search_settings

    cluster = share_of_cluster(
        engine, devices,
        address=address, num_workers=num_workers, gpus=gpus_per_worker, cpus=cpus_per_worker,
    )  # fmt: skip
    result = build_index(
        out, run=run, rgb=rgb or (), mix=mix or (), pose=pose, index=index, which=which,
        windows=windows_from(windows, step), search=search_settings(pipelines, pipeline),
        devices=devices, cluster=cluster, batch_size=batch, workers=workers, dry_run=dry_run,
    )  # fmt: skip
    report_build(result, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(3 if result.failed else 0)


def add(
    index_path: Index,
    run: Annotated[
        Path | None, typer.Option(help="Where its run lies now.", show_default="as it was built")
    ] = None,
    rgb: Rgb = None,
    mix: Mix = None,
    pose: Pose = None,
    index: DataIndex = None,
    devices: Devices = "auto",
    engine: EngineOption = "local",
    address: Address = None,
    num_workers: NumWorkers = None,
    gpus_per_worker: GpusPerWorker = None,
    cpus_per_worker: CpusPerWorker = None,
    batch: Batch = None,
    workers: Workers = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Adds what is new or changed in stores to an index; searching goes on meanwhile.

    Stores and the table that are not named are those of the last build or add.

    [bold]Examples[/]

    seds-search add demo/index

    seds-search add demo/index --rgb more_rgb.zarr --pose more_pose.zarr --index more.csv
    """
    from extract.run.devices import share_of_cluster
    from search.index.build import add_to_index
    from search.index.report import report_build

    cluster = share_of_cluster(
        engine, devices,
        address=address, num_workers=num_workers, gpus=gpus_per_worker, cpus=cpus_per_worker,
    )  # fmt: skip
    result = add_to_index(
        index_path, run=run, rgb=rgb or (), mix=mix or (), pose=pose, index=index,
        devices=devices, cluster=cluster, batch_size=batch, workers=workers, dry_run=dry_run,
    )  # fmt: skip
    report_build(result, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(3 if result.failed else 0)


def delete(
    index: Index,
    video_ids: Annotated[list[str], typer.Argument(help="Ids of videos.", metavar="VIDEO_ID...")],
    as_json: Json = False,
) -> None:
    """Deletes videos, so that no search finds them any more; compact frees their space.

    [bold]Example[/]

    seds-search delete demo/index signer000_sentence0000_take0
    """
    from search.index.deletion import delete_videos
    from search.index.report import report_delete

    report_delete(index, delete_videos(index, video_ids), as_json=as_json)


def compact(index: Index, as_json: Json = False) -> None:
    """Frees the space of deleted videos; searching goes on meanwhile.

    [bold]Example[/]

    seds-search compact demo/index
    """
    from search.index.compaction import compact
    from search.index.part import part_folders
    from search.index.report import report_compact

    results = [(part, compact(part)) for part in part_folders(index)]
    report_compact(results, as_json=as_json)


def info(index: Index, as_json: Json = False) -> None:
    """Says what an index holds, what it was made by, and what it takes on disk and in memory.

    [bold]Example[/]

    seds-search info demo/index
    """
    from search.index.info import index_info
    from search.index.report import report_info

    report_info(index_info(index), as_json=as_json)


def verify(index: Index, as_json: Json = False) -> None:
    """Checks every byte of an index, and names the videos of which something has changed.

    [bold]Example[/]

    seds-search verify demo/index
    """
    from search.index.part import part_folders
    from search.index.report import report_verify
    from search.index.verify import verify

    results = [verify(part) for part in part_folders(index)]
    report_verify(results, as_json=as_json)
    raise typer.Exit(0 if all(result.is_whole for result in results) else 1)
