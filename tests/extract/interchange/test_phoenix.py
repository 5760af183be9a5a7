import pytest

from extract.interchange.caption_releases import read_phoenix
from extract.interchange.captions import CaptionFileError

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
