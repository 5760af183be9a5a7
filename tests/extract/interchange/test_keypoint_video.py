"""Keypoints and facts of a video become what its store keeps."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from extract.interchange.imported import ImportItem, VideoFacts, known_facts
from extract.interchange.keypoint_video import (
    SIGNER,
    implausible_positions,
    keypoint_provenance,
    keypoint_video,
    nobody_found,
)
from seds_core.errors import ImportedFileError
from seds_core.store.provenance import ImportedFrom

FACTS = VideoFacts(210, 260, 25.0)


def test_every_frame_is_a_row():
    keypoints = nobody_found(4)
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
    keypoints = nobody_found(2)
    keypoints[1, 7] = point
    with pytest.raises(ImportedFileError, match="NaN or infinite"):
        keypoint_video(Path("v"), keypoints, FACTS)


def at(*places):
    """One frame with keypoints that were found at these places, and others that were not."""
    keypoints = nobody_found(1)
    for keypoint, place in enumerate(places):
        keypoints[0, keypoint] = *place, 0.5
    keypoints[0, 100] = 5000, 5000, 0
    return keypoints


def test_a_size_that_most_keypoints_lie_in_is_believed():
    assert implausible_positions(nobody_found(3), FACTS) == ""
    assert implausible_positions(at((0, 0), (210, 260), (211, 0), (5, -1)), FACTS) == ""
    assert implausible_positions(at((0, 0), (1, 2.5)), FACTS) == ""


def test_legs_below_the_image_say_nothing():
    legs = [(100, 50)] * 11 + [(100, 300)] * 12
    assert implausible_positions(at(*legs), FACTS) == ""


@pytest.mark.parametrize(
    ("places", "suspected"),
    [
        ([(0.5, 1), (0.1, 0), (1.2, 1.4)], "fractions of the image"),
        ([(0.5, 1), (-1, 0), (0.3, -0.2)], "normalised, from -1 to 1"),
        ([(1.5, 4), (-3, 0), (2, -4.5), (-1, 3)], "normalised around their middle"),
        ([(50, -90), (-60, 30), (-20, -30)], "normalised around their middle"),
        ([(5, 5), (211, 0), (400, 0)], "larger images; .*--image-size"),
        ([(5, 5), (0, 261), (0, 300)], "larger images; .*--image-size"),
    ],
)
def test_what_cannot_be_pixels_of_the_image_is_refused_with_what_it_seems_to_be(places, suspected):
    with pytest.raises(ImportedFileError, match=suspected):
        keypoint_video(Path("v"), at(*places), FACTS)


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
