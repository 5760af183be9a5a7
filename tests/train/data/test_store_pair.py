from dataclasses import replace

import pytest
from small_stores import (
    HANDS_RGB,
    POSE,
    RGB,
    WHOLE_POSE,
    hands_rgb_video,
    pose_video,
    rgb_video,
    whole_pose_video,
    write_store,
)

from seds_core.store.provenance import ImportedFrom, StoreMismatchError
from train.data.stage_stores import open_pair


def changed(video, **source):
    return replace(video, source=replace(video.source, **source))


def imported(provenance):
    return replace(provenance, imported_from=ImportedFrom(format="npy"))


def with_max_frames(provenance, max_frames):
    return replace(provenance, timeline=replace(provenance.timeline, max_frames=max_frames))


@pytest.fixture
def store(tmp_path):
    """Writes a store and gives its path."""
    numbers = iter(range(9))

    def store(provenance, videos):
        return write_store(tmp_path / f"{next(numbers)}.zarr", provenance, videos)

    return store


def test_videos_of_both_stores_and_warnings(store):
    random = replace(RGB, weights=replace(RGB.weights, is_random=True))
    rgb = store(random, [rgb_video(v, 20) for v in "abc"])
    pair = open_pair(rgb, store(POSE, [pose_video("c", 20), pose_video("b", 20, content="c1")]))
    assert pair.video_ids == ("c",)
    assert pair.only_in_one == {"a"}
    assert pair.from_other_sources == {"b"}
    assert len(pair.warnings) == 3
    assert "RANDOM weights" in pair.warnings[0]


def test_stores_of_one_kind_are_refused(store):
    rgb = store(RGB, [rgb_video("a", 20)])
    with pytest.raises(StoreMismatchError, match="is a rgb store where a pose store is needed"):
        open_pair(rgb, rgb)


@pytest.mark.parametrize(
    ("rgb", "video"), [(RGB, rgb_video("a", 95)), (HANDS_RGB, hands_rgb_video("a", 95))]
)
def test_a_pose_store_of_every_frame_fits_any_timeline(store, rgb, video):
    pair = open_pair(store(rgb, [video]), store(WHOLE_POSE, [whole_pose_video("a", 95)]))
    assert pair.video_ids == ("a",)
    assert pair.warnings == ()


@pytest.mark.parametrize(
    ("rgb", "video"), [(RGB, rgb_video("a", 95)), (HANDS_RGB, hands_rgb_video("a", 95))]
)
def test_a_pose_store_that_lacks_frames_is_refused(store, rgb, video):
    sparse = with_max_frames(POSE, 48)
    pose = store(sparse, [changed(pose_video("a", 95), frame_step=2)])  # every third is needed
    message = r"'max_frames': 40.*'max_frames': 48.*lacks frames of the video 'a'"
    with pytest.raises(StoreMismatchError, match=message):
        open_pair(store(rgb, [video]), pose)


def test_other_rules_that_give_the_same_frames_are_taken(store):
    pose = store(with_max_frames(POSE, 30), [pose_video("a", 20)])
    assert open_pair(store(RGB, [rgb_video("a", 20)]), pose).video_ids == ("a",)


def test_videos_read_with_another_number_of_frames_do_not_fit(store):
    rgb = store(RGB, [rgb_video(v, 20) for v in "ab"])
    longer = changed(pose_video("b", 20), num_frames=21)
    pair = open_pair(rgb, store(POSE, [pose_video("a", 20), longer]))
    assert pair.from_other_sources == {"b"}


@pytest.mark.parametrize(("rgb", "pose"), [(imported(RGB), POSE), (RGB, imported(WHOLE_POSE))])
def test_of_imported_rows_only_the_length_is_compared(store, rgb, pose):
    features = [
        changed(rgb_video("a", 20), content_hash=""),
        rgb_video("b", 20),
        changed(rgb_video("c", 20), num_frames=0),
    ]
    poses = [pose_video("a", 20), changed(pose_video("b", 20), num_frames=21), pose_video("c", 20)]
    pair = open_pair(store(rgb, features), store(pose, poses))
    assert pair.from_other_sources == {"b"}
    assert pair.video_ids == ("a", "c")


def test_clips_of_unknown_frames_cannot_be_paired(store):
    video = rgb_video("a", 20)
    video.rows["first_frame"][:] = -1
    rgb = store(imported(RGB), [video])
    with pytest.raises(StoreMismatchError, match=r"import the features again with --pose.*--stage"):
        open_pair(rgb, store(WHOLE_POSE, [whole_pose_video("a", 20)]))
