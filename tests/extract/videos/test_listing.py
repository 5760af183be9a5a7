"""Folders, files, patterns and indexes become a list of videos, each once."""

import os
import re
import unicodedata
from pathlib import Path

import pytest

from extract.videos.folder_walk import walk
from extract.videos.listing import ListedVideo, VideoListError, find_videos, videos_of_index
from extract.videos.part import WHOLE, Crop, VideoPart


@pytest.fixture
def folder(tmp_path):
    return touch(
        tmp_path,
        *("b.mp4", "a.MKV", "notes.txt", "sub/c.webm", "frames/v1/0.png", "frames/v1/1.png"),
    )


def ids(found):
    return [video.video_id for video in found.videos]


def passed_over(found):
    return {p.reason: [path.name for path in p.paths] for p in found.passed_over}


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def test_a_folder_gives_its_videos_and_frame_folders_by_path(folder):
    found = find_videos([str(folder)])
    assert ids(found) == ["a", "b", "frames/v1", "sub/c"]
    assert found.videos[2].path == folder / "frames/v1"
    assert passed_over(found) == {"no video": ["notes.txt"]}


def test_files_are_taken_whatever_their_ending(folder):
    assert ids(find_videos([str(folder / "notes.txt"), str(folder / "b.mp4")])) == [
        "notes.txt",
        "b",
    ]


def test_patterns_give_paths_below_their_fixed_part(folder):
    assert ids(find_videos([f"{folder}/**/*.webm"])) == ["sub/c"]
    assert ids(find_videos([f"{folder}/frames/*"])) == ["v1"]


def test_a_frame_folder_is_one_video(folder):
    assert find_videos([str(folder / "frames/v1")]).videos == (
        ListedVideo("v1", folder / "frames/v1"),
    )


def test_what_is_not_there_is_named(folder):
    with pytest.raises(VideoListError, match=r"gone\.mp4 does not exist"):
        find_videos([str(folder / "gone.mp4")])
    with pytest.raises(VideoListError, match="no videos in"):
        find_videos([f"{folder}/*.avi"])


def test_files_of_one_name_in_a_folder_cost_only_themselves(folder):
    for name in ("b.webm", "sub/c.mov"):
        (folder / name).touch()
    found = find_videos([str(folder)])
    assert ids(found) == ["a", "b", "frames/v1", "sub/c"]
    unclear = {video.video_id: video.problem for video in found.videos if video.problem}
    assert list(unclear) == ["b", "sub/c"]
    for names in (("b.mp4", "b.webm"), ("c.mov", "c.webm")):
        assert any(all(name in problem for name in names) for problem in unclear.values())


@pytest.mark.parametrize("video_id", ["b", "sub/c"])
def test_what_is_advised_against_one_name_works(folder, video_id):
    for name in ("b.webm", "sub/c.mov"):
        (folder / name).touch()
    [unclear] = [v for v in find_videos([str(folder)]).videos if v.video_id == video_id]
    pattern = re.search("--videos '([^']+)'", unclear.problem)[1]
    [listed] = [v for v in find_videos([pattern]).videos if v.video_id == video_id]
    assert not listed.problem


