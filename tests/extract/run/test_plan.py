"""``seds-extract plan``: what it measures, what follows, and what it tells to type."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console
from video_files import numbered_video

from extract.run import measured_work, releases
from extract.run.plan import Machine, as_values, plan_tables, run_plan
from extract.run.releases import archives, steps
from extract.settings import ExtractSettings, RgbSettings, RunSettings
from seds_core.command_line import PIPELINE_FILE
from seds_core.errors import UsageError
from seds_core.pipeline_file import read_section

PIPELINES = """
pipelines:
  tiny:
    extract:
      rgb: {backbone: i3d, weights: bsl5k, clip_length: 9, max_clips: 5, frames: hands}
      pose: {model: demo, batch_size: 2}
      run: {decode_workers: 2}
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Plans for a pipeline of small networks, on the CPU."""
    monkeypatch.setattr(measured_work, "TIMED_RUNS", 1)
    monkeypatch.setitem(measured_work._MATRIX_SIDE, "cpu", 128)
    monkeypatch.setattr(measured_work, "CLIPS_ON_CPU", 1)
    monkeypatch.setenv("SEDS_CACHE", str(tmp_path / "empty"))
    pipelines = tmp_path / "tiny.yaml"
    pipelines.write_text(PIPELINES)

    def plan(**options):
        return run_plan("tiny", pipelines=pipelines, device="cpu", as_json=True, **options)

    return plan


@pytest.mark.mmpose
def test_a_plan_of_real_videos(plan, tmp_path, capsys):
    for number, count in enumerate((20, 30, 40, 50)):
        numbered_video(tmp_path / f"{number}.mp4", count)
    lines = "".join(f"{number},{number}.mp4\n" for number in range(4))
    index = tmp_path / "index.csv"
    index.write_text(f"video_id,path\n{lines}")
    before = sorted(tmp_path.rglob("*"))
    assert plan(index=index, sample=2) == 0
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
def test_a_plan_before_there_are_videos(plan, capsys, works, monkeypatch):
    rgb, pose = works
    monkeypatch.setattr(releases, "NUM_FRAMES", 4)
    monkeypatch.setattr(measured_work, "rgb_work", lambda *_: rgb.works[0])
    monkeypatch.setattr(measured_work, "keypoint_work", lambda *_: pose.works[0])
    assert plan() == 0
    values = json.loads(capsys.readouterr().out)
    assert values["is_drawn"] is True
    assert values["hours_of_video"] == pytest.approx(1.0)
    assert values["disk"]["raw"] is None


def test_requests_that_contradict_themselves(plan, tmp_path):
    with pytest.raises(UsageError, match="either with --videos or with --index"):
        plan(index=tmp_path / "index.csv", videos=("videos",))
    with pytest.raises(UsageError, match="--sample is 0"):
        plan(sample=0)


@pytest.mark.parametrize(
    ("content", "message"), [("video,path\n", "video_id"), ("video_id,path\n", "video")]
)
def test_a_wrong_index_is_told_before_anything_heavy_is_loaded(tmp_path, content, message):
    (tmp_path / "tiny.yaml").write_text(PIPELINES)
    (tmp_path / "index.csv").write_text(content)
    program = """
import sys
from pathlib import Path
from extract.run.plan import run_plan
try:
    run_plan("tiny", pipelines=Path("tiny.yaml"), index=Path("index.csv"))
except ValueError as error:
    print(error)
assert "torch" not in sys.modules
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert message in ended.stdout


def commands(pipeline, **options):
    settings = read_section(PIPELINE_FILE, pipeline, "extract", ExtractSettings)
    return [step.command for step in steps(pipeline, settings, **options)]


def words(commands):
    return [" ".join(command.split()[:2]) for command in commands]


@pytest.fixture
def index(tmp_path):
    path = tmp_path / "my signs.csv"
    path.write_text("video_id,path,crop\na,a.mp4,\n")
    return path


def test_from_the_download_to_the_score():
    found = commands("phoenix-2014t")
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
    train, score = commands("custom", index=index)[-2:]
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
    found = commands("csl-daily", index=index)
    assert words(found)[0] == "seds-extract pose"
    assert f"--index '{index}'" in found[0]


def test_videos_without_frames_left_out_need_no_pose_store():
    rgb = commands("custom", videos=("clips",))[2]
    assert "--pose" not in rgb


