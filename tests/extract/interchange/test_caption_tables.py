"""A table of the user's own, as CSV or JSON, becomes captions."""

import json

import pytest

from extract.interchange.captions import CaptionFileError, read_table


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def shown(read):
    return [(c.video_id, c.split, c.text) for c in read.captions]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_header_tells_the_delimiter(tmp_path, delimiter):
    rows = [("video_id", "split", "text"), ("a", "val", '"Hello,\n ""you"""'), ("b", "test", "No")]
    text = "\n".join(delimiter.join(row) for row in rows) + "\n"
    read = read_table(write(tmp_path, "t.csv", "\ufeff" + text), None, None)
    assert shown(read) == [("a", "dev", 'Hello, "you"'), ("b", "test", "No")]


def test_paths_start_at_the_table_or_at_the_videos_and_give_ids(tmp_path):
    table = write(tmp_path, "t.csv", "path,text\nv/a.mp4,Hello\n")
    (caption,) = read_table(table, None, None).captions
    assert (caption.video_id, caption.path) == ("a", tmp_path / "v/a.mp4")
    (caption,) = read_table(table, tmp_path / "w", None).captions
    assert caption.path == tmp_path / "w/v/a.mp4"


def test_known_columns_are_taken_over_and_others_named(tmp_path):
    text = 'video_id,text,signer,start,crop,mood,language\na,Hi,s1,2.5,"1,2,3,4",sad,\n'
    read = read_table(write(tmp_path, "t.csv", text), None, "en")
    (caption,) = read.captions
    assert caption.columns == {"language": "en", "signer": "s1"}
    assert caption.candidates[0].part == {"start": "2.5", "crop": "1,2,3,4"}
    assert [(f.text, f.names) for f in read.findings] == [
        ("columns that are not copied", ("mood",)),
        ("the table has no column split: all its videos train", ()),
    ]


def test_json_lines_are_read_and_bad_ones_named(tmp_path):
    text = (
        '{"video_id": 7, "text": "Hi", "split": "test", "signer": null}\n\n'
        '[1]\n{"text": "no id"}\nnot json\n'
    )
    read = read_table(write(tmp_path, "t.jsonl", text), None, None)
    assert shown(read) == [("7", "test", "Hi")]
    assert sorted(name.split(":")[0] for name in read.findings[-1].names) == [
        "t.jsonl, line 3", "t.jsonl, line 4", "t.jsonl, line 5",
    ]  # fmt: skip


@pytest.mark.parametrize("indent", [None, 2])
def test_a_json_array_of_objects_is_read(tmp_path, indent):
    entries = [
        {"Video_ID": "a", "Text": "Hi\nyou", "start": 1.5, "end": "0:02"},
        {"video_id": "b", "text": "No", "tags": ["x"]},
        "text",
    ]
    path = write(tmp_path, "t.json", json.dumps(entries, indent=indent))
    read = read_table(path, None, None)
    assert shown(read) == [("a", "train", "Hi you"), ("b", "train", "No")]
    assert read.captions[0].candidates[0].part == {"start": "1.5", "end": "2"}
    (unreadable,) = (f.names for f in read.findings if f.kind == "unreadable_line")
    assert [name.split(":")[0] for name in unreadable] == ["t.json, entry 3"]


@pytest.mark.parametrize("text", ['["a", "b"]', '{"a": 1}', "3", "true", r'"\ud800"'])
def test_json_that_is_no_text_is_refused_by_line(tmp_path, text):
    lines = f'{{"video_id": "a", "text": {text}}}\n{{"video_id": "b", "text": "Hi"}}\n'
    read = read_table(write(tmp_path, "t.jsonl", lines), None, None)
    assert shown(read) == [("b", "train", "Hi")]
    (name,) = read.findings[-1].names
    assert name.startswith("t.jsonl, line 1: text ")


@pytest.mark.parametrize("text", ["[", '[{"text": "x"}] 1', "[" * 10**5])
def test_a_torn_json_array_is_refused(tmp_path, text):
    with pytest.raises(CaptionFileError, match=r"t\.json is no JSON array"):
        read_table(write(tmp_path, "t.json", text), None, None)


def test_columns_are_found_and_splits_named_whatever_their_case(tmp_path):
    text = "Video_ID;SPLIT;Text;Signer\na;Val;Hello;s1\nb;TEST;No;\nc;Mine;x;\n"
    read = read_table(write(tmp_path, "t.csv", text), None, None)
    assert shown(read) == [("a", "dev", "Hello"), ("b", "test", "No"), ("c", "Mine", "x")]
    assert read.captions[0].columns["signer"] == "s1"


def test_clock_times_become_seconds_and_what_is_no_part_is_named(tmp_path):
    rows = ["a,0:01:02.50,01:03", 'b,"1,5",2', "c,1.50,", "d,2,1", "e,x,1", "f,00:00:01:12,2"]
    table = "video_id,start,end,text\n" + "".join(f"{row},Hi\n" for row in rows)
    read = read_table(write(tmp_path, "t.csv", table), None, None)
    assert {c.video_id: c.candidates[0].part for c in read.captions} == {
        "a": {"start": "62.50", "end": "63"},
        "b": {"start": "1.5", "end": "2"},
        "c": {"start": "1.50", "end": ""},
    }
    (unreadable,) = (f.names for f in read.findings if f.kind == "unreadable_line")
    assert [name.split(":")[0] for name in unreadable] == [
        "t.csv, line 5", "t.csv, line 6", "t.csv, line 7",
    ]  # fmt: skip


def test_a_stray_quotation_mark_is_text_between_tabs_and_named(tmp_path):
    text = 'video_id\tsplit\ttext\na\ttest\t"Wait, she\nb\tdev\tHi\n'
    read = read_table(write(tmp_path, "t.tsv", text), None, None)
    assert shown(read) == [("a", "test", '"Wait, she'), ("b", "dev", "Hi")]
    assert [(f.kind, f.names) for f in read.findings] == [("odd_quotes", ("t.tsv, line 2",))]


def test_a_line_with_too_few_or_too_many_fields_is_named(tmp_path):
    text = "video_id,split,text\na,test\nb,test,Hi,there\nc,test,Hi\n"
    read = read_table(write(tmp_path, "t.csv", text), None, None)
    assert shown(read) == [("c", "test", "Hi")]
    assert [name.split(":")[0] for name in read.findings[0].names] == [
        "t.csv, line 2", "t.csv, line 3",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["", "id,sentence\na,b\n", "video_id,text\n"])
def test_a_table_without_captions_is_refused(tmp_path, text):
    with pytest.raises(CaptionFileError, match="expected the columns text and video_id or path"):
        read_table(write(tmp_path, "t.csv", text), None, None)


def test_another_encoding_is_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("video_id,text\na,ä\n".encode("latin-1"))
    with pytest.raises(CaptionFileError, match="not UTF-8"):
        read_table(path, None, None)
