import json
from pathlib import Path

import pytest
import yaml

from train.batches import ClipLayout
from train.checkpoints.run_folder import RunFolder, RunFolderError, RunIdentity, TrainingVideos
from train.settings import TrainSettings

RUN = RunIdentity(
    stage="pose",
    seed=3,
    settings=TrainSettings.model_validate({"data": {"index": Path("index.csv")}}),
    layout=ClipLayout(64, 16, None),
    provenance={"pose": {"path": "pose.zarr"}},
    training_videos=TrainingVideos((("a", "rain"),)),
)


def test_the_settings_file_is_a_section_of_a_pipeline(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(RUN, {"command": ["one"]})
    written = yaml.safe_load(folder.settings.read_text())
    assert (written["stage"], written["seed"]) == ("pose", 3)
    assert TrainSettings.model_validate(written["train"]) == RUN.settings


def test_every_start_is_recorded(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.begin(RUN, {"command": ["one"]})
    folder.begin(RUN, {"command": ["two"]})
    starts = json.loads(folder.environment.read_text())
    assert [start["command"] for start in starts] == [["one"], ["two"]]
    assert json.loads(folder.provenance.read_text())["layout"]["rgb_dim"] is None
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "environment.json",
        "provenance.json",
        "settings.yaml",
        "training_videos.json",
    ]


def test_a_run_begins_once_and_resumes_what_is_there(tmp_path):
    folder = RunFolder(tmp_path)
    folder.check(resume=False)
    with pytest.raises(RunFolderError, match="start the run without --resume"):
        folder.check(resume=True)
    folder.last.write_bytes(b"")
    folder.check(resume=True)
    with pytest.raises(RunFolderError, match="resume with --resume or name another with --name"):
        folder.check(resume=False)


def test_one_start_at_a_time_has_the_run(tmp_path):
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    with first.held(resume=False):
        first.last.write_bytes(b"")
        for resume in (False, True):
            with pytest.raises(RunFolderError), second.held(resume=resume):
                raise AssertionError("two have it")
        with pytest.raises(RunFolderError, match="going on in another process"):
            second.held(resume=True).__enter__()
    with second.held(resume=True):
        assert second.last.exists()


def test_a_start_that_begins_nothing_leaves_nothing(tmp_path):
    folder = RunFolder(tmp_path / "runs" / "run")
    with pytest.raises(ZeroDivisionError), folder.held(resume=False):
        raise ZeroDivisionError
    assert not folder.path.exists()
    with pytest.raises(RunFolderError), folder.held(resume=True):
        raise AssertionError("there is nothing to resume")
    assert not folder.path.exists()
