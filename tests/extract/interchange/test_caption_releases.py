"""The caption files of each release are read as it writes them."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest
from release_miniatures import HOW2SIGN_HEADER
from shared_data import REPOSITORY, shared_path

from extract.interchange.caption_releases import (
    read_crops,
    read_csl_daily,
    read_how2sign,
    read_phoenix,
    read_published,
)
from extract.interchange.captions import Candidate, CaptionFileError


def write(folder, split, entries):
    path = folder / f"{split}.pkl"
    path.write_bytes(pickle.dumps(entries))
    return path


def entry(name, text="Rain.", **more):
    return {"video_name": name, "ori_text": "regen", "text": text, "num_frames": 3, **more}


def test_phoenix_entries_are_one_dictionary_each(tmp_path):
    path = write(tmp_path, "test", {"a-1": entry("a-1")})
    (caption,) = read_published(path).captions
    assert (caption.video_id, caption.split, caption.text) == ("a-1", "test", "Rain.")
    assert caption.columns["original_text"] == "regen"
    assert caption.columns["sentence_id"] == "a-1"
    assert caption.columns["signer"] == ""


def test_csl_entries_are_a_list_of_videos(tmp_path):
    videos = [entry("S000020_P0004_T00"), entry("S000020_P0009_T00")]
    captions = read_published(write(tmp_path, "train", {"S000020": videos})).captions
    assert [caption.columns["signer"] for caption in captions] == ["P0004", "P0009"]
    assert {caption.columns["sentence_id"] for caption in captions} == {"S000020"}


def test_how2sign_videos_have_their_official_name_and_the_other_as_alias(tmp_path):
    video = entry("-f-1-rgb_front_clip0", new_video_name="-f_2-1-rgb_front")
    read = read_published(write(tmp_path, "test", {"-f_2": [video]}))
    (caption,) = read.captions
    assert caption.video_id == "-f_2-1-rgb_front"
    assert caption.columns["alias"] == "-f-1-rgb_front_clip0"
    assert caption.columns["signer"] == "1"
    assert caption.candidates == (Candidate("-f-1-rgb_front_clip0"), Candidate("-f_2-1-rgb_front"))
    assert "captions how2sign" in read.findings[0].text


def test_training_videos_in_dev_are_dropped_and_named(tmp_path):
    train = {name: entry(name) for name in ("a", "b")}
    write(tmp_path, "train", train)
    dev = write(tmp_path, "dev", {**train, "c": entry("c")})
    read = read_published(tmp_path)
    assert [(c.video_id, c.split) for c in read.captions] == [
        ("a", "train"), ("b", "train"), ("c", "dev"),
    ]  # fmt: skip
    assert [finding.names for finding in read.findings] == [("a", "b")]
    assert read_published(dev) == read


def test_dev_alone_could_be_the_training_set(tmp_path):
    write(tmp_path, "dev", {"a": entry("a")})
    with pytest.raises(CaptionFileError, match=r"may repeat the training set.*train\.pkl"):
        read_published(tmp_path)


def test_entries_that_are_none_are_named(tmp_path):
    content = {"a": entry("a"), "b": "text", "c": [entry("c"), {"video_name": "d"}], "e": []}
    read = read_published(write(tmp_path, "test", content))
    assert [caption.video_id for caption in read.captions] == ["a", "c"]
    assert [name.split(":")[0] for name in read.findings[0].names] == [
        "test.pkl, entry 'b'",
        "test.pkl, entry 'c'",
    ]


@pytest.mark.parametrize("content", [[], {}, "x"])
def test_other_pickles_are_refused(tmp_path, content):
    with pytest.raises(CaptionFileError, match="is no caption file"):
        read_published(write(tmp_path, "test", content))


def test_a_pickle_that_runs_code_is_refused_by_name(tmp_path):
    (tmp_path / "test.pkl").write_bytes(b"cbuiltins\neval\n(S'1'\ntR.")
    with pytest.raises(CaptionFileError, match=r"builtins\.eval"):
        read_published(tmp_path)


COUNTING = """
import json, sys
from pathlib import Path
from extract.interchange.caption_releases import read_published
from extract.interchange.captions_command import count_splits
from extract.interchange.captions_command import locate
read = read_published(Path(sys.argv[1]))
videos, _ = locate(read.captions, None, Path())
print(json.dumps({
    "splits": {split: list(c.values()) for split, c in count_splits(videos).items()},
    "findings": [[finding.kind, len(finding.names)] for finding in read.findings],
    "signers": len({video.other.get("signer") for video in videos}),
}))
"""


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "splits", "findings", "signers"),
    [
        (
            "data_ph",
            {"train": [7096, 6827, 7096], "dev": [519, 507, 519], "test": [642, 630, 642]},
            [["note", 7096]],
            1,
        ),
        ("data_csl", {"train": [18401, 6573, 6598], "test": [1176, 798, 798]}, [], 10),
        ("data_h2", {"test": [2342, 1925, 1964]}, [["note", 0]], 6),
    ],
)
def test_the_published_files_have_the_published_numbers(name, splits, findings, signers):
    # In a process of its own: with every call checked, reading such pickles takes long.
    run = subprocess.run(
        [sys.executable, "-c", COUNTING, shared_path(f"published/{name}")],
        cwd=REPOSITORY, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(run.stdout) == {"splits": splits, "findings": findings, "signers": signers}


HEADER = "name|video|start|end|speaker|orth|translation\n"
LINE = 'a-1|a-1/1/*.png|-1|-1|Signer08|DRUCK TIEF|er sagt "tief über\n'


def corpus(folder, split, text):
    path = folder / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_becomes_a_caption_and_quotation_marks_are_text(tmp_path):
    corpus(tmp_path, "dev", HEADER + LINE)
    read = read_phoenix(tmp_path)
    (caption,) = read.captions
    assert (caption.video_id, caption.split, caption.text) == ("a-1", "dev", 'er sagt "tief über')
    assert caption.columns == {
        "language": "de", "signer": "Signer08", "sentence_id": "a-1", "gloss": "DRUCK TIEF",
    }  # fmt: skip
    assert read.findings == ()
    assert read.videos is None


def test_the_releases_own_frames_are_found_from_any_of_its_folders(tmp_path):
    path = corpus(tmp_path, "test", HEADER + LINE)
    frames = tmp_path / "features/fullFrame-210x260px"
    frames.mkdir(parents=True)
    for source in (tmp_path, path.parent, path):
        assert read_phoenix(source).videos == frames


def test_a_line_with_a_field_too_many_is_named(tmp_path):
    corpus(tmp_path, "train", HEADER + LINE + "b|b|-1|-1|s|x|y|z\n\n" + LINE.replace("a-1", "c"))
    read = read_phoenix(tmp_path)
    assert [caption.video_id for caption in read.captions] == ["a-1", "c"]
    (finding,) = read.findings
    assert finding.kind == "unreadable_line"
    expected = "PHOENIX-2014-T.train.corpus.csv, line 3: 8 fields, expected 7"
    assert finding.names == (expected,)


@pytest.mark.parametrize(
    ("text", "message"),
    [("name|video\n", "has no column start"), ("", "has no column name")],
)
def test_another_file_is_refused(tmp_path, text, message):
    corpus(tmp_path, "train", text)
    with pytest.raises(CaptionFileError, match=message):
        read_phoenix(tmp_path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(CaptionFileError, match=r"expected PHOENIX-2014-T\.train\.corpus\.csv"):
        read_phoenix(tmp_path)
    with pytest.raises(CaptionFileError, match="gone does not exist"):
        read_phoenix(tmp_path / "gone")


MAP = "index|name|length|gloss|char|word|postag\n"
LINES = (
    "0|S000020_P0004_T00|52|他 今年|他 今 年 4 岁 。|他 今年 4 岁 。|r n v\n"
    "1|S000007_P0003_T00|40|你|你 好|你好|r\n"
)
SPLITS = "name|split\nS000020_P0004_T00|test\nS000005_P0004_T00|train\n"


def write_labels(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def release(tmp_path):
    write_labels(tmp_path / "sentence_label", "video_map.txt", MAP + LINES)
    write_labels(tmp_path / "sentence_label", "split_1.txt", SPLITS)
    return tmp_path


def test_the_text_is_the_characters_joined(release):
    (caption,) = read_csl_daily(release).captions
    assert (caption.video_id, caption.split) == ("S000020_P0004_T00", "test")
    assert caption.text == "他今年4岁。"
    assert caption.columns == {
        "language": "zh", "signer": "P0004", "sentence_id": "S000020", "gloss": "他 今年",
    }  # fmt: skip


def test_what_stands_in_one_file_only_is_named(release):
    findings = {finding.kind: finding.names for finding in read_csl_daily(release).findings}
    assert findings == {
        "without_caption": ("S000005_P0004_T00",),
        "without_split": ("S000007_P0003_T00",),
    }


def test_frames_are_found_from_the_release_and_from_its_labels(release):
    assert read_csl_daily(release).videos is None
    frames = release / "sentence/frames_512x512"
    frames.mkdir(parents=True)
    for source in (release, release / "sentence_label", release / "sentence_label/video_map.txt"):
        assert read_csl_daily(source).videos == frames


def test_both_files_are_needed(release):
    (release / "sentence_label/split_1.txt").unlink()
    with pytest.raises(CaptionFileError, match=r"no split_1\.txt beside .*video_map\.txt"):
        read_csl_daily(release)


def line(number, start, end, text="Hi.", recording="-r", signer=3):
    name = f"{recording}-{signer}-rgb_front"
    sentence = f"{recording}_{number}"
    fields = (recording, name, sentence, f"{sentence}-{signer}-rgb_front", start, end, text)
    return "\t".join(map(str, fields))


def table(folder, *lines, key="test"):
    path = folder / f"how2sign_realigned_{key}.csv"
    path.write_text("\n".join((HOW2SIGN_HEADER, *lines)) + "\n", encoding="utf-8")
    return path


def aliases(read):
    return {caption.video_id: caption.columns["alias"] for caption in read.captions}


def test_a_sentence_is_a_clip_or_a_part_of_its_recording(tmp_path):
    (caption,) = read_how2sign(table(tmp_path, line(0, "7.270", "20.3"))).captions
    assert (caption.video_id, caption.split) == ("-r_0-3-rgb_front", "test")
    assert caption.columns == {
        "language": "en", "signer": "3", "sentence_id": "-r_0",
        "alias": "-r-3-rgb_front_clip0",
    }  # fmt: skip
    assert caption.candidates == (
        Candidate("-r-3-rgb_front_clip0"),
        Candidate("-r_0-3-rgb_front"),
        Candidate("-r-3-rgb_front", {"start": "7.270", "end": "20.3"}),
    )


def test_quoted_sentences_lose_their_quotation_marks(tmp_path):
    text = '"You just decide, ""You know what?"'
    (caption,) = read_how2sign(table(tmp_path, line(0, 1, 2, text))).captions
    assert caption.text == 'You just decide, "You know what?'


def test_a_forgotten_quotation_mark_is_text_and_named(tmp_path):
    read = read_how2sign(table(tmp_path, line(0, 1, 2, '"open'), line(1, 2, 3, "kept")))
    assert [caption.text for caption in read.captions] == ['"open', "kept"]
    (finding,) = read.findings
    assert (finding.kind, finding.names) == (
        "odd_quotes", ("how2sign_realigned_test.csv, line 2",),
    )  # fmt: skip


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_tables_that_a_spreadsheet_saved_again_are_read(tmp_path, delimiter):
    text = '"First, we look; then ""go"""'
    rows = [HOW2SIGN_HEADER, line(0, "7,270" if delimiter == ";" else "7.270", "20.3", text)]
    path = tmp_path / "how2sign_realigned_test.csv"
    path.write_text("\r\n".join(row.replace("\t", delimiter) for row in rows), encoding="utf-8")
    (caption,) = read_how2sign(path).captions
    assert caption.text == 'First, we look; then "go"'
    assert caption.candidates[-1].part == {"start": "7.270", "end": "20.3"}


