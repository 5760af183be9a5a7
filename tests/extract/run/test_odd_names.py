"""Names of files that are odd cost nobody else anything, from the listing to the store."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from mean_stream import MeanStream, write_pipeline
from PIL import Image

from extract.inspection.info import describe
from extract.run import command
from extract.videos.part import read_part_name
from seds_core.store.reader import StoreReader


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Extracts what lies in a folder; gives the exit code, the last event and all of them."""

    def run(*places):
        stream = MeanStream()
        monkeypatch.setattr(command, "load_stream", lambda *_: stream)
        monkeypatch.setattr(command, "known_provenance", lambda *_: stream.provenance)
        store = tmp_path / "rgb.zarr"
        pipeline = write_pipeline(tmp_path)
        names = tuple(map(str, places))
        code = command.extract(
            "rgb",
            store,
            videos=names,
            pipeline="tiny",
            pipeline_file=pipeline,
            as_json=True,
        )
        events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return code, events[-1], events

    return run


def test_what_is_wrong_with_a_name_is_a_failure_of_its_video(run, corpus, tmp_path):
    folder = corpus.folder
    for video_id in corpus.ids[2:]:
        corpus.path(video_id).unlink()
    corpus.path("video1").rename(Path(os.fsdecode(os.fsencode(folder) + b"/hallo-\xfc.mp4")))
    for name in ("twice.mp4", "twice.webm"):
        (folder / name).write_bytes(corpus.path("video0").read_bytes())
    for _ in range(2):  # what is recorded does not stop the next run
        code, summary, _ = run(folder)
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
    code, summary, _ = run(odd)
    assert (code, summary["finished"]) == (0, 6)
    entry = StoreReader(tmp_path / "rgb.zarr").videos["video3"]
    assert read_part_name(entry.path)[0] == odd / "video3.mp4"
    code, summary, _ = run(odd)
    assert (code, summary["already_there"]) == (0, 6)


def test_gaps_in_a_folder_of_frames_are_told_once(run, tmp_path):
    folder = tmp_path / "frames/v"
    folder.mkdir(parents=True)
    for number in (1, 2, 3, 6):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / f"{number}.png")
    code, summary, events = run(tmp_path / "frames")
    assert (code, summary["finished"], summary["frames"]) == (0, 1, 4)
    [noted] = [event for event in events if event["event"] == "noted"]
    assert noted["video_id"] == "v"
    assert "(4, 5)" in noted["note"]
