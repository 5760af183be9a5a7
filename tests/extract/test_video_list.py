import pytest

from extract.decoding.video_part import WHOLE, Crop, VideoPart
from extract.video_list import ListedVideo, VideoListError, find_videos, videos_of_index


@pytest.fixture
def folder(tmp_path):
    for name in ("b.mp4", "a.MKV", "notes.txt", "sub/c.webm", "frames/v1/0.png", "frames/v1/1.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def ids(found):
    return [video.video_id for video in found.videos]


def test_a_folder_gives_its_videos_and_frame_folders_by_path(folder):
    found = find_videos([str(folder)])
    assert ids(found) == ["a", "b", "frames/v1", "sub/c"]
    assert found.videos[2].path == folder / "frames/v1"
    assert found.ignored == (folder / "notes.txt",)


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


def test_two_videos_of_one_name_are_refused(folder):
    (folder / "b.webm").touch()
    with pytest.raises(VideoListError, match=r"b\.mp4 and .*b\.webm would both be the video 'b'"):
        find_videos([str(folder)])


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


def test_a_part_that_is_none_is_named_with_its_index_and_video(folder):
    index = folder / "index.csv"
    index.write_text("video_id,path,start,end\ngood,b.mp4,0,1\nbad,b.mp4,0:07,9\n")
    with pytest.raises(VideoListError, match=r"index\.csv, video 'bad': start is '0:07'; expected"):
        videos_of_index(index)