def test_published_names_number_a_recordings_sentences_by_start_even_skipped_ones(tmp_path):
    read = read_how2sign(
        table(
            tmp_path,
            line(0, 0.2, 1), line(2, 14.2, 15), line(1, 9, 9), line(10, 77.5, 79.6),
            line(3, 8.9, 9.5), line(4, 14.2, 20), line(0, 5, 6, recording="-q"),
        )
    )  # fmt: skip
    assert aliases(read) == {
        "-r_0-3-rgb_front": "-r-3-rgb_front_clip0",
        "-r_3-3-rgb_front": "-r-3-rgb_front_clip1",
        "-r_2-3-rgb_front": "-r-3-rgb_front_clip3",
        "-r_4-3-rgb_front": "-r-3-rgb_front_clip4",
        "-r_10-3-rgb_front": "-r-3-rgb_front_clip5",
        "-q_0-3-rgb_front": "-q-3-rgb_front_clip0",
    }
    (finding,) = read.findings
    assert finding.kind == "unreadable_line"
    assert "the part from '9' to '9' s" in finding.names[0]


@pytest.mark.parametrize("times", [("x", 2), (1, "nan"), (-1, 2), (3, 2), (1, "inf")])
def test_times_that_are_none_are_named(tmp_path, times):
    read = read_how2sign(table(tmp_path, line(0, *times), line(1, 1, 2)))
    assert aliases(read).keys() == {"-r_1-3-rgb_front"}
    assert "expected seconds" in read.findings[0].names[0]