def test_files_of_one_name_in_several_folders_are_all_named(folder):
    for name in ("x/1.mp4", "x/2.mp4", "y/1.mp4", "y/2.mp4"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    with pytest.raises(VideoListError) as refused:
        find_videos([str(folder / "x"), str(folder / "y")])
    for name in ("x/1.mp4", "y/1.mp4", "x/2.mp4", "y/2.mp4"):
        assert str(folder / name) in str(refused.value)
    assert ids(find_videos([str(folder / "[xy]" / "*")])) == ["x/1", "x/2", "y/1", "y/2"]


def test_the_same_video_named_twice_is_done_once(folder):
    assert ids(find_videos([str(folder / "b.mp4"), str(folder / "b.mp4")])) == ["b"]


def test_an_index_decides_ids_and_order(folder):
    index = folder / "index.csv"
    index.write_text("video_id,path\nsecond,b.mp4\nfirst,sub/c.webm\n")
    assert videos_of_index(index).videos == (
        ListedVideo("second", folder / "b.mp4"),
        ListedVideo("first", folder / "sub/c.webm"),
    )


def test_an_index_names_parts_of_recordings(folder):
    index = folder / "index.csv"
    index.write_text(
        "video_id,path,start,end,crop,size\n"
        'first,b.mp4,7.27,20.3,"10,0,700,700",256x256\n'
        "second,b.mp4,20.3,,,\n"
        "whole,sub/c.webm,,,,\n"
    )
    assert [(video.path.name, video.part) for video in videos_of_index(index).videos] == [
        ("b.mp4", VideoPart(7.27, 20.3, Crop(10, 0, 700, 700), (256, 256))),
        ("b.mp4", VideoPart(20.3)),
        ("c.webm", WHOLE),
    ]


def test_a_part_that_is_none_costs_only_its_own_video(folder):
    index = folder / "index.csv"
    index.write_text("video_id,path,start,end\ngood,b.mp4,0,1\nbad,b.mp4,0:07,9\n")
    good, bad = videos_of_index(index).videos
    assert (good.problem, good.part) == ("", VideoPart(0.0, 1.0))
    assert "'0:07'" in bad.problem


def test_images_beside_videos_are_passed_over(tmp_path):
    touch(tmp_path, "abc.mp4", "def.mp4", "abc.jpg", "def.webp", "deep/x.mp4", "deep/cover.jpg")
    found = find_videos([str(tmp_path)])
    assert ids(found) == ["abc", "deep/x", "def"]
    assert passed_over(found) == {"no video": ["abc.jpg", "def.webp", "cover.jpg"]}
    assert ids(find_videos([str(tmp_path / "deep")])) == ["x"]


@pytest.mark.parametrize("folder", ["", "takes/"])
@pytest.mark.parametrize("beside", ["x.mp4", "more/x.mp4"])
def test_numbered_images_are_no_video_where_videos_are(tmp_path, folder, beside):
    """As ``show`` leaves them, or a tool for thumbnails."""
    touch(tmp_path, *(folder + name for name in (beside, "sheet-1.png", "sheet-2.png")))
    found = find_videos([str(tmp_path)])
    assert ids(found) == [folder + beside.removesuffix(".mp4")]
    assert passed_over(found) == {"no video": ["sheet-1.png", "sheet-2.png"]}


@pytest.mark.parametrize(
    "form", ["images{:04d}.png", "{:06d}.jpg", "frame_{}.png", "f ({}).BMP", "a_fn{:06d}-0.webp"]
)
def test_a_folder_of_numbered_images_is_a_video(tmp_path, form):
    touch(tmp_path, *(f"v/{form.format(i)}" for i in range(8, 12)), "v/cover.jpg")
    found = find_videos([str(tmp_path)])
    assert ids(found) == ["v"]
    assert passed_over(found) == {"no video": ["cover.jpg"]}


@pytest.mark.parametrize(
    "images",
    [
        ["cover.jpg"],
        ["poster1.jpg"],
        ["a1b.jpg", "Kq7.jpg", "zz90.jpg"],  # of videos with such ids
        ["left_1.png", "left_2.png", "right_1.png", "right_2.png"],
    ],
)
def test_other_images_are_a_video_only_where_nothing_else_is_meant(tmp_path, images):
    touch(tmp_path, "v/0.png", "v/1.png", *(f"thumbs/{name}" for name in images))
    found = find_videos([str(tmp_path)])
    assert ids(found) == ["v"]
    assert passed_over(found) == {"not numbered": ["thumbs"]}
    named = find_videos([str(tmp_path / "thumbs")])
    assert (ids(named), named.passed_over) == (["thumbs"], ())


def test_numbered_pictures_beside_folders_of_frames_are_no_video(tmp_path):
    touch(tmp_path, "v1/1.png", "v1/2.png", "v2/1.png", "v2/2.png", "v1.png", "v2.png", "x.txt")
    found = find_videos([str(tmp_path)])
    assert ids(found) == ["v1", "v2"]
    assert passed_over(found) == {"no video": ["x.txt", "v1.png", "v2.png"]}


def test_a_folder_without_a_name_of_its_own_has_one(tmp_path, monkeypatch):
    monkeypatch.chdir(touch(tmp_path, "v/1.png", "v/2.png") / "v")
    assert ids(find_videos(["."])) == ["v"]


def test_hidden_and_system_files_are_passed_over(tmp_path):
    touch(
        tmp_path,
        *("clips/a.mp4", "clips/._a.mp4", "__MACOSX/clips/b.mp4", ".thumbs/1.png", ".thumbs/2.png"),
        *("clips/@eaDir/c.mp4", "lost+found/d.mp4", "$RECYCLE.BIN/e.mp4"),
    )
    found = find_videos([str(tmp_path)])
    assert ids(found) == ["clips/a"]
    assert sorted(passed_over(found)["hidden"]) == [
        "$RECYCLE.BIN", "._a.mp4", ".thumbs", "@eaDir", "__MACOSX", "lost+found",
    ]  # fmt: skip
    assert ids(find_videos([f"{tmp_path}/**/*.mp4"])) == ["clips/a"]
    assert ids(find_videos([f"{tmp_path}/__MACOSX/clips"])) == ["b"]
    assert ids(find_videos([f"{tmp_path}/*/@eaDir/*.mp4"])) == ["clips/@eaDir/c"]


def test_folders_that_may_not_be_read_are_named(folder, monkeypatch):
    def scandir(path, scandir=os.scandir):
        if Path(path).name == "sub":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr("extract.videos.folder_walk.os.scandir", scandir)
    found = find_videos([str(folder)])
    assert ids(found) == ["a", "b", "frames/v1"]
    assert passed_over(found)["unreadable"] == ["sub"]
    with pytest.raises(VideoListError, match="may not be read"):
        find_videos([str(folder / "sub")])


@pytest.mark.parametrize("place", ["", "**/*", "**"])
def test_links_are_followed_and_every_file_is_listed_once(tmp_path, place):
    touch(tmp_path, "data/all/a.mp4", "data/all/v/1.png", "data/all/v/2.png", "disk/c.mp4")
    data = tmp_path / "data"
    (data / "all/up").symlink_to(data)
    (data / "all/self").symlink_to("self")
    (data / "again").symlink_to("all")
    (data / "0.mp4").symlink_to("all/a.mp4")
    (data / "disk").symlink_to(tmp_path / "disk")
    found = find_videos([f"{data}/{place}"])
    assert ids(found) == ["all/a", "all/v", "disk/c"]
    assert {"0.mp4", "again"} <= set(passed_over(found)["linked twice"])


def test_a_pattern_that_means_a_link_gets_what_it_leads_to(tmp_path):
    touch(tmp_path, "all/a.mp4")
    (tmp_path / "train").symlink_to("all")
    (tmp_path / "b.mp4").symlink_to("all/a.mp4")
    assert ids(find_videos([f"{tmp_path}/**/train/*.mp4"])) == ["train/a"]
    assert ids(find_videos([f"{tmp_path}/*.mp4"])) == ["b"]


def test_many_links_that_lead_in_circles_take_no_time(tmp_path):
    touch(tmp_path, "a.mp4")
    for number in range(30):
        (tmp_path / f"link{number}").symlink_to(tmp_path)
    assert ids(find_videos([f"{tmp_path}/**/*.mp4"])) == ["a"]


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "übung") for form in ("NFC", "NFD"))


