"""The command ``seds-eval``: options in, one call of the library, an exit code out.

Nothing heavy is imported before the command needs it, so that ``--help`` is instant.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from seds_core.command_line import PIPELINE_FILE, Device, PipelineFile, run
from train.evaluation import TieRule, Which

app = typer.Typer(
    name="seds-eval",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Runs = Annotated[
    list[Path] | None, typer.Option("--run", help="Folder of a run; several for mean and spread.")
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="A run's checkpoint, or a published one with --pipeline.")
]
Split = Annotated[str, typer.Option(help="Split of the index to search in.")]
Pipeline = Annotated[str | None, typer.Option(help="Named pipeline, for a published checkpoint.")]
Index = Annotated[Path | None, typer.Option(help="Another index than in training.")]
Rgb = Annotated[
    list[str] | None,
    typer.Option(metavar="STORE", help="Another store of RGB features; several are mixed."),
]
Mix = Annotated[list[float] | None, typer.Option(help="Weight of each of several RGB stores.")]
Pose = Annotated[str | None, typer.Option(metavar="STORE", help="Another store of keypoints.")]
OfRun = Annotated[Which, typer.Option(help="Checkpoint of a run.")]
Ties = Annotated[TieRule, typer.Option(help="How equal scores are ranked.")]
Ranks = Annotated[Path | None, typer.Option(help="CSV file to write: every query's rank.")]
Report = Annotated[
    Path | None, typer.Option(help="Folder for index.html: scores, curves, queries, and why.")
]
Compare = Annotated[
    Literal["published"] | None, typer.Option(help="Scores of papers on the same data set.")
]
Workers = Annotated[int | None, typer.Option(min=0, help="Processes that read ahead.")]
Normalise = Annotated[
    bool, typer.Option("--normalise", help="Also without hubs, by means over the training split.")
]
Calibrate = Annotated[
    bool, typer.Option("--calibrate", help="Also probabilities of hits, by the validation split.")
]
Takes = Annotated[
    bool, typer.Option("--takes", help="Also by comparing motions with those of training videos.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output, no table.")]


def main() -> None:
    """The program."""
    run(app)


@app.command(no_args_is_help=True, epilog="Exit codes: 0 done, 2 usage, 1 anything else.")
def seds_eval(
    runs: Runs = None,
    checkpoint: Checkpoint = None,
    split: Split = "test",
    pipeline: Pipeline = None,
    pipelines: PipelineFile = PIPELINE_FILE,
    index: Index = None,
    rgb: Rgb = None,
    mix: Mix = None,
    pose: Pose = None,
    which: OfRun = "best",
    ties: Ties = "expected",
    compare: Compare = None,
    ranks: Ranks = None,
    report: Report = None,
    normalise: Normalise = False,
    calibrate: Calibrate = False,
    takes: Takes = False,
    device: Device = "auto",
    workers: Workers = None,
    as_json: Json = False,
) -> None:
    """Retrieval scores of a trained model: R@1, R@5, R@10, median and mean rank, both ways.

    With --run, the scores and every query's rank are also kept in RUN/evaluation/SPLIT/.

    [bold]Examples[/]

    seds-eval --run runs/demo

    seds-eval --run runs/seed1 --run runs/seed2 --run runs/seed3 --split test

    seds-eval --checkpoint ph_best_model.bin --pipeline phoenix-2014t --ties published

    seds-eval --run runs/phoenix --compare published

    seds-eval --run runs/demo --split dev --which last --json --ranks ranks.csv

    seds-eval --run runs/demo --report report

    seds-eval --run runs/demo --normalise --calibrate --report report

    seds-eval --run runs/signs --takes

    seds-eval --run runs/before --run runs/after --report report
    """
    from search.report.eval_page import EvalReport
    from train.evaluation.evaluate import evaluate
    from train.evaluation.report import report as show

    page = EvalReport(report, len(runs or [""]), ties) if report else None

    models = evaluate(
        tuple(runs or ()), checkpoint=checkpoint, pipeline=pipeline, pipelines=pipelines,
        split=split, index=index, rgb=tuple(rgb or ()), mix=tuple(mix or ()), pose=pose,
        which=which, compare=compare, device=device, workers=workers, normalise=normalise,
        calibrate=calibrate, takes=takes, look=page.look if page else None,
    )  # fmt: skip
    show(models, ties=ties, compare=compare is not None, ranks=ranks, as_json=as_json)
    if page:
        page.write(models)
