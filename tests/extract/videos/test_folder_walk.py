from extract.videos.folder_walk import walk


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
