import json

import pytest
from release_miniatures import HOW2SIGN_HEADER

from extract.interchange.caption_releases import read_how2sign
from extract.interchange.captions import Candidate


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
    assert [place.part for place in second.candidates[:-1]] == [{}, {}]
    assert [(f.kind, f.names) for f in read.findings] == [("without_box", ("-r_5-3-rgb_front",))]
