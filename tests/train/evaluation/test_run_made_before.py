"""A run of the version before checkpoints had checksums is evaluated, compared and resumed.

``tests/fixtures/made_before/run.tar.xz`` holds the run (stage rgb, stopped at step 5 of 6), its RGB
store, index and text encoder, all made by commit d0ab661; the numbers below are what that version
gave. The large layers are zeros, so that the archive is small.
"""

import json
import tarfile
from pathlib import Path

import pytest
from run_comparison import losses

from seds_core.errors import UsageError
from train.checkpoints.run_checkpoint import read_checkpoint
from train.checkpoints.run_folder import RunFolder
from train.evaluation.evaluate import evaluate
from train.evaluation.report import report
from train.training.run import train

ARCHIVE = Path(__file__).parents[2] / "fixtures" / "made_before" / "run.tar.xz"
RUN = Path("runs/before")


@pytest.fixture
def made_before(tmp_path, monkeypatch):
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def evaluated(**options):
    return evaluate([RUN], split="train", device="cpu", **options)


def test_it_is_evaluated_and_compared(made_before, capsys):
    report(evaluated(compare="published"), compare=True, as_json=True)
    values = json.loads(capsys.readouterr().out)
    streams = values["models"][0]["streams"]["rgb"]
    found = {way: (streams[way]["R@1"], streams[way]["MeanR"]) for way in streams}
    assert found == {"text_to_video": (25.0, 2.25), "video_to_text": (25.0, 2.5)}
    assert values["published"]["ours"][0]["repeats"] == "SEDS RGB only"


def test_it_goes_on_and_its_new_files_are_sealed(made_before):
    code = train(
        "rgb", pipeline="small", pipelines=Path("pipelines.yaml"), run_dir=RUN,
        index=Path("index.csv"), rgb=(Path("rgb.zarr"),), device="cpu", seed=0, resume=True,
    )  # fmt: skip
    assert code == 0
    assert losses(RUN)[5:] == pytest.approx([0.577352], abs=1e-4)
    assert read_checkpoint(RunFolder(RUN).last).position["step"] == 6
    assert len(evaluated(which="last")) == 1


def test_a_text_encoder_that_is_another_now_is_told(made_before):
    config = made_before / "text_encoder" / "config.json"
    values = json.loads(config.read_text())
    config.write_text(json.dumps(values | {"num_hidden_layers": values["num_hidden_layers"] + 1}))
    with pytest.raises(UsageError, match=r"(last|best)\.pt do not fit.*text"):
        evaluated()
