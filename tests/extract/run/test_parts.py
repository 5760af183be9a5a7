"""Parts of one recording go through a run like videos of their own."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from finished_videos import RGB
from mean_stream import MeanStream, write_pipeline

from extract.inspection import verify
from extract.inspection.pictures import FILM_WIDTH, write_pictures
from extract.run import command
from extract.videos.frame_source import VideoFile
from extract.videos.part import Crop, VideoPart
from seds_core.store.reader import StoreReader

FIRST = VideoPart(0.2, 1.0, Crop(8, 0, 60, 32), (32, 16))
SECOND = VideoPart(0.8, 1.4)

STREAM = MeanStream(replace(RGB, timeline=replace(RGB.timeline, max_frames=30)))


@pytest.fixture
def recording(corpus):
    return corpus.path("video5")  # 45 frames of 64 x 48, 25 a second


@pytest.fixture
def run(recording, tmp_path, monkeypatch, capsys):
    """Extracts the parts that are given by id; gives the exit code and the last event."""

    def run(parts, **options):
        for module in (command, verify):
            monkeypatch.setattr(module, "load_stream", lambda *_, **__: STREAM)
        monkeypatch.setattr(command, "known_provenance", lambda *_: STREAM.provenance)
        index = write_index(tmp_path / "parts.csv", recording, parts)
        pipelines = write_pipeline(tmp_path)
        code = command.extract(
            "rgb",
            tmp_path / "rgb.zarr",
            index=index,
            pipeline="tiny",
            pipeline_file=pipelines,
            as_json=True,
            **options,
        )
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


def write_index(path, recording, parts):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("video_id", "path", "start", "end", "crop", "size"))
        for video_id, part in parts.items():
            size = f"{part.size[0]}x{part.size[1]}" if part.size else ""
            writer.writerow((video_id, recording, part.start, part.end, part.crop or "", size))
    return path


def test_two_parts_of_one_recording(run, recording, tmp_path):
    code, summary = run({"first": FIRST, "second": SECOND})
    assert (code, summary["finished"], summary["frames"]) == (0, 2, 21 + 16)
    store = StoreReader(tmp_path / "rgb.zarr")
    first, second = store.videos["first"], store.videos["second"]
    assert (first.num_frames, first.width, first.height) == (21, 32, 16)
    assert (second.num_frames, second.width, second.height) == (16, 64, 48)
    assert first.path == f"{recording}#t=0.2,1&xywh=pixel:8,0,60,32&size=32x16"
    assert second.path == f"{recording}#t=0.8,1.4"
    assert first.content_hash != second.content_hash
    whole = np.float32([frame.mean(axis=(0, 1)) for frame in VideoFile(recording).frames()])
    rows = store.rows("second")
    np.testing.assert_allclose(rows["features"][:, :3], whole[20:36], rtol=1e-5)
    assert rows["first_frame"].tolist() == list(range(16))
    assert run({"first": FIRST, "second": SECOND})[1]["already_there"] == 2


def test_another_time_or_crop_is_another_video(run, tmp_path):
    run({"first": FIRST, "second": SECOND})
    _, summary = run({"first": FIRST, "second": VideoPart(0.8, 1.6)})
    assert (summary["finished"], summary["already_there"]) == (1, 1)
    _, summary = run({"first": replace(FIRST, crop=Crop(9, 0, 60, 32))})
    assert summary["finished"] == 1
    assert StoreReader(tmp_path / "rgb.zarr").videos["second"].num_frames == 21


def test_a_part_that_is_not_there_costs_only_itself(run, recording):
    code, summary = run({"late": VideoPart(9.0, 10.0), "first": FIRST})
    assert (code, summary["finished"]) == (3, 1)
    [failure] = summary["failed"]
    assert (failure["video_id"], failure["path"]) == ("late", f"{recording}#t=9,10")
    assert failure["reason"] == "the part begins at 9 s, the recording has 45 frames, 1.80 s"


def test_a_dry_run_counts_the_frames_of_parts(run):
    parts = {"first": FIRST, "second": SECOND, "late": VideoPart(9.0, 10.0)}
    _, summary = run(parts, dry_run=True)
    assert (summary["missing"], summary["unreadable"], summary["frames"]) == (3, 1, 21 + 16)


def test_parts_are_verified_and_shown_as_they_were_extracted(run, tmp_path):
    run({"first": FIRST, "second": SECOND})
    store = StoreReader(tmp_path / "rgb.zarr")
    verification = verify.verify_store(store.path, sample=2, device="cpu")
    assert (verification.problems, verification.num_sampled) == ((), 2)
    *_, film = write_pictures((store.path,), "first", tmp_path / "sheet.png", with_film=True)
    shown = VideoFile(film)
    assert shown.properties.width == FILM_WIDTH
    assert FILM_WIDTH // 2 <= shown.properties.height < FILM_WIDTH  # 32x16, and the clip bar
    assert len(list(shown.frames())) == 21