def test_val_is_the_dev_split(tmp_path):
    table(tmp_path, line(0, 1, 2), key="val")
    assert [caption.split for caption in read_how2sign(tmp_path).captions] == ["dev"]


def test_tables_are_found_where_the_release_puts_them(tmp_path):
    for key in ("val", "test"):
        folder = tmp_path / "english_translation" / key
        folder.mkdir(parents=True)
        table(folder, line(0, 1, 2, recording=key), key=key)
    assert len(read_how2sign(tmp_path).captions) == 2


def test_boxes_crop_the_recording_and_missing_ones_are_named(tmp_path):
    boxes = tmp_path / "boxes.json"
    box = {"x1": 10, "y1": 20, "x2": 710, "y2": 720, "w": 700, "h": 700}
    boxes.write_text(json.dumps({"-r-3-rgb_front_clip1.mp4": box}))
    read = read_how2sign(table(tmp_path, line(5, 1, 2), line(4, 2, 3)), [boxes])
    first, second = read.captions
    assert "crop" not in first.candidates[-1].part
    part = second.candidates[-1].part
    assert (part["crop"], part["size"]) == ("10,20,700,700", "256x256")
    assert [candidate.part for candidate in second.candidates[:-1]] == [{}, {}]
    assert [(f.kind, f.names) for f in read.findings] == [("without_box", ("-r_5-3-rgb_front",))]


