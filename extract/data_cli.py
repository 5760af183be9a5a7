"""The commands of ``seds-extract`` that read and write the files of data sets and other programs.

Each command is its options and one call of the library; nothing heavy is imported before it.
"""

import re
from pathlib import Path
from typing import Annotated

import typer

from extract.cli_options import (
    EXIT_CODES,
    DryRun,
    Index,
    Json,
    LogFile,
    MetricsPort,
    MoreVideos,
    Out,
    Store,
    Videos,
)
from extract.interchange.formats import ExportFormat, ImportFormatName, Release
from seds_core.command_line import PIPELINE_FILE, Device, Pipeline, PipelineFile

IndexOut = Annotated[Path, typer.Option(help="Index to write.")]
ImageSize = Annotated[
    str | None,
    typer.Option(help="Pixels of the images, such as 210x260.", show_default="the pipeline's"),
]


TABLE_HELP = (
    "A [bold]table[/] is CSV, or text with semicolons, tabs or | between the fields, or JSON (an "
    "array of objects, or one object a line). Its columns, in any order and case: [bold]text[/], "
    "the sentence; [bold]video_id[/] or [bold]path[/] (below the table's folder, or --videos); "
    "[bold]split[/] (train, dev, test; without it all videos train); and, if you like, "
    "[bold]start[/] and [bold]end[/] (seconds or HH:MM:SS.mmm of a recording), [bold]crop[/] "
    "(left,top,width,height), [bold]size[/] (WIDTHxHEIGHT), signer, language, sentence_id, "
    "original_text, gloss, alias."
)


def add_data_commands(app: typer.Typer) -> None:
    """Adds the commands of this file to the program, in the order of use."""
    app.command(
        epilog=f"{TABLE_HELP}\n\n"
        "Exit codes: 0 done, 3 videos or lines were left out, 2 usage, 1 anything else."
    )(captions)
    app.command(epilog=EXIT_CODES)(boxes)
    app.command()(plan)
    app.command("import", epilog=EXIT_CODES)(import_)
    app.command(epilog=EXIT_CODES)(export)


def captions(
    release: Annotated[Release, typer.Argument(help="Whose files they are.")],
    source: Annotated[Path, typer.Argument(help="File or folder of the captions.")],
    out: IndexOut = Path("index.csv"),
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the videos, or of their frame folders.")
    ] = None,
    boxes: Annotated[
        list[Path] | None, typer.Option(help="How2Sign's published person boxes. Repeatable.")
    ] = None,
    dev_share: Annotated[
        float,
        typer.Option(help="Fraction of train for validation where a set has none; 0 takes none."),
    ] = 0.05,
    max_tokens: Annotated[int, typer.Option(help="Tokens of a sentence that a model reads.")] = 32,
    language: Annotated[str | None, typer.Option(help="Language code, for a table.")] = None,
    report: Annotated[Path | None, typer.Option(help="JSON file for what does not fit.")] = None,
    as_json: Json = False,
) -> None:
    """The caption files of a data set become one index, and a report of what does not fit.

    [bold]Examples[/]

    seds-extract captions published data_ph --videos PHOENIX-2014-T/features/fullFrame-210x260px

    seds-extract captions phoenix-2014t PHOENIX-2014-T --out german.csv

    seds-extract captions how2sign realigned --videos raw_videos --boxes bounding_box_coco_test.pkl

    seds-extract captions table my_signs.csv --language en
    """
    from extract.interchange.captions_command import run_captions

    code = run_captions(
        release,
        source,
        out,
        videos=videos,
        boxes=boxes or (),
        dev_fraction=dev_share,
        max_tokens=max_tokens,
        language=language,
        report=report,
        as_json=as_json,
    )
    raise typer.Exit(code)


