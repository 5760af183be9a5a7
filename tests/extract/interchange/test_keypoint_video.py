"""Keypoints of numbered frames become checked rows, and JSON is read within limits."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel

from extract.interchange.imported import ImportItem, VideoFacts, known_facts
from extract.interchange.keypoint_video import (
    SIGNER,
    Numbers,
    check_json,
    frame_number,
    implausible_positions,
    keypoint_provenance,
    keypoint_video,
    no_person_found,
    read_json,
    video_of_frames,
)
from seds_core.errors import ImportedFileError
from seds_core.store.layout import row_arrays
from seds_core.store.provenance import ImportedFrom

FACTS = VideoFacts(210, 260, 25.0)


def test_every_frame_is_a_row():
    keypoints = no_person_found(4)
    keypoints[2, 5] = 3.0, 4.0, 0.5
    video = keypoint_video(Path("v"), keypoints, FACTS)
    assert (video.num_frames, video.frame_step, video.fps) == (4, 1, 25.0)
    assert (video.width, video.height) == (210, 260)
    assert video.rows["person_found"].tolist() == [False, False, True, False]
    assert video.rows["keypoints"].tobytes() == keypoints.tobytes()


@pytest.mark.parametrize(
    "point", [(np.nan, 1, 0.5), (1, np.inf, 0.5), (1, 1, np.nan), (1, 1, np.inf)]
)
def test_a_keypoint_that_was_found_must_be_somewhere(point):
    keypoints = no_person_found(2)
    keypoints[1, 7] = point
    with pytest.raises(ImportedFileError, match="NaN or infinite"):
        keypoint_video(Path("v"), keypoints, FACTS)


def at(*positions):
    """One frame with keypoints that were found at these positions, and others that were not."""
    keypoints = no_person_found(1)
    for keypoint, position in enumerate(positions):
        keypoints[0, keypoint] = *position, 0.5
    keypoints[0, 100] = 5000, 5000, 0
    return keypoints


def test_a_size_that_most_keypoints_lie_in_is_believed():
    assert implausible_positions(no_person_found(3), FACTS) == ""
    assert implausible_positions(at((0, 0), (210, 260), (211, 0), (5, -1)), FACTS) == ""
    assert implausible_positions(at((0, 0), (1, 2.5)), FACTS) == ""


def test_legs_below_the_image_say_nothing():
    legs = [(100, 50)] * 11 + [(100, 300)] * 12
    assert implausible_positions(at(*legs), FACTS) == ""


@pytest.mark.parametrize(
    ("positions", "suspected"),
    [
        ([(0.5, 1), (0.1, 0), (1.2, 1.4)], "fractions of the image"),
        ([(0.5, 1), (-1, 0), (0.3, -0.2)], "normalised, from -1 to 1"),
        ([(1.5, 4), (-3, 0), (2, -4.5), (-1, 3)], "normalised around their middle"),
        ([(50, -90), (-60, 30), (-20, -30)], "normalised around their middle"),
        ([(5, 5), (211, 0), (400, 0)], "larger images; .*--image-size"),
        ([(5, 5), (0, 261), (0, 300)], "larger images; .*--image-size"),
    ],
)
def test_what_cannot_be_pixels_is_refused_with_what_it_seems_to_be(positions, suspected):
    with pytest.raises(ImportedFileError, match=suspected):
        keypoint_video(Path("v"), at(*positions), FACTS)


def test_the_provenance_names_the_format_and_keeps_all_frames():
    provenance = keypoint_provenance(Path("a"), 30.0, file_format="pose", confidence="score")
    assert provenance.kind == "pose"
    imported_from = ImportedFrom(format="pose", confidence="score", signer=SIGNER)
    assert provenance.imported_from == imported_from
    before = replace(imported_from, signer=None)  # as stores were made before
    assert provenance.differences(replace(provenance, imported_from=before)) == []
    assert provenance.recorded_settings["frames"] == {"max_frames": None, "folder_fps": 30.0}
    elsewhere = keypoint_provenance(Path("b"), 30.0, file_format="pose", confidence="score")
    assert provenance.differences(elsewhere) == []
    assert provenance.warning is None


def test_unknown_facts_are_the_files_failure():
    def unknown(video_id):
        raise LookupError(f"the size of '{video_id}' is not known: give --image-size")

    item = ImportItem("v", Path("folder/v.json"))
    with pytest.raises(ImportedFileError, match=r"folder/v\.json: the size of 'v' is not known"):
        known_facts(item, unknown)
    assert known_facts(item, lambda _: FACTS) == FACTS


def rows_of(keypoints):
    return keypoint_video(Path("v"), keypoints, VideoFacts(210, 260, 25.0)).rows


def test_rows_fit_the_layout_and_keep_every_bit():
    keypoints = np.random.default_rng(0).uniform(0, 200, (5, 133, 3)).astype(np.float32)
    keypoints[1, 3] = np.nan, -0.0, -1
    rows = rows_of(keypoints)
    for spec in row_arrays("pose", feature_dim=0, feature_dtype="float32", clip_frames=0):
        assert rows[spec.name].shape == (5, *spec.sizes)
        assert rows[spec.name].dtype == spec.dtype
    assert rows["keypoints"].tobytes() == keypoints.tobytes()
    assert rows["frame"].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(rows["person_box"]).all()


def test_one_seen_point_is_a_person_and_none_is_no_person():
    keypoints = no_person_found(3)
    keypoints[1, 132, 2] = 0.01
    keypoints[1, 132, :2] = 100
    assert rows_of(keypoints)["person_found"].tolist() == [False, True, False]
    assert np.isnan(keypoints[0, :, :2]).all()
    assert (keypoints[0, :, 2] == 0).all()


VIDEO = Path("video")


def person(value, confidence=0.5):
    keypoints = np.full((133, 3), 10 * value, np.float32)
    keypoints[:, 2] = confidence
    return keypoints


@pytest.mark.parametrize(
    ("name", "number"),
    [("CAM2_000000000017", 17), ("images0001", 1), ("000000", 0), ("a-3", 3), ("v_2-7", 7)],
)
def test_a_name_ends_with_the_number(name, number):
    assert frame_number(VIDEO, name) == number


@pytest.mark.parametrize("name", ["frame", "", "17_left", "1" * 19, "٣"])
def test_a_name_without_a_number_is_refused(name):
    with pytest.raises(ImportedFileError, match="does not end with the number"):
        frame_number(VIDEO, name)


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_count_from_0_or_1_and_gaps_show_no_person(first):
    frames = {first + 3: [person(2)], first: [person(1)], first + 1: []}
    video = video_of_frames(VIDEO, frames, FACTS)
    keypoints = video.rows["keypoints"]
    assert video.num_people == 1
    assert keypoints[:, 0, 0].tolist()[0::3] == [10, 20]
    for gap in (1, 2):
        assert np.isnan(keypoints[gap, :, :2]).all()
        assert (keypoints[gap, :, 2] == 0).all()
    assert keypoints.dtype == np.float32


def test_the_signer_of_the_whole_video_is_taken_wherever_a_frame_lists_them():
    frames = {
        0: [person(1, 0.4), person(2, 0.6), person(3, 0)],
        1: [person(2, 0.3), person(1, 0.6)],
        2: [person(1, 0.4)],
    }
    video = video_of_frames(VIDEO, frames, FACTS)
    assert video.rows["keypoints"][:, 0, 0].tolist() == [10, 10, 10]
    assert video.num_people == 2


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ([], "has no frames"),
        ([2, 3], "begins with frame 2"),
        ([0, 250_000], "a video may have 250,000"),
        ([0, 10**17], "a video may have 250,000"),
    ],
)
def test_numbers_that_cannot_be_a_videos_frames_are_refused(numbers, reason):
    with pytest.raises(ImportedFileError, match=reason):
        video_of_frames(VIDEO, {number: [person(1)] for number in numbers}, FACTS)


class Values(BaseModel):
    values: Numbers


def read(tmp_path, text, **limits):
    path = tmp_path / "values.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_json(path, Values, **limits)


def test_numbers_are_read_with_and_without_a_byte_order_mark(tmp_path):
    assert read(tmp_path, '{"values": [1, 2.5], "other": {}}').values == [1.0, 2.5]
    assert read(tmp_path, b'\xef\xbb\xbf{"values": [3]}').values == [3.0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "Invalid JSON"),
        ('{"values": [1, 2', "Invalid JSON"),
        ("[" * 100_000, "Invalid JSON"),
        (b'{"values": "\xff"}', "Invalid JSON"),
        ('{"values": [1, NaN]}', "values.1: Input should be a finite number"),
        ('{"values": [Infinity]}', "values.0: Input should be a finite number"),
        ('{"values": [1e300]}', "values.0: Input should be less than or equal to"),
        ('{"values": [' + "9" * 5000 + "]}", "Invalid JSON: number out of range"),
        ('{"values": [1, "x"]}', "values.1: Input should be a valid number"),
        ('{"values": null}', "values: Input should be a valid array"),
        ('{"value": [1]}', "values: Field required"),
        ("[]", "Input should be an object"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, reason):
    with pytest.raises(ImportedFileError, match=rf"values\.json: .*{reason}"):
        read(tmp_path, text)


def test_a_large_file_is_refused_before_it_is_read(tmp_path):
    text = json.dumps({"values": [0] * 10})
    assert read(tmp_path, text, max_bytes=len(text)).values == [0.0] * 10
    with pytest.raises(ImportedFileError, match=r"has 0 MB.*up to 0 MB: split it"):
        read(tmp_path, text, max_bytes=len(text) - 1)


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(ImportedFileError, match="No such file"):
        read_json(tmp_path / "none.json", Values)
    with pytest.raises(ImportedFileError, match="cannot be read"):
        read_json(tmp_path, Values)


def test_the_first_wrong_number_of_many_is_the_only_one_reported(tmp_path):
    with pytest.raises(ImportedFileError, match=r"values\.0: ") as caught:
        check_json(tmp_path, {"values": [math.nan] * 100_000}, Values)
    assert len(caught.value.reason) < 100
