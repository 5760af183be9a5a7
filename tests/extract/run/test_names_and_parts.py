"""Odd names of files, and parts of recordings, from the listing to the store."""

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from finished_videos import RGB
from mean_stream import MeanStream
from PIL import Image

from extract.inspection import verify
from extract.inspection.info import describe
from extract.inspection.pictures import FILM_WIDTH, write_pictures
from extract.videos.frame_source import VideoFile
from extract.videos.part import Crop, VideoPart, read_part_name
from seds_core.store.reader import StoreReader

FIRST = VideoPart(0.2, 1.0, Crop(8, 0, 60, 32), (32, 16))
SECOND = VideoPart(0.8, 1.4)

STREAM = MeanStream(replace(RGB, timeline=replace(RGB.timeline, max_frames=30)))


@pytest.fixture
def recording(corpus):
    return corpus.path("video5")  # 45 frames of 64 x 48, 25 a second


@pytest.fixture
def run_parts(run, recording, tmp_path, monkeypatch):
    """Extracts the parts that are given by id."""
    monkeypatch.setattr(verify, "load_stream", lambda *_, **__: STREAM)

    def run_parts(parts, **options):
        index = write_index(tmp_path / "parts.csv", recording, parts)
        return run(STREAM, index=index, **options)

    return run_parts


def write_index(path, recording, parts):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("video_id", "path", "start", "end", "crop", "size"))
        for video_id, part in parts.items():
            size = f"{part.size[0]}x{part.size[1]}" if part.size else ""
            writer.writerow((video_id, recording, part.start, part.end, part.crop or "", size))
    return path


def test_two_parts_of_one_recording(run_parts, recording, tmp_path):
    code, summary = run_parts({"first": FIRST, "second": SECOND})
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
    assert run_parts({"first": FIRST, "second": SECOND})[1]["already_there"] == 2


def test_another_time_or_crop_is_another_video(run_parts, tmp_path):
    run_parts({"first": FIRST, "second": SECOND})
    _, summary = run_parts({"first": FIRST, "second": VideoPart(0.8, 1.6)})
    assert (summary["finished"], summary["already_there"]) == (1, 1)
    _, summary = run_parts({"first": replace(FIRST, crop=Crop(9, 0, 60, 32))})
    assert summary["finished"] == 1
    assert StoreReader(tmp_path / "rgb.zarr").videos["second"].num_frames == 21


def test_a_part_that_is_not_there_costs_only_itself(run_parts, recording):
    code, summary = run_parts({"late": VideoPart(9.0, 10.0), "first": FIRST})
    assert (code, summary["finished"]) == (3, 1)
    [failure] = summary["failed"]
    assert (failure["video_id"], failure["path"]) == ("late", f"{recording}#t=9,10")
    assert failure["reason"] == "the part begins at 9 s, the recording has 45 frames, 1.80 s"


def test_a_dry_run_counts_the_frames_of_parts(run_parts):
    parts = {"first": FIRST, "second": SECOND, "late": VideoPart(9.0, 10.0)}
    _, summary = run_parts(parts, dry_run=True)
    assert (summary["missing"], summary["unreadable"], summary["frames"]) == (3, 1, 21 + 16)


def test_parts_are_verified_and_shown_as_they_were_extracted(run_parts, tmp_path):
    run_parts({"first": FIRST, "second": SECOND})
    store = StoreReader(tmp_path / "rgb.zarr")
    verification = verify.verify_store(store.place.path, sample=2, device="cpu")
    assert (verification.problems, verification.num_sampled) == ((), 2)
    *_, film = write_pictures((store.place.path,), "first", tmp_path / "sheet.png", with_film=True)
    shown = VideoFile(film)
    assert shown.properties.width == FILM_WIDTH
    assert FILM_WIDTH // 2 <= shown.properties.height < FILM_WIDTH  # 32x16, and the clip bar
    assert len(list(shown.frames())) == 21


def test_what_is_wrong_with_a_name_is_a_failure_of_its_video(run, corpus, tmp_path):
    folder = corpus.folder
    for video_id in corpus.ids[2:]:
        corpus.path(video_id).unlink()
    corpus.path("video1").rename(Path(os.fsdecode(os.fsencode(folder) + b"/hallo-\xfc.mp4")))
    for name in ("twice.mp4", "twice.webm"):
        (folder / name).write_bytes(corpus.path("video0").read_bytes())
    for _ in range(2):  # what is recorded does not stop the next run
        code, summary = run(videos=(str(folder),), index=None)
        assert code == 3
        reasons = {failure["video_id"]: failure["reason"] for failure in summary["failed"]}
        assert list(reasons) == ["hallo-\\xfc", "twice"]
        assert "UTF-8" in reasons["hallo-\\xfc"]
        assert "twice.webm" in reasons["twice"]
    assert (summary["already_there"], summary["finished"]) == (1, 0)
    store = StoreReader(tmp_path / "rgb.zarr")
    assert list(store.videos) == ["video0"]
    assert describe(store)["failures"] == reasons
    json.dumps(describe(store)).encode()


def test_a_folder_above_may_have_any_name(run, corpus, tmp_path):
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xfc %41#t=1"))
    corpus.folder.rename(odd)
    code, summary = run(videos=(str(odd),), index=None)
    assert (code, summary["finished"]) == (0, 6)
    entry = StoreReader(tmp_path / "rgb.zarr").videos["video3"]
    assert read_part_name(entry.path)[0] == odd / "video3.mp4"
    code, summary = run(videos=(str(odd),), index=None)
    assert (code, summary["already_there"]) == (0, 6)


def test_gaps_in_a_folder_of_frames_are_told_once(run, tmp_path):
    folder = tmp_path / "frames/v"
    folder.mkdir(parents=True)
    for number in (1, 2, 3, 6):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f"{number}.png")
    code, summary = run(videos=(str(tmp_path / "frames"),), index=None)
    assert (code, summary["finished"], summary["frames"]) == (0, 1, 4)
    [noted] = [event for event in run.events if event["event"] == "noted"]
    assert noted["video_id"] == "v"
    assert "(4, 5)" in noted["note"]