def test_recordings_need_to_know_where_the_signer_is(index):
    made = commands("how2sign", index=index)
    assert words(made)[0] == "seds-extract boxes"
    cropped = re.search(r"--out '([^']+)'", made[0])[1]
    assert f"--index '{cropped}'" in made[1]
    index.write_text('video_id,path,crop\na,a.mp4,"0,0,8,8"\n')
    assert words(commands("how2sign", index=index))[0] == "seds-extract pose"


def test_another_pipeline_file_is_named(tmp_path, index):
    other = tmp_path / "mine.yaml"
    other.write_text("pipelines: {tiny: {}}")
    found = steps("tiny", ExtractSettings(), index=index, pipelines=other)
    assert all(f"--pipelines {other}" in step.command for step in found[:3])
    assert "--pipelines" not in found[-1].command


def test_archives_of_a_published_set_are_named():
    assert archives("how2sign")[0].startswith("train_raw_videos")
    assert archives("tiny") == ()


def shown(plan):
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(plan_tables(plan))
    return " ".join(capture.get().split())


def test_a_person_sees_what_it_takes(make):
    text = shown(make())
    assert "Plan of pipeline how2sign: index.csv" in text
    assert "10 (2 of 10 looked into)" in text
    assert "about 640 clips" in text
    assert "disk, raw │ 3.0 GB" in text
    assert "│ both │ │ │ 34 min │" in text  # on this machine
    assert "H100 SXM" in text
    assert "video network 50%, keypoint model 50%" in text
    assert "100.0 ms a frame stay on one core" in text
    assert "seds-extract pose --out stores/[a].zarr" in text
    assert "an archive [1]" in text
    assert "drawn" not in text
    assert "upper bounds" not in text


def test_a_busy_machine_is_told(make):
    assert "busy" not in shown(make())
    machine = Machine("cpu", 2, is_cpu=True, load=7.3)
    assert "busy (load 7.3 on 2 cores)" in shown(make(machine=machine))


def test_what_is_not_known_is_said(make, sample):
    unknown = replace(sample, raw_bytes=None, num_unreadable=1)
    text = shown(make(ExtractSettings(rgb=RgbSettings(frames="hands")), sample=unknown))
    assert "disk, raw │ not known" in text
    assert "1 cannot be opened" in text
    assert "upper bounds" in text
    assert "measured on a drawn video" in shown(make(is_drawn=True))


def test_a_program_gets_everything(make):
    values = json.loads(json.dumps(as_values(make())))
    assert values["event"] == "plan"
    assert values["counts"]["clips"] == 640
    assert values["is_extrapolated"] is True
    assert values["rgb"]["rows_a_second"] == 0.5
    assert values["rgb"]["works"][0]["share_of_matrix_rate"] == 0.5
    assert values["gpus"][0]["gpu"] == "T4"
    assert values["assumptions"]["most_of_peak"]["float32"] == 0.5
    assert values["assumptions"]["peaks"][0]["source"].startswith("https://")
    assert values["steps"][0]["purpose"] == "keypoints"


def test_a_small_set_is_told_in_seconds_and_never_beyond_the_machine(make, sample):
    work = replace(make().rgb.works[0], seconds=1e-3, operations=2.5e9, matrix_rate=1e12)
    plan = make()
    plan = replace(plan, rgb=replace(plan.rgb, works=(work,)))
    assert work.fraction_of_matrix_rate == 2.5
    text = shown(plan)
    assert "video network 100%" in text
    assert "0.0 h" not in text


def test_counts_disk_and_hours_belong_together(make):
    plan = make()
    assert plan.counts.clips == 640
    assert plan.rgb_hours.network == pytest.approx(640 * 2.0 / 3600)
    assert plan.pose_hours.network == pytest.approx(1500 * 0.5 / 3600)
    assert plan.disk.rgb_store == 640 * (1024 * 4 + 8)
    assert plan.hours_of_video == pytest.approx(2500 / 25 / 3600)


def test_there_are_no_more_decoders_than_cores(make):
    settings = ExtractSettings(run=RunSettings(decode_workers=8))
    assert make(settings).workers == 2
    assert make(settings, machine=Machine("cuda", 16, is_cpu=False, load=0.0)).workers == 8
    alone = ExtractSettings(run=RunSettings(decode_workers=0))
    assert make(alone).workers == 1


def test_frames_without_hands_are_told(make):
    assert not make().leaves_out_frames
    assert make(ExtractSettings(rgb=RgbSettings(frames="hands"))).leaves_out_frames


def test_a_machine_with_other_work_is_busy():
    assert Machine("cpu", 2, is_cpu=True, load=1.5).is_busy
    assert not Machine("cpu", 16, is_cpu=True, load=1.5).is_busy
