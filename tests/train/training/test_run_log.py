import json
import math

from train.checkpoints.run_folder import RunFolder
from train.training.observers import RunLog, StepRecord, ValidationRecord
from train.training.step import StepReport


def record(step, loss=1.5):
    report = StepReport(loss, {"fusion": loss}, 2.0, {"text": 1e-5}, 14.0, not math.isfinite(loss))
    return StepRecord(step, 1, report, samples_per_second=3.0, waiting=0.1)


def lines(folder):
    return [json.loads(line) for line in folder.metrics.read_text().splitlines()]


def test_steps_and_validations_are_lines(tmp_path):
    folder = RunFolder(tmp_path)
    log = RunLog(folder, 0)
    log.step(record(1))
    log.validation(ValidationRecord(1, 1, {"fusion": 50.0, "pose": 20.0}, 50.0, 60.0))
    log.close()
    step, validation = lines(folder)
    assert (step["kind"], step["step"], step["loss"]) == ("step", 1, 1.5)
    assert step["rates"] == {"text": 1e-5}
    assert validation["mean_r1"] == {"fusion": 50.0, "pose": 20.0}
    assert validation["best"] == 60.0


def test_numbers_that_are_not_finite_are_null(tmp_path):
    log = RunLog(RunFolder(tmp_path), 0)
    log.step(record(1, loss=math.nan))
    log.close()
    (line,) = lines(RunFolder(tmp_path))
    assert line["loss"] is None
    assert line["parts"] == {"fusion": None}
    assert line["skipped"] is True


def test_a_resumed_run_takes_out_what_it_does_again(tmp_path):
    folder = RunFolder(tmp_path)
    log = RunLog(folder, 0)
    for step in (1, 2, 3):
        log.step(record(step))
    log.close()
    with folder.metrics.open("a") as file:
        file.write('{"kind": "step", "st')  # killed while it wrote
    log = RunLog(folder, 2)
    log.step(record(3, loss=9.0))
    log.close()
    assert [(line["step"], line["loss"]) for line in lines(folder)] == [
        (1, 1.5),
        (2, 1.5),
        (3, 9.0),
    ]


def test_tensorboard_gets_the_same_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = RunFolder(tmp_path)
    log = RunLog(folder, 0)
    log.step(record(1))
    log.validation(ValidationRecord(1, 1, {"fusion": 50.0}, 50.0, 50.0))
    log.close()
    events = EventAccumulator(str(folder.tensorboard)).Reload()
    found = {tag: events.Scalars(tag)[0].value for tag in events.Tags()["scalars"]}
    assert found["step/parts/fusion"] == 1.5
    assert found["validation/mean_r1/fusion"] == 50.0
