"""Trains one stage: the call behind ``seds-train``, and the order in which a run's parts act."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import torch
from rich.markup import escape

from seds_core.command_line import PIPELINE_FILE
from seds_core.console import activity, messages, results
from seds_core.pipeline_file import read_section, with_changes
from seds_core.store.place import StoreLocation
from train.batches import concatenated, on_device
from train.checkpoints.run_checkpoint import Position
from train.checkpoints.run_folder import RunFolder, RunFolderError, environment
from train.data.collation import refuse_unusable
from train.data.retrieval_data import RetrievalData, count_unseen_hands
from train.data.rgb_stores import rgb_choice
from train.evaluation.scoring import evaluate_split
from train.model.normalisation import average_running_statistics, frozen_statistics
from train.model.retrieval_model import RetrievalModel
from train.precision import use_arithmetic
from train.processes import Processes, joined_processes
from train.settings import Stage, TrainSettings
from train.text.kept_encoder import keep_text_encoder
from train.text.text_encoder import Tokenizer
from train.training.gradients import micro_batches
from train.training.loop import CheckpointKeeper, TrainingLoop, noted_stop_requests
from train.training.observers import (
    CacheUse,
    LivePanel,
    PlainLines,
    RunLog,
    RunObserver,
    UnusableVideos,
)
from train.training.preparation import (
    PreparedRun,
    UntrainableError,
    plan_table,
    prepare,
    refuse_settings,
)

LARGEST_SEED = 2**63 - 1

EXIT_DONE = 0

SIGNAL_OFFSET = 128
"""A shell's exit code of a program that a signal ended, less the signal's number."""


def train(
    stage: Stage,
    *,
    run_dir: Path,
    pipeline: str = "custom",
    pipelines: Path = PIPELINE_FILE,
    index: Path | None = None,
    rgb: Sequence[StoreLocation] = (),
    mix: Sequence[float] = (),
    pose: StoreLocation | None = None,
    init: Sequence[Path] = (),
    freeze_text: bool = False,
    workers: int | None = None,
    seed: int = 42,
    device: str = "auto",
    resume: bool = False,
    dry_run: bool = False,
) -> int:
    """Trains, or goes on training, and returns the exit code: 0, or 130 or 143 after a signal.

    ``run_dir`` is the run's folder, such as ``runs/NAME``. ``index``, ``rgb`` (several are mixed
    by the weights ``mix``), ``pose`` and ``workers`` replace what ``pipeline`` says, and ``init``
    are files of weights to begin with, in their order. ``dry_run`` sends one batch through data
    and model and writes nothing. Raises ``UsageError`` for options that do not fit the files, and
    ``UnavailableError`` when weights cannot be had or the training diverges.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise UntrainableError(f"--seed must be from 0 to 2^63 - 1, found {seed}")
    if resume and init:
        raise UntrainableError(
            "--resume goes on with the run's own weights, and --init begins with others: give one "
            "of the two"
        )
    # The pipeline's settings, with what the call replaces; from here on nothing else decides.
    settings = read_section(pipelines, pipeline, "train", TrainSettings)
    options = {"index": index, "rgb": rgb_choice(rgb, mix), "pose": pose, "workers": workers}
    settings = with_changes(settings, "data", options)
    if freeze_text:
        settings = with_changes(settings, "text", {"frozen": True})
    refuse_settings(settings, stage)

    folder = RunFolder(run_dir)
    with ExitStack() as stack:
        # Left in reverse order: reading processes end first, the process group last.
        processes = stack.enter_context(joined_processes(device))
        if not dry_run:
            stack.enter_context(_held(folder, processes, resume=resume))
        use_arithmetic(settings.arithmetic)  # before anything is computed on a GPU
        resumed = folder if resume else None
        with activity(f"preparing {run_dir.name}"):
            run = prepare(stage, settings, seed, processes, init=init, resumed=resumed)
        stack.enter_context(closing(run.batches))
        messages.print(plan_table(run))
        if not dry_run:
            return _carry_out(run, folder, init, resume=resume)
        try_a_batch(run)
        return EXIT_DONE


@contextmanager
def _held(folder: RunFolder, processes: Processes, *, resume: bool) -> Iterator[None]:
    """Locks the run's folder in the first process, for all of this group."""
    with ExitStack() as stack:
        # Where the first one is refused, all must end: they would wait for it in vain.
        refusal = ""
        if processes.is_first:
            try:
                stack.enter_context(folder.held(resume=resume))
            except RunFolderError as error:
                refusal = str(error)
        if refusal := processes.value_of_first(refusal):
            raise RunFolderError(refusal)
        yield