def test_ids_are_composed_and_files_are_found_however_they_are_spelled(tmp_path):
    touch(tmp_path, f"{DECOMPOSED}/1.mp4", f"{COMPOSED}.mp4")
    assert ids(find_videos([str(tmp_path)])) == [f"{COMPOSED}/1", COMPOSED]
    for spelled in (COMPOSED, DECOMPOSED):
        assert ids(find_videos([str(tmp_path / spelled)])) == ["1"]
        assert ids(find_videos([f"{tmp_path}/{spelled}/*"])) == ["1"]
        index = tmp_path / "index.csv"
        index.write_text(f"video_id,path\n{spelled},{spelled}/1.mp4\nb,{spelled}.mp4\n")
        first, second = videos_of_index(index).videos
        assert (first.video_id, first.path.exists(), second.path.exists()) == (COMPOSED, True, True)


def test_a_name_that_is_no_text_costs_only_itself(tmp_path):
    touch(tmp_path, "good.mp4")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/hallo-\xfc.mp4")).touch()
    good, bad = find_videos([str(tmp_path)]).videos
    assert (good.video_id, good.problem) == ("good", "")
    assert bad.video_id == "hallo-\\xfc"
    assert "UTF-8" in bad.problem


def test_a_folder_is_met_once_under_the_name_with_the_fewest_links(tmp_path):
    for folder in ("a/long/way", "z"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "a/loop").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to("a/long/way")
    (tmp_path / "c").symlink_to("gone")
    walked = walk(tmp_path)
    met = [folder.path.relative_to(tmp_path).as_posix() for folder in walked.folders]
    assert met == [".", "a", "z", "a/long", "a/long/way"]
    assert sorted(path.name for path in walked.repeated) == ["b", "loop"]
    assert [file.path.name for file in walked.folders[0].files] == ["c"]


def test_a_pattern_without_stars_for_folders_is_not_looked_for_deeper(tmp_path):
    (tmp_path / "a/b/c").mkdir(parents=True)
    (tmp_path / "a/x.mp4").touch()
    walked = walk(tmp_path, ("*", "*.mp4"))
    assert [folder.path.name for folder in walked.folders] == [tmp_path.name, "a"]
    assert [file.is_wanted for file in walked.folders[1].files] == [True]


def test_a_leaf_is_met_and_not_looked_into(tmp_path):
    (tmp_path / "a/clip/deep").mkdir(parents=True)
    walked = walk(tmp_path, is_leaf=lambda name: name == "clip")
    assert walked.leaves == [tmp_path / "a/clip"]
    assert [folder.path for folder in walked.folders] == [tmp_path, tmp_path / "a"]
