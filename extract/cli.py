"""The command ``seds-extract``: options in, one call of the library, an exit code out.

Nothing heavy is imported before a command needs it, so that ``--help`` is instant.
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from extract.cli_options import (
    EXIT_CODES,
    Address,
    CpusPerWorker,
    Devices,
    DryRun,
    EngineOption,
    GpusPerWorker,
    Index,
    Json,
    LogFile,
    MetricsPort,
    MixDevices,
    MoreVideos,
    NumWorkers,
    Out,
    PartOption,
    Profile,
    Store,
    TakesNames,
    Videos,
    Wait,
)
from extract.data_cli import add_data_commands
from seds_core.command_line import (
    EXIT_ERROR,
    PIPELINE_FILE,
    Device,
    Pipeline,
    PipelineFile,
    run,
)
from seds_core.console import print_json, results
from seds_core.video_id import file_name_of, video_id_of

if TYPE_CHECKING:
    from extract.settings import ExtractSettings

app = typer.Typer(
    name="seds-extract",
    help="Sign videos become stores of RGB features and of whole-body keypoints.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


add_data_commands(app)


def main() -> None:
    """The program."""
    run(app, "extract", _settings)


def _settings() -> "type[ExtractSettings]":
    from extract.settings import ExtractSettings

    return ExtractSettings


@app.command(cls=TakesNames, epilog=EXIT_CODES)
def rgb(
    out: Out,
    videos: Videos = None,
    more_videos: MoreVideos = None,
    index: Index = None,
    part: PartOption = None,
    pipeline: Pipeline = "custom",
    pipelines: PipelineFile = PIPELINE_FILE,
    backbone: Annotated[str | None, typer.Option(help="i3d, s3d or mvit_v2_s.")] = None,
    weights: Annotated[str | None, typer.Option(help="Name or file, such as bsl5k.")] = None,
    clips: Annotated[str | None, typer.Option(help="planned (a bounded number) or all.")] = None,
    frames: Annotated[
        str | None, typer.Option(help="all, or hands: only frames with a usable hand (--pose).")
    ] = None,
    pose: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="Pose store that says which frames show a hand."),
    ] = None,
    devices: Devices = "auto",
    engine: EngineOption = "local",
    address: Address = None,
    num_workers: NumWorkers = None,
    gpus_per_worker: GpusPerWorker = None,
    cpus_per_worker: CpusPerWorker = None,
    mix_devices: MixDevices = False,
    wait: Wait = False,
    dry_run: DryRun = False,
    profile: Profile = False,
    as_json: Json = False,
    log_file: LogFile = None,
    metrics_port: MetricsPort = None,
) -> None:
    """RGB features: one vector a clip from a frozen video network.

    [bold]Examples[/]

    seds-extract rgb --videos my_videos --out stores/rgb.zarr

    seds-extract rgb --index a.csv --out a/rgb.zarr --pipeline phoenix-2014t --pose a/pose.zarr

    seds-extract rgb --videos "takes/**/*.mp4" --out stores/rgb.zarr --clips all --dry-run

    seds-extract rgb --index index.csv --out stores/rgb.zarr --devices all
    """
    from extract.run.command import extract
    from extract.run.devices import share_of_cluster
    from extract.run.watching import WatchOptions

    cluster = share_of_cluster(
        engine, devices,
        address=address, num_workers=num_workers, gpus=gpus_per_worker, cpus=cpus_per_worker,
    )  # fmt: skip
    code = extract(
        "rgb",
        out,
        videos=(*(videos or ()), *(more_videos or ())),
        index=index,
        part=part,
        pipeline=pipeline,
        pipelines=pipelines,
        changes={"backbone": backbone, "weights": weights, "clips": clips, "frames": frames},
        pose_store=pose,
        devices=devices,
        cluster=cluster,
        mix_devices=mix_devices,
        wait=wait,
        dry_run=dry_run,
        profile=profile,
        as_json=as_json,
        watch=WatchOptions(log_file, metrics_port),
    )
    raise typer.Exit(code)


@app.command(cls=TakesNames, epilog=EXIT_CODES)
def pose(
    out: Out,
    videos: Videos = None,
    more_videos: MoreVideos = None,
    index: Index = None,
    part: PartOption = None,
    pipeline: Pipeline = "custom",
    pipelines: PipelineFile = PIPELINE_FILE,
    detector: Annotated[str | None, typer.Option(help="mmpose or mediapipe.")] = None,
    model: Annotated[str | None, typer.Option(help="Alias or MMPose config file.")] = None,
    checkpoint: Annotated[str | None, typer.Option(help="Other weights for the model.")] = None,
    person_box: Annotated[str | None, typer.Option(help="whole_frame, detector or csv.")] = None,
    person_box_file: Annotated[Path | None, typer.Option(help="Boxes, for csv.")] = None,
    devices: Devices = "auto",
    engine: EngineOption = "local",
    address: Address = None,
    num_workers: NumWorkers = None,
    gpus_per_worker: GpusPerWorker = None,
    cpus_per_worker: CpusPerWorker = None,
    mix_devices: MixDevices = False,
    wait: Wait = False,
    dry_run: DryRun = False,
    profile: Profile = False,
    as_json: Json = False,
    log_file: LogFile = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Pose: 133 whole-body keypoints a frame, in the video's pixels.

    [bold]Examples[/]

    seds-extract pose --videos my_videos --out stores/pose.zarr

    seds-extract pose --index index.csv --out stores/pose.zarr --model rtmw-l-384

    seds-extract pose --videos my_videos --out stores/pose.zarr --detector mediapipe

    seds-extract pose --index index.csv --out s3://my-bucket/pose.zarr

    seds-extract pose --index index.csv --out /shared/pose.zarr --engine ray --num-workers 16
    """
    from extract.run.command import extract
    from extract.run.devices import share_of_cluster
    from extract.run.watching import WatchOptions

    cluster = share_of_cluster(
        engine, devices,
        address=address, num_workers=num_workers, gpus=gpus_per_worker, cpus=cpus_per_worker,
    )  # fmt: skip
    if detector == "mediapipe":  # it follows the signer itself
        person_box = person_box or "whole_frame"
    code = extract(
        "pose",
        out,
        videos=(*(videos or ()), *(more_videos or ())),
        index=index,
        part=part,
        pipeline=pipeline,
        pipelines=pipelines,
        changes={
            "detector": detector,
            "model": model,
            "checkpoint": checkpoint,
            "person_box": person_box,
            "person_box_file": person_box_file,
        },
        devices=devices,
        cluster=cluster,
        mix_devices=mix_devices,
        wait=wait,
        dry_run=dry_run,
        profile=profile,
        as_json=as_json,
        watch=WatchOptions(log_file, metrics_port),
    )
    raise typer.Exit(code)


