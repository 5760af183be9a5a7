"""Published keypoints become rows of every frame, to the bit."""

import hashlib

import numpy as np
import pytest
from published_folders import image_names, keypoints, write_keypoints, write_pickle

from extract.interchange.imported import KnownFacts
from extract.interchange.published import PublishedFiles, open_published_keypoints
from seds_core.errors import ImportedFileError, UsageError


def published(source, size=(256, 256)):
    facts = KnownFacts(size, 24.0, 25.0, {})
    files = PublishedFiles(source, None)
    return open_published_keypoints(files, facts, image_size=size, folder_fps=24.0)


def read(source, video_id):
    form = published(source)
    (item,) = [item for item in form.items if item.video_id == video_id]
    return form.read(item)


def test_every_frame_is_a_row_to_the_bit(tmp_path):
    path = write_keypoints(tmp_path, "a", 5)
    form = published(tmp_path)
    video = read(tmp_path, "a")
    assert video.rows["keypoints"].tobytes() == keypoints(5, seed=5).tobytes()
    assert (video.num_frames, video.frame_step, video.fps) == (5, 1, 24.0)
    assert (video.width, video.height, video.num_rounded) == (256, 256, 0)
    assert video.content_hash == hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    provenance = form.provenance
    assert provenance.kind == "pose"
    assert provenance.recorded_settings["frames"] == {"max_frames": None, "folder_fps": 24.0}
    assert provenance.recorded_settings["imported"] == {
        "format": "published-keypoints",
        "frame_names": "images%04d.png",
        "first_number": 1,
        "image_size": [256, 256],
    }


def test_frames_left_out_and_in_any_order_come_to_their_places(tmp_path):
    write_keypoints(tmp_path, "a", 5)
    points = keypoints(3)
    value = {"keypoints": points, "img_list": image_names([4, 2, 7])}
    write_pickle(tmp_path, "b", value)
    rows = read(tmp_path, "b").rows
    assert rows["person_found"].tolist() == [False, True, False, True, False, False, True]
    assert rows["keypoints"][[3, 1, 6]].tobytes() == points.tobytes()
    assert np.isnan(rows["keypoints"][[0, 2, 4, 5], :, :2]).all()
    assert (rows["keypoints"][[0, 2, 4, 5], :, 2] == 0).all()


def test_numbers_may_count_from_0(tmp_path):
    write_keypoints(tmp_path, "a", 3, first_number=0)
    assert published(tmp_path).provenance.imported_from.first_number == 0
    assert read(tmp_path, "a").num_frames == 3


def test_names_are_told_by_the_first_file_that_has_the_first_frame(tmp_path):
    write_pickle(tmp_path, "a", {"keypoints": keypoints(1), "img_list": image_names([9])})
    write_pickle(tmp_path, "b", "no dictionary")
    write_keypoints(tmp_path, "c", 3, first_number=0)
    assert read(tmp_path, "a").num_frames == 10
    (tmp_path / "c.pkl").unlink()
    with pytest.raises(UsageError, match=r"a\.pkl: its images are numbered from 9 on"):
        published(tmp_path)


def test_higher_precision_is_rounded_and_counted(tmp_path):
    points = keypoints(2).astype(np.float64)
    points[0, 0, 0] = 0.1
    write_pickle(tmp_path, "a", {"keypoints": points, "img_list": image_names([1, 2])})
    video = read(tmp_path, "a")
    assert video.num_rounded == 1
    np.testing.assert_array_equal(video.rows["keypoints"], points.astype(np.float32))


def test_names_may_be_an_array(tmp_path):
    names = np.array(image_names([1, 2]))
    write_pickle(tmp_path, "a", {"keypoints": keypoints(2), "img_list": names})
    assert read(tmp_path, "a").num_frames == 2


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"img_list": []}, "has no 'keypoints', but 'img_list'"),
        ({"keypoints": keypoints(2)}, "has no 'img_list'"),
        ({"keypoints": [1], "img_list": []}, "no array of numbers"),
        ({"keypoints": np.array(["a"]), "img_list": []}, "no array of numbers"),
        ({"keypoints": keypoints(2)[:, :17], "img_list": []}, r"shape \(2, 17, 3\)"),
        ({"keypoints": keypoints(0), "img_list": []}, r"shape \(0, 133, 3\)"),
        ({"keypoints": keypoints(2), "img_list": image_names([1])}, "2 frames .* and 1 images"),
        ({"keypoints": keypoints(1), "img_list": [1]}, "no list of names"),
        ({"keypoints": keypoints(2), "img_list": image_names([1, 1])}, "twice"),
        ({"keypoints": keypoints(1), "img_list": ["frame1.png"]}, "not named like others"),
        ({"keypoints": keypoints(1), "img_list": image_names([0])}, "not named like others"),
    ],
)
def test_other_contents_say_what_is_wrong(tmp_path, value, reason):
    write_keypoints(tmp_path, "a", 2)
    write_pickle(tmp_path, "b", value)
    with pytest.raises(ImportedFileError, match=reason):
        read(tmp_path, "b")


def test_an_unknown_size_is_a_failure_that_says_how_to_give_it(tmp_path):
    write_keypoints(tmp_path, "a", 2)
    form = published(tmp_path, size=None)
    with pytest.raises(ImportedFileError, match="--image-size"):
        form.read(form.items[0])


def test_fractions_are_a_failure(tmp_path):
    write_keypoints(tmp_path, "a", 2)
    small = keypoints(2) / np.array([256, 256, 1], np.float32)
    write_pickle(tmp_path, "b", {"keypoints": small, "img_list": image_names([1, 2])})
    with pytest.raises(ImportedFileError, match="fractions of the image"):
        read(tmp_path, "b")
