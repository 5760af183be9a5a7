"""One ``seds-train`` command: from the request to the exit code."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import torch
from rich.markup import escape

from seds_core.console import messages, results
from train.batches import concatenated, on_device
from train.checkpoints.run_checkpoint import Position
from train.checkpoints.run_folder import RunFolder, RunFolderError
from train.data.retrieval_data import count_unseen_hands
from train.data.sign_reader import refuse_unusable
from train.model.normalisation import still_statistics
from train.optimisation.optimiser import build_optimiser
from train.precision import loss_scaler
from train.processes import Processes, joined_processes
from train.text.kept_encoder import keep_text_encoder
from train.training.checkpoint_keeper import CheckpointKeeper, environment
from train.training.gradients import micro_batches
from train.training.loop import TrainingLoop, Validation, exit_code, noted_stop_requests
from train.training.observers import RunLog, RunObserver, UnusableVideos, training_view
from train.training.plan import plan_table
from train.training.preparation import PreparedRun, TrainRequest, prepare
from train.training.step import TrainingStep

__all__ = ["TrainRequest", "train"]

EXIT_DONE = 0


def train(request: TrainRequest) -> int:
    """Trains, or goes on training, and gives the exit code: 0, or 130 or 143 after a signal.

    Raises ``UsageError`` for a request that does not fit its files, and ``UnavailableError`` when
    weights cannot be had or the training diverges.
    """
    folder = RunFolder(request.run_dir)
    with joined_processes(request.device) as processes, _held(folder, processes, request):
        run = prepare(request, processes)
        with closing(run.batches):
            messages.print(plan_table(run))
            if request.dry_run:
                try_a_batch(run)
                return EXIT_DONE
            return _carry_out(run, folder, request)


@contextmanager
def _held(folder: RunFolder, processes: Processes, request: TrainRequest) -> Iterator[None]:
    """The run belongs to this group of processes; the first one holds it for all."""
    with ExitStack() as stack:
        refusal = ""
        if processes.is_first and not request.dry_run:
            try:
                stack.enter_context(folder.held(resume=request.resume))
            except RunFolderError as error:
                refusal = str(error)
        if refusal := processes.value_of_first(refusal):
            raise RunFolderError(refusal)
        yield


def try_a_batch(run: PreparedRun) -> None:
    """Sends the first batch through model and losses as a step would, and prints the loss."""
    gradient_pass = run.gradient_pass
    batch = on_device(next(run.batches.epoch(0)), run.processes.device)
    refuse_unusable(batch.signs, run.video_ids(0, 0))
    with torch.no_grad(), still_statistics(run.model):
        pieces = micro_batches(batch, gradient_pass.micro_batch)
        losses = gradient_pass.losses(concatenated([gradient_pass.encode(p) for p in pieces]))
    if run.processes.is_first:
        if run.data.reader.pose is not None:
            hands = count_unseen_hands(run.data, run.training)
            results.print(f"Hands: {hands}")
        results.print(
            f"Nothing was trained. One batch went through the model: loss {losses.total:.4f}"
        )


def _carry_out(run: PreparedRun, folder: RunFolder, request: TrainRequest) -> int:
    settings, processes = run.settings.optimisation, run.processes
    optimiser = build_optimiser(run.model, settings)
    scaler = loss_scaler(processes.device, settings.precision)
    step = TrainingStep(run.gradient_pass, optimiser, scaler, settings, run.length.steps)
    keeper = CheckpointKeeper(folder, run.identity, step, processes)
    position, best_score = keeper.restore() if request.resume else (Position(), None)
    if processes.is_first:
        begun_with = () if request.resume else request.init
        folder.begin(run.identity, environment(processes.device, processes.size, begun_with))
        if not (request.resume and folder.text_encoder.exists()):
            keep_text_encoder(run.settings.text, folder.text_encoder)
    if not request.resume:
        keeper.save(position, best_score)
    with noted_stop_requests() as stop, _observers(run, folder, position) as observers:
        loop = TrainingLoop(
            stage=run.identity.stage,
            length=run.length,
            step=step,
            batches=run.batches,
            video_ids=run.video_ids,
            keeper=keeper,
            validation=_validation(run),
            every_epochs=run.settings.evaluation.every_epochs,
            processes=processes,
            observers=observers,
            stop=stop,
            position=position,
            best_score=best_score,
        )
        number = loop.run()
    _tell_end(loop, folder, number)
    return exit_code(number) if number else EXIT_DONE


@contextmanager
def _observers(
    run: PreparedRun, folder: RunFolder, position: Position
) -> Iterator[tuple[RunObserver, ...]]:
    """The files and the screen for the first process, nobody for the others."""
    if not run.processes.is_first:
        yield ()
        return
    log, view, unusable = RunLog(folder, position.step), training_view(run.length), UnusableVideos()
    try:
        yield (log, view, unusable)
    finally:
        view.pause()
        unusable.tell_end()
        log.close()


def _validation(run: PreparedRun) -> Validation | None:
    if not run.validation:
        return None
    return Validation(run.model, run.data, run.tokenizer, run.settings, run.processes)


def _tell_end(loop: TrainingLoop, folder: RunFolder, number: int) -> None:
    path, done = escape(str(folder.path)), f"{loop.position.step:,} of {loop.length.steps:,} steps"
    if number:
        name = signal.Signals(number).name
        messages.print(
            f"Stopped by {name} after {done}. Everything is saved: the same command with --resume "
            f"goes on from {escape(str(folder.last))}."
        )
        return
    score = "" if loop.best_score is None else f", best validation R@1 {loop.best_score:.1f} %"
    messages.print(f"Trained {done}{score}. To evaluate it: seds-eval --run {path}")
