"""The command ``seds-train``: options in, one call of the library, an exit code out.

Nothing heavy is imported before a command needs it, so that ``--help`` is instant.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from seds_core.command_line import PIPELINE_FILE, Device, Pipeline, PipelineFile, run
from seds_core.console import results, warn

if TYPE_CHECKING:
    from train.settings import TrainSettings

EXIT_CODES = "Exit codes: 0 trained, 2 usage, 130 or 143 stopped and saved, 1 anything else."

app = typer.Typer(
    name="seds-train",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Stage = Annotated[
    Literal["fusion", "pose", "rgb"] | None,
    typer.Option(help="Both streams and their fusion, or one stream with its text loss."),
]
Index = Annotated[Path | None, typer.Option(help="CSV: video_id, path, split, text.")]
RgbStores = Annotated[
    list[str] | None,
    typer.Option(metavar="STORE", help="Store of RGB features; several are mixed."),
]
Mix = Annotated[
    list[float] | None, typer.Option(help="Weight of each RGB store; together they are 1.")
]
PoseStore = Annotated[str | None, typer.Option(metavar="STORE", help="Store of keypoints.")]
Init = Annotated[
    list[Path] | None,
    typer.Option(help="Weights to begin with: an earlier run's, published ones. Repeatable."),
]
Freeze = Annotated[Literal["text"] | None, typer.Option(help="Part that is not trained.")]
Runs = Annotated[Path, typer.Option(help="Folder of all runs.")]
Name = Annotated[
    str | None,
    typer.Option(help="Folder of this run.", show_default="PIPELINE-STAGE-seedSEED"),
]
Seed = Annotated[int, typer.Option(help="Seed of everything random.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")]
Workers = Annotated[
    int | None, typer.Option(help="Processes that read ahead.", show_default="the pipeline's")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check data and model; train nothing.")]


def main() -> None:
    """Runs the program."""
    run(app, "train", _settings)


def _settings() -> "type[TrainSettings]":
    from train.settings import TrainSettings

    return TrainSettings


@app.callback(invoke_without_command=True, no_args_is_help=True, epilog=EXIT_CODES)
def seds_train(
    context: typer.Context,
    stage: Stage = None,
    pipeline: Pipeline = "custom",
    pipelines: PipelineFile = PIPELINE_FILE,
    index: Index = None,
    rgb: RgbStores = None,
    mix: Mix = None,
    pose: PoseStore = None,
    init: Init = None,
    freeze: Freeze = None,
    runs: Runs = Path("runs"),
    name: Name = None,
    seed: Seed = 42,
    resume: Resume = False,
    device: Device = "auto",
    workers: Workers = None,
    dry_run: DryRun = False,
) -> None:
    """Trains one stage of a retrieval model on stores, and keeps its run in a folder.

    [bold]Examples[/]

    seds-train --stage fusion --pipeline demo

    seds-train --stage pose --index index.csv --pose pose.zarr --rgb rgb.zarr --name first

    seds-train --stage fusion --pipeline phoenix-2014t --init ph_best_model.bin

    seds-train --stage rgb --index index.csv --rgb a.zarr --mix 0.8 --rgb b.zarr --mix 0.2

    seds-train --stage fusion --pipeline how2sign --resume

    torchrun --nproc-per-node 4 -m train --stage fusion --pipeline how2sign
    """
    # The options belong to training alone; ``seds-train check`` passes through here as well.
    if context.invoked_subcommand is not None:
        return
    if stage is None:
        raise typer.BadParameter("choose fusion, pose or rgb", param_hint="--stage")
    from train.training.run import train

    exit_code = train(
        stage,
        pipeline=pipeline,
        pipelines=pipelines,
        run_dir=runs / (name or f"{pipeline}-{stage}-seed{seed}"),
        index=index,
        rgb=rgb or (),
        mix=mix or (),
        pose=pose,
        init=init or (),
        freeze_text=freeze is not None,
        workers=workers,
        seed=seed,
        device=device,
        resume=resume,
        dry_run=dry_run,
    )
    raise typer.Exit(exit_code)


@app.command()
def check(
    rgb: Annotated[str, typer.Option(metavar="STORE", help="Store of RGB features.")],
    pose: Annotated[str, typer.Option(metavar="STORE", help="Store of keypoints.")],
) -> None:
    """Checks whether two stores fit each other, and counts the videos that both hold.

    [bold]Example[/]

    seds-train check --rgb demo/rgb.zarr --pose demo/pose.zarr
    """
    from train.data.stage_stores import open_pair

    pair = open_pair(rgb, pose)
    for text in pair.warnings:
        warn(escape(text))
    results.print(f"{len(pair.video_ids):,} videos are in both stores, on one timeline")


@app.command(
    name="sweep",
    epilog="Exit codes: 0 all done, 2 usage, 3 some runs failed, 130 or 143 stopped and saved, "
    "1 anything else.",
)
def sweep_recipes(
    file: Annotated[Path, typer.Argument(help="YAML: a pipeline, recipes that change it, seeds.")],
    out: Annotated[Path, typer.Option(help="Folder of the runs and of the report.")],
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at a time.", show_default="1; with Ray, what fits"),
    ] = None,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="Processes of this machine, or tasks of Ray.")
    ] = "local",
    device: Device = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything; run nothing.")] = (
        False
    ),
) -> None:
    """Trains recipes with several seeds, and reports how they differ and how sure that is.

    Validation selects the recipe; the test split is scored afterwards, for it and the baseline. The
    same command goes on where a sweep was stopped or killed, and makes the same report.

    [bold]Example of a file[/]

    pipeline: demo
    seeds: \\[1, 2, 3]
    recipes:
      as-it-is: {}
      no-noise:
        train:
          augmentation: {jitter: 0.0, rgb_noise: 0.0}

    [bold]Examples[/]

    seds-train sweep sweep.yaml --out sweeps/noise --dry-run

    seds-train sweep sweep.yaml --out sweeps/noise --jobs 4

    seds-train sweep sweep.yaml --out /shared/noise --engine ray
    """
    from train.sweep.command import sweep

    exit_code = sweep(file, out=out, jobs=jobs, engine=engine, device=device, dry_run=dry_run)
    raise typer.Exit(exit_code)
