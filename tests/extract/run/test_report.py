import json
from dataclasses import replace

from rich.console import Console

from extract.run.plan_command import Machine
from extract.run.plan_report import as_json, plan_tables
from extract.settings import ExtractSettings, RgbSettings


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
    values = json.loads(json.dumps(as_json(make())))
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
    assert work.share_of_matrix_rate == 2.5
    text = shown(plan)
    assert "video network 100%" in text
    assert "0.0 h" not in text
