from pathlib import Path

import pytest

from seds_core.dataset_index import IndexedVideo, IndexFileError, read_index, write_index


def write(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "index.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_paths_start_at_the_index_and_other_columns_are_kept(tmp_path):
    path = write(tmp_path, 'video_id,path,text,signer\na,v/a.mp4,"Hello, you",s1\n', "utf-8-sig")
    assert read_index(path) == [
        IndexedVideo("a", tmp_path / "v/a.mp4", "", "Hello, you", {"signer": "s1"})
    ]


def test_ids_are_composed(tmp_path):
    [video] = read_index(write(tmp_path, "video_id,path\nu\u0308ben,u\u0308.mp4\n"))
    assert (video.video_id, video.path.name) == ("\u00fcben", "u\u0308.mp4")
    with pytest.raises(IndexFileError, match="twice"):
        read_index(write(tmp_path, "video_id,path\nu\u0308,a\n\u00fc,b\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no column video_id and no column path"),
        ("id,path\na,b\n", "no column video_id; its first line names: id, path"),
        ("video_id,path\n", "lists no videos"),
        ("video_id,path\na,x\nb,\n", "line 3: the field path is empty"),
        ("video_id,path\na,x\na,y\n", "line 3: the video_id 'a' is there twice"),
        ("video_id,Path\na,x\nb,y,z\nc\n,x\n", "line 3: 3 fields.* line 4: 1 .* line 5: .* empty"),
        ('video_id,path\na,"x\nb,y\n', "line 2: a quotation mark"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(IndexFileError, match=message):
        read_index(write(tmp_path, text))


def test_a_missing_index_is_named(tmp_path):
    with pytest.raises(IndexFileError, match=r"gone\.csv cannot be read"):
        read_index(tmp_path / "gone.csv")


def test_another_encoding_is_named(tmp_path):
    with pytest.raises(IndexFileError, match="UTF-8"):
        read_index(write(tmp_path, "video_id,path\nä,x\n", "latin-1"))


def test_a_written_index_is_read_as_it_was(tmp_path, monkeypatch):
    videos = [
        IndexedVideo(
            "a", tmp_path / "out/v/a.mp4", "train", 'Hello, "you" there', {"signer": "s1"}
        ),
        IndexedVideo("-b", tmp_path / "other/b", "", "über", {"crop": "1,2,3,4"}),
    ]
    path = tmp_path / "out/index.csv"
    write_index(path, videos)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "video_id,path,split,text,signer,crop"
    assert lines[1].startswith("a,v/a.mp4,train,")
    assert [(v.video_id, v.path, v.split, v.text) for v in read_index(path)] == [
        (v.video_id, v.path, v.split, v.text) for v in videos
    ]
    assert [v.other for v in read_index(path)] == [
        {"signer": "s1", "crop": ""}, {"signer": "", "crop": "1,2,3,4"},
    ]  # fmt: skip
    monkeypatch.chdir(tmp_path / "out")
    write_index(Path("again.csv"), read_index(Path("index.csv")))
    assert (tmp_path / "out/again.csv").read_bytes() == path.read_bytes()


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(IndexFileError, match=r"index\.csv cannot be written"):
        write_index(tmp_path / "file/index.csv", [IndexedVideo("a", tmp_path / "a")])


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_an_index_may_have_other_delimiters_and_capital_letters(tmp_path, delimiter):
    path = write(
        tmp_path, "Video_ID,PATH,Text,Signer\na,v/a.mp4,Hello,s1\n".replace(",", delimiter)
    )
    assert read_index(path) == [
        IndexedVideo("a", tmp_path / "v/a.mp4", "", "Hello", {"signer": "s1"})
    ]


def test_many_wrong_lines_are_counted(tmp_path):
    with pytest.raises(IndexFileError, match=r"line 21: .* and 30 more"):
        read_index(write(tmp_path, "video_id,path\n" + "a\n" * 50))


def test_line_breaks_in_texts_become_blanks_so_that_a_video_is_a_line(tmp_path):
    path = tmp_path / "index.csv"
    write_index(path, [IndexedVideo("a", tmp_path / "a", "train", "x\r\nb,c,d,e\n,")])
    assert [video.text for video in read_index(path)] == ["x b,c,d,e ,"]


def test_a_name_that_is_no_utf8_is_refused_by_name(tmp_path):
    with pytest.raises(IndexFileError, match=r"udcff.* is no UTF-8"):
        write_index(tmp_path / "i.csv", [IndexedVideo("a", tmp_path / "\udcff.mp4")])
    assert list(tmp_path.iterdir()) == []
