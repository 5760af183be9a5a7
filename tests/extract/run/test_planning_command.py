import json
import subprocess
import sys

import pytest
from video_files import numbered_video

from extract.run import (
    measured_work,
    plan_command,
    sample,
)
from extract.run.plan_command import PlanRequest, run_plan
from seds_core.errors import UsageError

PIPELINES = """
pipelines:
  tiny:
    extract:
      rgb: {backbone: i3d, weights: bsl5k, clip_length: 9, max_clips: 5, frames: hands}
      pose: {model: demo, batch_size: 2}
      run: {decode_workers: 2}
"""


@pytest.fixture
def request_for(tmp_path, monkeypatch):
    """Makes requests for a pipeline of small networks, on the CPU."""
    monkeypatch.setattr(measured_work, "TIMED_RUNS", 1)
    monkeypatch.setitem(measured_work._MATRIX_SIDE, "cpu", 128)
    monkeypatch.setattr(measured_work, "CLIPS_ON_CPU", 1)
    monkeypatch.setenv("SEDS_CACHE", str(tmp_path / "empty"))
    pipelines = tmp_path / "tiny.yaml"
    pipelines.write_text(PIPELINES)

    def request_for(**options):
        return PlanRequest(pipelines, "tiny", device="cpu", as_json=True, **options)

    return request_for


@pytest.mark.mmpose
def test_a_plan_of_real_videos(request_for, tmp_path, capsys):
    for number, count in enumerate((20, 30, 40, 50)):
        numbered_video(tmp_path / f"{number}.mp4", count)
    lines = "".join(f"{number},{number}.mp4\n" for number in range(4))
    index = tmp_path / "index.csv"
    index.write_text(f"video_id,path\n{lines}")
    before = sorted(tmp_path.rglob("*"))
    assert run_plan(request_for(index=index, sample=2)) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["sample"]["lengths"] == [20, 40]
    assert values["counts"] == {"videos": 4, "frames": 120, "timeline_frames": 120, "clips": 20}
    assert values["leaves_out_frames"] is True
    assert values["is_drawn"] is False
    assert values["rgb"]["works"][0]["operations"] > 25e9
    assert 0 < values["rgb_hours"]["network"] < values["rgb_hours"]["in_all"] < 1
    hours = {gpu["gpu"]: gpu["rgb"] for gpu in values["gpus"]}
    assert hours["H100 SXM"] < hours["T4"] < values["rgb_hours"]["network"]
    assert values["downloads"] == ["weights 'bsl5k' of i3d"]
    assert sorted(tmp_path.rglob("*")) == before  # nothing written, nothing downloaded


@pytest.mark.mmpose
def test_a_plan_before_there_are_videos(request_for, capsys, works, monkeypatch):
    rgb, pose = works
    monkeypatch.setattr(sample, "NUM_FRAMES", 4)
    monkeypatch.setattr(plan_command, "rgb_work", lambda *_: rgb.works[0])
    monkeypatch.setattr(plan_command, "keypoint_work", lambda *_: pose.works[0])
    assert run_plan(request_for()) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["is_drawn"] is True
    assert values["hours_of_video"] == pytest.approx(1.0)
    assert values["disk"]["raw"] is None


def test_requests_that_contradict_themselves(request_for, tmp_path):
    with pytest.raises(UsageError, match="either with --videos or with --index"):
        run_plan(request_for(index=tmp_path / "index.csv", places=("videos",)))
    with pytest.raises(UsageError, match="--sample is 0"):
        run_plan(request_for(sample=0))


@pytest.mark.parametrize(
    ("content", "message"), [("video,path\n", "video_id"), ("video_id,path\n", "video")]
)
def test_a_wrong_index_is_told_before_anything_heavy_is_loaded(tmp_path, content, message):
    (tmp_path / "tiny.yaml").write_text(PIPELINES)
    (tmp_path / "index.csv").write_text(content)
    program = """
import sys
from pathlib import Path
from extract.run.plan_command import run_plan
from extract.run.plan_command import PlanRequest
try:
    run_plan(PlanRequest(Path("tiny.yaml"), "tiny", Path("index.csv")))
except ValueError as error:
    print(error)
assert "torch" not in sys.modules
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert message in ended.stdout