BOX = {"x1": 10, "y1": 20, "x2": 110, "y2": 220, "w": 100, "h": 200}


def pickled(path, content):
    path.write_bytes(pickle.dumps(content))
    return path


def test_pickles_and_json_are_read_together(tmp_path):
    one = pickled(tmp_path / "a.pkl", {"a_clip0.mp4": {**BOX, "x1": np.int64(11)}})
    other = tmp_path / "b.json"
    other.write_text(json.dumps({"b_clip0.mp4": BOX}))
    assert read_crops([one, other]) == {"a_clip0": "11,20,100,200", "b_clip0": "10,20,100,200"}


def test_what_lies_outside_the_image_is_cut_off(tmp_path):
    boxes = pickled(tmp_path / "a.pkl", {"a.mp4": {**BOX, "x1": -30, "y1": -5}})
    assert read_crops([boxes]) == {"a": "0,0,70,195"}


@pytest.mark.parametrize("box", [{"x1": 1}, [1, 2, 3, 4], {**BOX, "w": 0}, {**BOX, "h": "x"}])
def test_a_box_that_is_none_is_named(tmp_path, box):
    with pytest.raises(CaptionFileError, match=r"the box of 'a\.mp4' is .*; expected x1, y1"):
        read_crops([pickled(tmp_path / "a.pkl", {"a.mp4": box})])


def test_files_without_boxes_are_refused(tmp_path):
    with pytest.raises(CaptionFileError, match="has no person boxes"):
        read_crops([pickled(tmp_path / "a.pkl", [BOX])])
    with pytest.raises(CaptionFileError, match="does not exist"):
        read_crops([tmp_path / "gone.pkl"])
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(CaptionFileError, match="is no JSON"):
        read_crops([tmp_path / "b.json"])


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    path = tmp_path / "bad.pkl"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(CaptionFileError, match=r"os\.system"):
        read_crops([path])
