import json
import shutil
from pathlib import Path

import pytest
from release_miniatures import SENTENCES

from extract.interchange.captions_command import run_captions
from seds_core.dataset_index import read_index
from seds_core.errors import UsageError


def run(release, source, out, **options):
    code = run_captions(release, source, out, **options)
    return code, {video.video_id: video for video in read_index(out)}


def splits(videos):
    return [video.split for video in videos.values()]


@pytest.mark.parametrize(
    ("release", "source", "videos", "expected"),
    [
        ("published", "data_ph", "PHOENIX-2014-T", {"train": 4, "dev": 2, "test": 2}),
        ("phoenix-2014t", "PHOENIX-2014-T", None, {"train": 4, "dev": 2, "test": 2}),
        ("published", "data_csl", "CSL-Daily", {"train": 4, "dev": 1, "test": 2}),
        ("csl-daily", "CSL-Daily", None, {"train": 5, "dev": 2, "test": 2}),
        ("how2sign", "realigned", "raw_videos", {"train": 4, "dev": 2, "test": 2}),
    ],
)
def test_every_release_becomes_an_index_of_videos_that_exist(
    releases, release, source, videos, expected, tmp_path
):
    folder = releases / videos if videos else None
    code, indexed = run(release, releases / source, tmp_path / "index.csv", videos=folder)
    assert code == 0
    assert {split: splits(indexed).count(split) for split in expected} == expected
    assert len(indexed) == sum(expected.values())
    assert all(video.path.exists() for video in indexed.values())
    languages = {"phoenix-2014t": "de", "csl-daily": "zh"}
    assert {v.other["language"] for v in indexed.values()} == {languages.get(release, "en")}
    texts = {text for s in SENTENCES for text in (s.english, s.german, s.chinese)}
    assert {video.text for video in indexed.values()} <= texts


def test_how2sign_is_cut_out_of_its_recordings_and_cropped(releases, tmp_path):
    boxes = tuple(releases / f"bounding_box_coco_{split}.pkl" for split in ("train", "test"))
    _, indexed = run(
        "how2sign", releases / "realigned", tmp_path / "i.csv",
        videos=releases / "raw_videos", boxes=boxes,
    )  # fmt: skip
    video = indexed["-test_1-3-rgb_front"]
    assert video.path == releases / "raw_videos/test/-test-3-rgb_front.mp4"
    assert video.other == {
        "language": "en", "signer": "3", "sentence_id": "-test_1",
        "alias": "-test-3-rgb_front_clip1", "start": "1.04", "end": "2.00",
        "crop": "70,0,180,180", "size": "256x256",
    }  # fmt: skip
    assert indexed["-val_0-2-rgb_front"].other["crop"] == ""


def test_published_and_own_captions_of_a_video_agree(releases, tmp_path):
    for published, release, source in (
        ("data_ph", "phoenix-2014t", "PHOENIX-2014-T"),
        ("data_csl", "csl-daily", "CSL-Daily"),
        ("data_h2", "how2sign", "realigned"),
    ):
        _, english = run("published", releases / published, tmp_path / "a.csv")
        _, own = run(release, releases / source, tmp_path / "b.csv")
        assert english.keys() <= own.keys()
        for name, video in english.items():
            assert own[name].text == video.other.get("original_text", video.text)
            assert own[name].other["sentence_id"] == video.other["sentence_id"]
            assert own[name].other.get("alias") == video.other.get("alias")


def test_the_report_names_all_that_does_not_fit(releases, tmp_path, capsys):
    frames = tmp_path / "frames"
    shutil.copytree(releases / "CSL-Daily/sentence/frames_512x512", frames)
    shutil.rmtree(frames / "S000006_P0000_T00")
    report = tmp_path / "out/report.json"
    code, indexed = run(
        "csl-daily", releases / "CSL-Daily", tmp_path / "i.csv", videos=frames, report=report,
        max_tokens=6,
    )  # fmt: skip
    assert code == 3
    assert "S000006_P0000_T00" not in indexed
    written = json.loads(report.read_text(encoding="utf-8"))
    assert written["splits"]["train"] == {"videos": 5, "sentences": 4, "entries": 4}
    findings = {finding["kind"]: finding["names"] for finding in written["findings"]}
    assert findings["missing_video"] == ["S000006_P0000_T00"]
    assert findings["without_caption"] == ["S000005_P0004_T00"]
    assert findings["without_split"] == ["S000007_P0003_T00"]
    assert findings["long_caption"]
    shown = capsys.readouterr().out
    assert "S000006_P0000_T00" in shown
    assert "S000007_P0003_T00" in shown


def test_json_is_one_object_on_standard_output(tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("video_id,split,text\na,train,[b]:apple:\nb,test,\na,train,x\n")
    code, indexed = run("table", table, tmp_path / "i.csv", as_json=True)
    assert code == 0
    assert indexed.keys() == {"a"}
    report = json.loads(capsys.readouterr().out)
    kinds = {finding["kind"]: finding["names"] for finding in report["findings"]}
    assert kinds["duplicate_id"] == ["a (t.csv, line 2; again in t.csv, line 4)"]
    assert kinds["empty_caption"] == ["b (t.csv, line 3)"]
    assert report["splits"] == {"train": {"videos": 1, "sentences": 1, "entries": 1}}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"boxes": (Path("b.pkl"),)}, "go with how2sign"),
        ({"release": "published", "language": "en"}, "goes with a table"),
        ({"dev_fraction": 1.0}, "from 0 to 1"),
        ({"max_tokens": 1}, "expected 2"),
        ({"report": "t.csv/report.json"}, "cannot be written"),
    ],
)
def test_options_that_cannot_be_are_refused(tmp_path, options, message):
    (tmp_path / "t.csv").write_text("video_id,text\na,x\n")
    options = dict(options)
    if "report" in options:
        options["report"] = tmp_path / options["report"]
    release = options.pop("release", "table")
    with pytest.raises(UsageError, match=message):
        run(release, tmp_path / "t.csv", tmp_path / "i.csv", **options)


def test_captions_of_nothing_write_nothing(tmp_path):
    (tmp_path / "t.csv").write_text("video_id,text\na,\n")
    with pytest.raises(UsageError, match="no caption that can be used"):
        run("table", tmp_path / "t.csv", tmp_path / "i.csv")
    assert not (tmp_path / "i.csv").exists()