def boxes(
    index: Annotated[Path, typer.Option(help="Index of the videos.")],
    out: IndexOut,
    pipeline: Pipeline = "how2sign",
    pipelines: PipelineFile = PIPELINE_FILE,
    margin: Annotated[float, typer.Option(help="Fraction of the box added on each side.")] = 0.1,
    samples: Annotated[int, typer.Option(help="Frames of a video that are looked at.")] = 8,
    size: Annotated[int, typer.Option(help="Side, in pixels, that a crop is resized to.")] = 256,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Finds the signer of every video without a crop, and writes an index that has one.

    [bold]Example[/]

    seds-extract boxes --index how2sign.csv --out cropped.csv
    """
    from extract.interchange.signer_boxes import run_boxes

    code = run_boxes(
        index,
        out,
        pipelines=pipelines,
        pipeline=pipeline,
        margin=margin,
        samples=samples,
        size=size,
        device=device,
        as_json=as_json,
    )
    raise typer.Exit(code)


def plan(
    pipeline: Pipeline = "custom",
    pipelines: PipelineFile = PIPELINE_FILE,
    videos: Videos = None,
    more_videos: MoreVideos = None,
    index: Index = None,
    sample: Annotated[int, typer.Option(help="Videos that are looked into.")] = 200,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """What a pipeline would take: disk, hours by type of GPU, and the commands to run.

    [bold]Examples[/]

    seds-extract plan --pipeline how2sign --index how2sign.csv

    seds-extract plan --pipeline phoenix-2014t
    """
    from extract.run.plan import run_plan

    code = run_plan(
        pipeline,
        pipelines=pipelines,
        videos=(*(videos or ()), *(more_videos or ())),
        index=index,
        sample=sample,
        device=device,
        as_json=as_json,
    )
    raise typer.Exit(code)


def import_(
    format_name: Annotated[
        ImportFormatName, typer.Argument(metavar="FORMAT", help="What they are.")
    ],
    source: Annotated[Path, typer.Argument(help="Folder of the files, or the file.")],
    out: Out,
    pipeline: Pipeline = "custom",
    pipelines: PipelineFile = PIPELINE_FILE,
    index: Annotated[
        Path | None, typer.Option(help="Index: names, sizes and frame rates of the videos.")
    ] = None,
    pose: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="Pose store that says which frames features belong to."),
    ] = None,
    frame_map: Annotated[
        Path | None, typer.Option(help="npy: CSV that says which frames features belong to.")
    ] = None,
    image_size: ImageSize = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames a second.", show_default="the pipeline's")
    ] = None,
    dry_run: DryRun = False,
    as_json: Json = False,
    log_file: LogFile = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Features and keypoints of other programs become a store, without loss.

    [bold]Examples[/]

    seds-extract import published-keypoints RTMpose --out pose.zarr --pipeline phoenix-2014t

    seds-extract import published-features I3D_features --out rgb.zarr --pose pose.zarr

    seds-extract import openpose json_folders --out pose.zarr --image-size 1280x720 --fps 24

    seds-extract import npy features --out rgb.zarr --frame-map frames.csv
    """
    from extract.interchange.import_command import run_import
    from extract.run.watching import WatchOptions

    code = run_import(
        format_name,
        source,
        out,
        pipelines=pipelines,
        pipeline=pipeline,
        index=index,
        pose=pose,
        frame_map=frame_map,
        image_size=_size(image_size),
        fps=fps,
        as_json=as_json,
        dry_run=dry_run,
        watch=WatchOptions(log_file, metrics_port),
    )
    raise typer.Exit(code)


def export(
    store: Store,
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    form: Annotated[
        ExportFormat, typer.Option("--format", help="published (pickles) or pose (.pose files).")
    ] = "published",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Also files that exist.")] = False,
    as_json: Json = False,
) -> None:
    """A store becomes one file a video, as the publication's code or pose-format reads them.

    [bold]Examples[/]

    seds-extract export stores/pose.zarr --out RTMpose

    seds-extract export stores/pose.zarr --out poses --format pose
    """
    from extract.interchange.export import run_export

    raise typer.Exit(run_export(store, out, form, overwrite=overwrite, as_json=as_json))


def _size(text: str | None) -> tuple[int, int] | None:
    """``210x260`` as numbers."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d+)x(\d+)", text)
    if not found:
        raise typer.BadParameter(f"'{text}' is no size; write WIDTHxHEIGHT, such as 210x260")
    return int(found[1]), int(found[2])
