"""Caption files become an index of videos that exist, and a report of what does not fit."""

import json
import shutil
from pathlib import Path

import pytest
from release_miniatures import SENTENCES

from extract.interchange.captions import Candidate, Caption, CaptionFileError
from extract.interchange.captions_command import locate, run_captions, search
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


def run_table(table, out, **options):
    code = run_captions("table", table, out, **options)
    return code, {video.video_id: video for video in read_index(out)}


def table_of_words(folder, *, num_takes, has_test=False):
    """A table of ten words, each ``num_takes`` times, all with a file."""
    rows = ["video_id,split,text"]
    for word in range(10):
        for take in range(num_takes):
            rows.append(
                f"w{word}-{take},{'test' if has_test and not take else 'train'},word {word}"
            )
    videos = folder / "videos"
    videos.mkdir()
    for row in rows[1:]:
        (videos / f"{row.split(',')[0]}.mp4").touch()
    (folder / "t.csv").write_text("\n".join(rows) + "\n")
    return folder / "t.csv", videos


def test_videos_that_are_missing_do_not_validate(tmp_path, capsys):
    table, videos = table_of_words(tmp_path, num_takes=2)
    _, before = run_table(table, tmp_path / "a.csv", videos=videos)
    dev = {video.video_id for video in before.values() if video.split == "dev"}
    for name in dev:
        (videos / f"{name}.mp4").unlink()
    code, after = run_table(table, tmp_path / "b.csv", videos=videos)
    assert code == 3
    assert splits(after).count("dev") == 2
    assert after.keys() == before.keys() - dev


def test_a_split_whose_videos_are_all_missing_is_said_and_not_made_up(tmp_path, capsys):
    table, videos = table_of_words(tmp_path, num_takes=2)
    text = table.read_text().replace("w3-0,train", "w3-0,dev")
    table.write_text(text)
    (videos / "w3-0.mp4").unlink()
    _, indexed = run_table(table, tmp_path / "a.csv", videos=videos, as_json=True)
    assert set(splits(indexed)) == {"train"}
    kinds = [finding["kind"] for finding in json.loads(capsys.readouterr().out)["findings"]]
    assert "empty_split" in kinds


def test_a_train_and_test_split_of_ones_own_keeps_every_sentence_in_train(tmp_path, capsys):
    table, videos = table_of_words(tmp_path, num_takes=3, has_test=True)
    _, indexed = run_table(table, tmp_path / "a.csv", videos=videos)
    assert {v.text for v in indexed.values() if v.split == "train"} == {
        f"word {n}" for n in range(10)
    }
    assert splits(indexed).count("dev") >= 1
    assert "--dev-share 0" in capsys.readouterr().out
    _, indexed = run_table(table, tmp_path / "b.csv", videos=videos, dev_fraction=0.0)
    assert splits(indexed).count("dev") == 0


def test_lines_left_out_make_the_exit_code(tmp_path):
    (tmp_path / "t.csv").write_text('video_id,split,text\na,dev,x\nb,train,x\nc,train,"x\n')
    code, indexed = run_table(tmp_path / "t.csv", tmp_path / "i.csv")
    assert code == 3
    assert indexed.keys() == {"a", "b"}


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def caption(video_id, *candidates, split="test", path=None, columns=None):
    candidates = candidates or (Candidate(video_id),)
    return Caption(video_id, split, "Hi", "", candidates, path, columns or {})


def test_files_and_frame_folders_are_found_at_any_depth(tmp_path):
    file = touch(tmp_path / "deep/er/a.MP4")
    frame = touch(tmp_path / "frames/b/images0001.png")
    touch(tmp_path / "a.txt")
    touch(tmp_path / "other.mp4")
    (tmp_path / "c").mkdir()
    found = search(tmp_path, {"a", "b", "c"})
    assert found == {"a": [file], "b": [frame.parent]}


def test_links_are_followed_and_circles_end(tmp_path):
    touch(tmp_path / "disk/a.mp4")
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "link").symlink_to(tmp_path / "disk")
    (tmp_path / "disk/back").symlink_to(videos)
    assert search(videos, {"a"}) == {"a": [videos / "link/a.mp4"]}


def test_names_are_found_however_the_disk_spells_them(tmp_path):
    spelled = touch(tmp_path / "u\u0308.mp4")
    frame = touch(tmp_path / "u\u0308b/1.png")
    assert search(tmp_path, {"\u00fc", "\u00fcb"}) == {
        "\u00fc": [spelled],
        "\u00fcb": [frame.parent],
    }
    captions = [caption("x", path=tmp_path / "\u00fc.mp4")]
    assert [video.path for video in locate(captions, None, tmp_path)[0]] == [spelled]


def test_hidden_and_system_files_are_no_videos(tmp_path):
    for name in (".trash/a.mp4", "__MACOSX/a.mp4", "lost+found/a/1.png"):
        touch(tmp_path / name)
    (tmp_path / "a").symlink_to("a")
    assert search(tmp_path, {"a"}) == {}


def test_a_folder_that_is_none_is_named(tmp_path):
    with pytest.raises(CaptionFileError, match="gone, does not exist"):
        search(tmp_path / "gone", {"a"})


def test_the_best_candidate_is_taken_with_its_part(tmp_path):
    recording = touch(tmp_path / "r.mp4")
    clip = touch(tmp_path / "two.mp4")
    part = {"start": "1", "end": "2"}
    candidates = [(Candidate(name), Candidate("r", part)) for name in ("one", "two")]
    captions = [
        caption("one", *candidates[0], columns={"signer": ""}),
        caption("two", *candidates[1]),
    ]
    videos = locate(captions, tmp_path, tmp_path)[0]
    assert [(video.path, video.other) for video in videos] == [(recording, part), (clip, {})]


def test_of_equal_names_the_one_below_the_splits_folder_is_taken(tmp_path):
    for split in ("train", "val", "test"):
        touch(tmp_path / split / "a.mp4")
    for split, folder in (("dev", "val"), ("test", "test"), ("mine", "test")):
        (video,) = locate([caption("a", split=split)], tmp_path, tmp_path)[0]
        assert video.path.parent.name == folder


def test_missing_videos_are_left_out_and_named(tmp_path):
    touch(tmp_path / "a.mp4")
    videos, findings = locate([caption("a"), caption("b")], tmp_path, tmp_path)
    assert [video.video_id for video in videos] == ["a"]
    assert [(f.kind, f.names) for f in findings] == [("missing_video", ("b",))]


def test_not_one_video_is_an_error_that_says_what_was_looked_for(tmp_path):
    with pytest.raises(CaptionFileError, match="looked for as b or c, a frame folder"):
        locate([caption("b", Candidate("b"), Candidate("c"))], tmp_path, tmp_path)


def test_without_a_folder_the_releases_names_are_taken(tmp_path):
    part = {"start": "1", "end": "2"}
    videos, findings = locate([caption("a", Candidate("x"), Candidate("r", part))], None, tmp_path)
    assert [(v.path, v.other) for v in videos] == [(tmp_path / "r", part)]
    assert [finding.kind for finding in findings] == ["note"]


def test_paths_of_a_table_are_looked_at(tmp_path):
    there, gone = touch(tmp_path / "a.mp4"), tmp_path / "b.mp4"
    captions = [caption("a", path=there), caption("b", path=gone)]
    videos, findings = locate(captions, None, tmp_path)
    assert [video.path for video in videos] == [there]
    assert [(f.kind, f.names) for f in findings] == [("missing_video", ("b",))]
