import re
import shlex
import subprocess
import sys

import pytest

from extract.run.plan_command import PlanRequest, downloads, steps
from extract.settings import ExtractSettings
from seds_core.command_line import PIPELINE_FILE
from seds_core.pipeline_file import read_section


def commands(request):
    settings = read_section(PIPELINE_FILE, request.pipeline, "extract", ExtractSettings)
    return [step.command for step in steps(request, settings)]


def words(commands):
    return [" ".join(command.split()[:2]) for command in commands]


@pytest.fixture
def index(tmp_path):
    path = tmp_path / "my signs.csv"
    path.write_text("video_id,path,crop\na,a.mp4,\n")
    return path


def test_from_the_download_to_the_score():
    found = commands(PlanRequest(PIPELINE_FILE, "phoenix-2014t"))
    assert words(found) == [
        "seds-extract captions", "seds-extract pose", "seds-extract rgb", "seds-train --stage",
        "seds-eval --run",
    ]  # fmt: skip
    assert "--out phoenix-2014t.csv" in found[0]
    assert all("--index phoenix-2014t.csv" in command for command in found[1:4])
    assert "--out stores/phoenix-2014t-pose.zarr" in found[1]
    assert "--pose stores/phoenix-2014t-pose.zarr" in found[2]  # frames: hands
    assert found[4].endswith("--run runs/phoenix-2014t-fusion-seed42 --compare published")


def test_the_score_is_asked_of_the_run_that_training_makes(index):
    train, score = commands(PlanRequest(PIPELINE_FILE, "custom", index))[-2:]
    program = f"""
import sys, types
run = types.ModuleType("train.training.run")
run.train = lambda stage, run_dir, index, **others: print(run_dir, index, sep="\\n") or 0
sys.modules[run.__name__] = run
sys.argv = {shlex.split(train)}
from train.cli import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    run_dir, trained_on = done.stdout.splitlines()
    assert score == f"seds-eval --run {run_dir}"
    assert trained_on == str(index)


def test_an_index_is_taken_as_it_is(index):
    found = commands(PlanRequest(PIPELINE_FILE, "csl-daily", index))
    assert words(found)[0] == "seds-extract pose"
    assert f"--index '{index}'" in found[0]


def test_videos_without_frames_left_out_need_no_pose_store():
    rgb = commands(PlanRequest(PIPELINE_FILE, "custom", places=("clips",)))[2]
    assert "--pose" not in rgb


def test_recordings_need_to_know_where_the_signer_is(index):
    made = commands(PlanRequest(PIPELINE_FILE, "how2sign", index))
    assert words(made)[0] == "seds-extract boxes"
    cropped = re.search(r"--out '([^']+)'", made[0])[1]
    assert f"--index '{cropped}'" in made[1]
    index.write_text('video_id,path,crop\na,a.mp4,"0,0,8,8"\n')
    assert words(commands(PlanRequest(PIPELINE_FILE, "how2sign", index)))[0] == "seds-extract pose"


def test_another_pipeline_file_is_named(tmp_path, index):
    other = tmp_path / "mine.yaml"
    other.write_text("pipelines: {tiny: {}}")
    found = steps(PlanRequest(other, "tiny", index), ExtractSettings())
    assert all(f"--pipelines {other}" in step.command for step in found[:3])
    assert "--pipelines" not in found[-1].command


def test_archives_are_named_until_there_are_videos(index):
    named = downloads(PlanRequest(PIPELINE_FILE, "how2sign"), ["weights"])
    assert named[0].startswith("train_raw_videos")
    assert named[-1] == "weights"
    assert downloads(PlanRequest(PIPELINE_FILE, "how2sign", index), ["weights"]) == ["weights"]