@app.command()
def info(store: Store, as_json: Json = False) -> None:
    """What is in a store: videos, rows, weights, settings, failures.

    [bold]Example[/]

    seds-extract info stores/rgb.zarr --json
    """
    from extract.inspection.info import describe, report
    from seds_core.store.reader import StoreReader

    description = describe(StoreReader(store))
    if as_json:
        print_json(description)
    else:
        results.print(report(description))


@app.command()
def verify(
    store: Store,
    sample: Annotated[int, typer.Option(min=0, help="Videos to extract again.")] = 0,
    pose: Annotated[
        str | None,
        typer.Option(metavar="STORE", help="Pose store that an RGB store was made with."),
    ] = None,
    device: Device = "auto",
) -> None:
    """Checks every byte of a store; with --sample, extracts some videos again.

    [bold]Example[/]

    seds-extract verify stores/rgb.zarr --sample 5
    """
    from extract.inspection.verify import print_verification, verify_store

    verification = verify_store(store, sample=sample, device=device, pose_store=pose)
    print_verification(store, verification)
    if verification.problems:
        raise typer.Exit(EXIT_ERROR)


@app.command()
def repair(store: Store, dry_run: DryRun = False) -> None:
    """Drops exactly the damaged videos of a store, so that the next run does them again.

    [bold]Example[/]

    seds-extract repair stores/rgb.zarr --dry-run
    """
    from extract.inspection.verify import repair_and_print

    repair_and_print(store, dry_run=dry_run)


@app.command()
def status(
    store: Store,
    watch: Annotated[bool, typer.Option("--watch", help="Again and again, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Who works on a store, on what, how fast, and what is left: from any machine.

    [bold]Examples[/]

    seds-extract status stores/pose.zarr --watch

    seds-extract status s3://bucket/pose.zarr --json
    """
    from extract.inspection.status import show_status

    show_status(store, watch=watch, as_json=as_json)


@app.command()
def compact(store: Store, dry_run: DryRun = False) -> None:
    """Gives back the room of videos that have changed or were dropped, and of old failures.

    Rows keep their places, and a killed run goes on where it was. Whoever reads the store goes on.

    [bold]Example[/]

    seds-extract compact stores/rgb.zarr --dry-run
    """
    from extract.inspection.verify import compact_and_print

    compact_and_print(store, dry_run=dry_run)


@app.command(context_settings={"ignore_unknown_options": True})  # ids may begin with a hyphen
def show(
    store: Store,
    video_id: Annotated[str, typer.Argument(help="A video in the store.")],
    also: Annotated[
        str | None, typer.Option(metavar="STORE", help="The other stream's store, to draw too.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Picture; by default VIDEO.png.")] = None,
    video: Annotated[bool, typer.Option("--video", help="A film (mp4) as well.")] = False,
) -> None:
    """Draws a video's skeleton and clips: a contact sheet, and with --video a film.

    What a trained model sees in it tells seds-search explain, or seds-eval --report for a split.

    [bold]Example[/]

    seds-extract show stores/pose.zarr greeting-01 --also stores/rgb.zarr --video
    """
    from extract.inspection.pictures import write_pictures

    video_id = video_id_of(video_id)
    picture = out or Path(f"{file_name_of(video_id)}.png")
    stores = tuple(path for path in (store, also) if path is not None)
    for path in write_pictures(stores, video_id, picture, with_film=video):
        results.print(f"wrote {path}")
    explained = f'seds-search explain INDEX {shlex.quote(video_id)} "a sentence" --html why.html'
    results.print(f"why a sentence finds it: {explained}", markup=False)


@app.command("demo-videos")
def demo_videos(
    out: Annotated[Path, typer.Option(help="Folder to write to.")],
    pipeline: Pipeline = "demo",
    pipelines: PipelineFile = PIPELINE_FILE,
) -> None:
    """Draws the synthetic signers' videos that the demo runs on, with an index and the truth.

    [bold]Example[/]

    seds-extract demo-videos --out demo/corpus
    """
    from extract.demo.corpus import SyntheticCorpus, write_corpus
    from seds_core.pipeline_file import read_section

    write_corpus(out, read_section(pipelines, pipeline, "synthetic", SyntheticCorpus))
    results.print(f"the videos, their index and the true keypoints are in {out}")
