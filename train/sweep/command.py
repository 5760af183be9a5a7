"""The call behind ``seds-train sweep``: trains what is missing, selects, scores the test split."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout
from rich.markup import escape
from rich.table import Table

from seds_core.console import messages, progress_bar, results, warn
from seds_core.errors import UsageError, first_names
from seds_core.files import write_whole
from train.checkpoints.run_folder import RunFolder
from train.sweep.comparison import SweepResult, compare, select
from train.sweep.engine import Engine, LocalProcesses, carry_out_all, epochs_begun
from train.sweep.plan import (
    PlannedRun,
    SweepPlan,
    check_data,
    read_plan,
    refuse_changed_recipes,
)
from train.sweep.report import print_tables, write_report
from train.sweep.work import Work
from train.training.loop import StopRequest, noted_stop_requests
from train.training.run import EXIT_DONE, SIGNAL_OFFSET

EXIT_SOME_FAILED = 3

PIPELINES, THREADS = "pipelines.yaml", "threads.json"
"""In the folder of a sweep."""

EngineName = Literal["local", "ray"]


def sweep(
    file: Path,
    *,
    out: Path,
    jobs: int | None = None,
    engine: EngineName = "local",
    device: str = "auto",
    dry_run: bool = False,
) -> int:
    """Carries out the sweep that ``file`` describes, below ``out``; returns the exit code.

    What an earlier start has finished is not done again, and what it has begun goes on. ``jobs``
    runs are trained at a time: one where it is not said, and as many as a cluster has room for.
    Raises ``UsageError``, before anything runs, for whatever is wrong with the file or the data.
    """
    plan = read_plan(file, out)
    check_data(plan)
    refuse_changed_recipes(plan)
    if dry_run:
        results.print(plan_table(plan))
        return EXIT_DONE
    out.mkdir(parents=True, exist_ok=True)
    with _held(out), noted_stop_requests() as stop:
        write_whole(out / PIPELINES, plan.pipelines())
        processes, jobs, num_cores = _engine(engine, jobs)
        threads = threads_of_a_run(plan, out, num_cores // jobs if jobs else 1)
        at_a_time = jobs or len(plan.runs)

        def failures(
            runs: Sequence[PlannedRun], split: str, *, is_training: bool
        ) -> dict[str, str]:
            works = [
                work_of(plan, run, out, split, threads, device, is_training=is_training)
                for run in runs
            ]
            return _failures(works, processes, at_a_time, stop)

        missing = [run for run in plan.runs if not run.is_finished]
        failed = failures(missing, plan.validation_split, is_training=True)
        validation = compare(plan, plan.validation_split)
        selected, test = select(validation), None
        if (split := plan.settings.test_split) and not stop.signal_number:
            failed |= failures(runs_to_test(plan, selected, split), split, is_training=False)
            test = compare(plan, split)
    if stop.signal_number:
        messages.print("Stopped. Everything is saved: the same command goes on from there.")
        return SIGNAL_OFFSET + stop.signal_number
    return _report_end(SweepResult(plan, validation, selected, test, failed), out)


def _failures(
    works: Sequence[Work], engine: Engine, jobs: int, stop: StopRequest
) -> dict[str, str]:
    """Does all work; returns run -> why it failed. What was stopped has not failed."""
    if not works:
        return {}
    title = "Training" if works[0].is_training else f"Scoring {works[0].split}"
    with _progress(title, works) as tell:
        outcomes = carry_out_all(works, engine, jobs, stop, tell)
    if stop.signal_number:
        return {}
    # In the order of the file, not of the ends, which differs from start to start.
    reasons = {of.work.name: of.reason for of in outcomes if not of.is_done}
    return {work.name: reasons[work.name] for work in works if work.name in reasons}


def _report_end(result: SweepResult, out: Path) -> int:
    """Writes the report, prints its tables, and returns the exit code."""
    paths = write_report(result, out)
    print_tables(result)
    messages.print(f"Report: {' and '.join(escape(str(path)) for path in paths)}")
    for name, reason in result.failed.items():
        warn(f"{escape(name)} failed: {escape(reason)} (logs/{escape(name)}.log)")
    return EXIT_SOME_FAILED if result.failed else EXIT_DONE


def _engine(name: EngineName, jobs: int | None) -> tuple[Engine, int | None, int]:
    """Where processes run, how many at a time (``None``: as many as there is room for), and how
    many cores there are."""
    if name == "ray":
        from train.sweep.ray_tasks import RayTasks  # noqa: PLC0415 - an extra

        tasks = RayTasks()
        return tasks, jobs, tasks.num_cores
    return LocalProcesses(), jobs or 1, len(os.sched_getaffinity(0))


def threads_of_a_run(plan: SweepPlan, out: Path, share: int) -> int:
    """Threads of each run: the file's, or its share of the cores at the sweep's first start.

    They stay the same at later starts, with other numbers of jobs too: the last bits of a result
    depend on them.
    """
    if plan.settings.threads:
        return plan.settings.threads
    path = out / THREADS
    if not path.exists():
        write_whole(path, json.dumps({"threads": max(1, share)}).encode())
    return int(json.loads(path.read_text())["threads"])


def runs_to_test(plan: SweepPlan, selected: str | None, split: str) -> list[PlannedRun]:
    """The runs whose test split is to be scored and is not: none before a recipe is selected."""
    wanted = {selected, plan.baseline}
    if plan.settings.test_recipes == "every":
        wanted = set(plan.recipes)
    return [
        run
        for recipe in plan.recipes
        if selected is not None
        and recipe in wanted
        and all(run.is_finished for run in plan.runs_of(recipe))
        for run in plan.runs_of(recipe)
        if not run.hits(split).exists()
    ]


def work_of(
    plan: SweepPlan,
    run: PlannedRun,
    out: Path,
    split: str,
    threads: int,
    device: str,
    *,
    is_training: bool,
) -> Work:
    """What a process is asked to do for a run; with absolute paths, for other machines."""
    return Work(
        name=run.name,
        folder=str(run.folder.absolute()),
        hits=str(run.hits(split).absolute()),
        log=str((out / "logs" / f"{run.name}.log").absolute()),
        split=split,
        is_training=is_training,
        stage=plan.settings.stage,
        pipelines=str((out / PIPELINES).absolute()),
        pipeline=run.recipe,
        seed=run.seed,
        init=tuple(str(path.absolute()) for path in run.init),
        threads=threads,
        device=device,
        working_folder=os.getcwd(),
    )


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Keeps another start of the sweep away; the system takes the lock back from a killed one."""
    lock = FileLock(out / "lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UsageError(
            f"a sweep is going on in {out}: wait for its end, stop it, or name another --out"
        ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _progress(title: str, works: Sequence[Work]) -> Iterator[Callable[[Sequence[Work], int], None]]:
    """Shows how many runs are done, and the epoch of each that is going on."""
    with progress_bar() as progress:
        task = progress.add_task(title, total=len(works), rates="")

        def tell(running: Sequence[Work], num_ended: int) -> None:
            texts = [
                f"{work.name} epoch {epochs_begun(work)}" if work.is_training else work.name
                for work in running
            ]
            progress.update(task, completed=num_ended, rates=first_names(texts))

        yield tell


def plan_table(plan: SweepPlan) -> Table:
    """Returns the runs with their states, for ``--dry-run``."""
    table = Table(title=f"Sweep {escape(plan.title)}: nothing was run", title_justify="left")
    for column in ("recipe", "seed", "epochs", "state"):
        table.add_column(column)
    for run in plan.runs:
        state = "finished" if run.is_finished else "to do"
        if not run.is_finished and RunFolder(run.folder).last.exists():
            state = "begun, goes on"
        epochs = f"{run.settings.optimisation.epochs:,}"
        table.add_row(escape(run.recipe), str(run.seed), epochs, state)
    return table