def try_a_batch(run: PreparedRun) -> None:
    """Sends the first batch through model and losses as a step would, and prints the loss."""
    gradient_pass = run.step.gradient_pass
    batch = on_device(next(run.batches.epoch(0)), run.processes.device)
    refuse_unusable(batch.signs, run.batches.video_ids(0, 0))
    with torch.no_grad(), frozen_statistics(run.model):
        # In micro-batches as in training, since they decide the batch statistics.
        pieces = micro_batches(batch, gradient_pass.micro_batch)
        losses = gradient_pass.losses(concatenated([gradient_pass.encode(p) for p in pieces]))
    if run.processes.is_first:
        if run.data.reader.pose is not None:
            hands = count_unseen_hands(run.data, run.training)
            results.print(f"Hands: {hands}")
        results.print(
            f"Nothing was trained. One batch went through the model: loss {losses.total:.4f}"
        )


def _carry_out(run: PreparedRun, folder: RunFolder, init: Sequence[Path], *, resume: bool) -> int:
    """Trains from the run's first step, or from its checkpoint, to its end or a signal."""
    settings, processes = run.settings, run.processes
    keeper = CheckpointKeeper(folder, run.identity, run.step, processes)
    # A checkpoint that belongs to another run is refused before the folder changes.
    position, best_score = keeper.restore() if resume else (Position(), None)
    if processes.is_first:
        folder.begin(run.identity, environment(processes.device, processes.size, init))
        # Runs of earlier versions kept no text encoder; resuming them adds it.
        if not (resume and folder.text_encoder.exists()):
            keep_text_encoder(settings.text, folder.text_encoder)
    if not resume:
        keeper.save(position, best_score)  # a run that is killed in its first step can go on

    validate = partial(validation_scores, run.model, run.data, run.tokenizer, settings, processes)
    with noted_stop_requests() as stop, ExitStack() as ending:
        observers: tuple[RunObserver, ...] = ()
        if processes.is_first:
            # The log drops what an earlier start wrote after the checkpoint that was just read.
            view = LivePanel(run.length) if messages.is_terminal else PlainLines(run.length)
            observers = (RunLog(folder, position.step), view, UnusableVideos())
            if cache := run.data.reader.cache:
                observers += (CacheUse(cache),)
        # Closed in their order, however the loop ends: the view makes room for the last warning.
        for observer in reversed(observers):
            ending.callback(observer.close)
        loop = TrainingLoop(
            stage=run.identity.stage,
            length=run.length,
            step=run.step,
            batches=run.batches,
            keeper=keeper,
            validate=validate if run.validation else None,
            every_epochs=settings.evaluation.every_epochs,
            processes=processes,
            observers=observers,
            stop=stop,
            position=position,
            best_score=best_score,
        )
        signal_number = loop.run()
    return _report_end(loop, folder, signal_number)


def _report_end(loop: TrainingLoop, folder: RunFolder, signal_number: int) -> int:
    """Prints how the run ended and what to do next; returns the exit code."""
    path, done = escape(str(folder.path)), f"{loop.position.step:,} of {loop.length.steps:,} steps"
    if signal_number:
        name = signal.Signals(signal_number).name
        messages.print(
            f"Stopped by {name} after {done}. Everything is saved: the same command with --resume "
            f"goes on from {escape(str(folder.last))}."
        )
        return SIGNAL_OFFSET + signal_number
    score = "" if loop.best_score is None else f", best validation R@1 {loop.best_score:.1f} %"
    messages.print(f"Trained {done}{score}. To evaluate it: seds-eval --run {path}")
    return EXIT_DONE


def validation_scores(
    model: RetrievalModel,
    data: RetrievalData,
    tokenizer: Tokenizer,
    settings: TrainSettings,
    processes: Processes,
) -> dict[str, float]:
    """Returns stream -> mean of R@1 of both directions on the validation videos, in percent.

    The first process computes it; all of them call this at the same time and get it.
    """
    # Each process has seen other videos; the first one evaluates, and all save, their mean.
    average_running_statistics(model, processes)
    scores = {}
    if processes.is_first:
        found = evaluate_split(
            model,
            data,
            settings.data.validation_split,
            tokenizer,
            settings=settings,
            device=processes.device,
            workers=settings.data.workers,
        )
        scores = {stream: found.mean_r1(stream) for stream in found.streams}
    return processes.value_of_first(scores)
