import pytest

from extract.run.plan_command import Machine
from extract.settings import ExtractSettings, RgbSettings, RunSettings


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
