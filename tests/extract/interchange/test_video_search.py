import pytest

from extract.interchange.captions import Candidate, Caption, CaptionFileError
from extract.interchange.captions_command import locate, search


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


def test_the_best_place_is_taken_with_its_part(tmp_path):
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
