import pytest

from extract.interchange.caption_releases import read_csl_daily
from extract.interchange.captions import CaptionFileError

MAP = "index|name|length|gloss|char|word|postag\n"
LINES = (
    "0|S000020_P0004_T00|52|他 今年|他 今 年 4 岁 。|他 今年 4 岁 。|r n v\n"
    "1|S000007_P0003_T00|40|你|你 好|你好|r\n"
)
SPLITS = "name|split\nS000020_P0004_T00|test\nS000005_P0004_T00|train\n"


def write(folder, name, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def release(tmp_path):
    write(tmp_path / "sentence_label", "video_map.txt", MAP + LINES)
    write(tmp_path / "sentence_label", "split_1.txt", SPLITS)
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
