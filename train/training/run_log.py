"""The numbers of a run as it goes: a line of JSON each, and TensorBoard's events."""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from train.training.observer import RunObserver, StepRecord, ValidationRecord
from train.training.run_folder import RunFolder


class RunLog(RunObserver):
    """Writes ``metrics.jsonl`` and ``tensorboard/``.

    Lines of ``metrics.jsonl`` are of the kinds ``step`` and ``validation``; ``step`` counts the
    steps that are done. Numbers that are not finite are ``null``.
    """

    def __init__(self, folder: RunFolder, first_step: int) -> None:
        """Goes on after ``first_step``: what a run wrote about later steps, before it was killed
        and resumed from its last checkpoint, is taken out."""
        _keep_lines(folder.metrics, first_step)
        self._lines = folder.metrics.open("a", encoding="utf-8")
        self._events = SummaryWriter(str(folder.tensorboard), purge_step=first_step + 1)

    def step(self, record: StepRecord) -> None:
        """One line and its events."""
        report = record.report
        values = {
            "loss": report.loss,
            "parts": report.parts,
            "gradient_norm": report.gradient_norm,
            "scale": report.scale,
            "rates": report.rates,
            "skipped": report.is_skipped,
            "samples_per_second": record.samples_per_second,
            "waiting": record.waiting,
        }
        if record.unusable_videos:
            values["unusable_videos"] = list(record.unusable_videos)
        self._write("step", record.step, record.epoch, values)

    def validation(self, record: ValidationRecord) -> None:
        """One line and its events."""
        values = {"mean_r1": record.mean_r1, "best": record.best_score}
        self._write("validation", record.step, record.epoch, values)

    def pause(self) -> None:
        """Events are written at once, too."""
        self._events.flush()

    def close(self) -> None:
        """Writes what is left."""
        self._lines.close()
        self._events.close()

    def _write(self, kind: str, step: int, epoch: int, values: dict[str, Any]) -> None:
        finite = _without_infinities(values)
        line = {"kind": kind, "step": step, "epoch": epoch, **finite}
        self._lines.write(json.dumps(line) + "\n")
        self._lines.flush()
        for name, value in _numbers(finite):
            self._events.add_scalar(f"{kind}/{name}", value, step)


def _keep_lines(path: Path, last_step: int) -> None:
    """Takes out the lines of later steps, and a last line that was cut off."""
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        kept = [line for line in whole if json.loads(line)["step"] <= last_step]
        path.write_text("".join(kept), encoding="utf-8")


def _without_infinities(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {name: _without_infinities(inner) for name, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{name}/")
        elif isinstance(value, int | float):
            yield f"{prefix}{name}", float(value)
