"""From frames to rows: missing people, independence of chunks and neighbours, what is loaded."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from video_files import numbered_frames as pictures
from video_files import read_number

from extract.pose.person_boxes import FoundBoxes, PersonBoxes, TableBoxes, WholeFrameBoxes
from extract.pose.person_detector import DetectedBoxes
from extract.pose.pose_stream import (
    PoseStream,
    have_person,
    load_estimator,
    load_person_boxes,
    pose_pieces,
    pose_rows,
)
from extract.settings import ExtractSettings, PersonDetectorSettings, PoseSettings
from extract.stream import joined, rows_of
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodeJob, confirmed_frames
from extract.videos.part import VideoError
from extract.videos.video_writing import write_video
from reference.small_stores import POSE
from seds_core.errors import UnavailableError
from seds_core.keypoints import missing_keypoints


class NoEstimator:
    """Finds nothing."""

    crop = None

    def start_video(self) -> None: ...

    def prepared(self, frames: np.ndarray, boxes: np.ndarray) -> list[int]:
        return [0] * len(frames)

    def keypoints(self, prepared: list[int]) -> np.ndarray:
        return np.zeros((len(prepared), 133, 3), np.float32)


@pytest.fixture
def stream(tmp_path: Path) -> PoseStream:
    table = tmp_path / "boxes.csv"
    table.write_text("video_id,frame,left,top,right,bottom\na,*,0,0,10,10\n")
    pose = {"person_box": "csv", "person_box_file": table}
    settings = ExtractSettings.model_validate({"pose": pose})
    boxes = load_person_boxes(settings.pose, torch.device("cpu"))
    return PoseStream(NoEstimator(), boxes, POSE, settings)


def test_a_video_without_a_box_fails_by_name(stream: PoseStream, tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, np.zeros((3, 48, 64, 3), np.uint8), 25.0)
    with DecodePool(num_workers=0) as pool:
        assert stream.num_rows(pool.decode(DecodeJob("a", path))) == 3
        for look in (stream.num_rows, stream.pieces):
            with pytest.raises(VideoError, match=r"boxes\.csv has no box for video 'b'") as caught:
                look(pool.decode(DecodeJob("b", path)))
            assert caught.value.path == path


SIZE = 6, 4


def numbered_frames(num_frames: int) -> np.ndarray:
    frames = np.zeros((num_frames, *SIZE[::-1], 3), np.uint8)
    frames[:] = np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
    return frames


class NumberReader:
    """Every keypoint lies at x = the frame's number; records the sizes of its passes."""

    crop = None

    def __init__(self, confidence: float = 1.0) -> None:
        self.confidence = confidence
        self.pass_sizes: list[int] = []

    def start_video(self) -> None:
        self.pass_sizes = []

    def prepared(self, frames: np.ndarray, boxes: np.ndarray) -> list[int]:
        assert not np.isnan(boxes).any()
        return [int(frame[0, 0, 0]) for frame in frames]

    def keypoints(self, prepared: Sequence[int]) -> np.ndarray:
        self.pass_sizes.append(len(prepared))
        keypoints = np.full((len(prepared), 133, 3), self.confidence, np.float32)
        keypoints[..., 0] = np.array(prepared)[:, None]
        return keypoints


class EvenFrames:
    """A person in every second frame."""

    required_confidence = 0.0

    def boxes(
        self, frames: np.ndarray, numbers: Sequence[int], size: tuple[int, int]
    ) -> FoundBoxes:
        found = frames[:, 0, 0, 0] % 2 == 0
        boxes = np.where(found[:, None], np.array([0, 0, 6, 4], np.float32), np.float32(np.nan))
        return FoundBoxes(boxes, found)


@pytest.mark.parametrize("cuts", [[11], [1] * 11, [2, 9], [0, 7, 4], [4, 4, 3]])
def test_rows_do_not_depend_on_the_chunks(cuts: list[int]) -> None:
    frames = numbered_frames(11)
    chunks = in_reused_memory(np.split(frames, np.cumsum(cuts)[:-1]))
    rows = rows_of_chunks(NumberReader(), EvenFrames(), chunks)
    np.testing.assert_array_equal(rows["keypoints"][::2, 0, 0], np.arange(0, 11, 2))
    np.testing.assert_array_equal(rows["person_found"], np.arange(11) % 2 == 0)
    np.testing.assert_array_equal(rows["frame"], np.arange(11))


def in_reused_memory(chunks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """As decoders give them: a chunk is overwritten once the next one is asked for."""
    for chunk in chunks:
        lent = chunk.copy()
        yield lent
        lent[:] = 255


class LargeNumberReader(NumberReader):
    """Reads the number that is drawn in a frame when it is prepared."""

    def prepared(self, frames: np.ndarray, boxes: np.ndarray) -> list[int]:
        return [read_number(frame) for frame in frames]


def test_frames_that_fill_the_decoders_memory_stay_what_they_are(tmp_path: Path) -> None:
    """The network sees them when the memory of the first ones has been used again."""
    path = tmp_path / "large.mp4"
    write_video(path, pictures(48, 1280, 720), 25.0)
    with DecodePool(1) as pool:
        videos = pool.stream([DecodeJob("large", path)])
        chunks = confirmed_frames(next(videos))
        rows = rows_of_chunks(LargeNumberReader(), WholeFrameBoxes(0.5), chunks)
        videos.close()
    np.testing.assert_array_equal(rows["keypoints"][:, 0, 0], np.arange(48))


@pytest.mark.mmpose
def test_rows_are_the_same_whoever_cuts_the_frames(tmp_path: Path) -> None:
    path, table = tmp_path / "large.mp4", tmp_path / "boxes.csv"
    write_video(path, pictures(32, 640, 480), 25.0)
    table.write_text("video_id,frame,left,top,right,bottom\na,2,80,50.5,400,470\na,4,0,0,640,480\n")
    settings = ExtractSettings.model_validate(
        {
            "frames": {"max_frames": 16},
            "pose": {
                "model": "demo",
                "checkpoint": "random",
                "person_box": "csv",
                "person_box_file": table,
            },
        }
    )
    stream = PoseStream.load(settings, "cpu")
    cut = stream.cut("a")
    assert cut is not None
    assert cut.crop.cuts((640, 480))
    with DecodePool(1) as pool:
        jobs = [DecodeJob("a", path, max_frames=16, cut=cut) for cut in (None, cut)]
        whole, by_decoder = (rows_of(stream, video) for video in pool.stream(jobs))
    np.testing.assert_array_equal(whole["frame"], np.arange(0, 32, 2))
    assert np.isnan(whole["person_box"][0]).all()
    assert np.isfinite(whole["keypoints"][1:3]).all()
    for name, values in whole.items():
        np.testing.assert_array_equal(by_decoder[name], values)


def test_only_what_is_known_beforehand_is_cut_by_decoders(stream: PoseStream) -> None:
    assert stream.cut("a") is None  # the estimator looks at frames by itself
    assert stream.cut("b") is None  # there is no box


def test_no_frames_give_no_pieces() -> None:
    for chunks in ([], [numbered_frames(0)]):
        assert list(pose_pieces(NumberReader(), WholeFrameBoxes(0.5), chunks, SIZE)) == []


def test_pieces_hold_back_no_more_than_they_need() -> None:
    chunks = iter([numbered_frames(4), numbered_frames(4)])
    next(pose_pieces(NumberReader(), WholeFrameBoxes(0.5), chunks, SIZE))
    assert len(list(chunks)) == 1


def rows_of_chunks(
    estimator: NumberReader, boxes: PersonBoxes, chunks: Iterable[np.ndarray], **options: int
) -> dict[str, np.ndarray]:
    pieces = pose_pieces(estimator, boxes, chunks, SIZE, **options)
    return joined(pose_rows(estimator, list(pieces)))


def rows_of_frames(
    estimator: NumberReader, boxes: PersonBoxes, frames: np.ndarray, **options: int
) -> dict[str, np.ndarray]:
    return rows_of_chunks(estimator, boxes, [frames], **options)


def test_every_frame_gets_its_row_in_order() -> None:
    estimator = NumberReader()
    frames = numbered_frames(7)
    rows = rows_of_frames(estimator, WholeFrameBoxes(0.5), frames, frame_step=2)
    assert estimator.pass_sizes == [7]
    np.testing.assert_array_equal(rows["keypoints"][:, 0, 0], np.arange(7))
    np.testing.assert_array_equal(rows["frame"], 2 * np.arange(7))
    np.testing.assert_array_equal(
        rows["person_box"], np.tile(np.array([0, 0, 6, 4], np.float32), (7, 1))
    )


def test_frames_without_a_box_are_blank_and_not_estimated() -> None:
    estimator = NumberReader()
    rows = rows_of_frames(estimator, EvenFrames(), numbered_frames(4))
    assert estimator.pass_sizes == [2]
    np.testing.assert_array_equal(rows["person_found"], [True, False, True, False])
    np.testing.assert_array_equal(rows["keypoints"][::2, 5, 0], [0, 2])
    assert np.isnan(rows["person_box"][1::2]).all()
    assert np.isnan(rows["keypoints"][1::2, :, :2]).all()
    assert (rows["keypoints"][1::2, :, 2] == 0).all()


def test_a_video_without_a_person_never_calls_the_estimator() -> None:
    estimator = NumberReader()
    rows = rows_of_frames(estimator, EvenFrames(), numbered_frames(2)[1:])
    assert estimator.pass_sizes == []
    assert not rows["person_found"].any()


def test_frames_of_several_videos_share_a_pass() -> None:
    estimator = NumberReader()
    all_seen = pose_pieces(estimator, WholeFrameBoxes(0.5), [numbered_frames(3)], SIZE)
    even_seen = pose_pieces(estimator, EvenFrames(), [numbered_frames(5)[2:]], SIZE)
    rows = joined(pose_rows(estimator, [*all_seen, *even_seen]))
    assert estimator.pass_sizes == [5]
    np.testing.assert_array_equal(rows["person_found"], [True, True, True, True, False, True])
    np.testing.assert_array_equal(rows["keypoints"][[0, 1, 2, 3, 5], 0, 0], [0, 1, 2, 2, 4])
    np.testing.assert_array_equal(rows["frame"], [0, 1, 2, 0, 1, 2])


@pytest.mark.parametrize(("confidence", "is_found"), [(0.29, False), (0.31, True)])
def test_whole_frame_mode_finds_people_by_their_upper_body(
    confidence: float, is_found: bool
) -> None:
    keypoints = np.ones((133, 3), np.float32)
    keypoints[[0, 5, 6, 7, 8, 9, 10], 2] = confidence
    assert have_person(keypoints[None], [0.3]).tolist() == [is_found]
    rows = rows_of_frames(NumberReader(confidence), WholeFrameBoxes(0.3), numbered_frames(1))
    assert rows["person_found"].tolist() == [is_found]
    if not is_found:
        np.testing.assert_array_equal(rows["keypoints"], missing_keypoints(1))


def test_keypoints_without_any_confidence_are_no_person_even_without_a_threshold() -> None:
    assert not have_person(missing_keypoints(1), [0.0]).any()


CPU = torch.device("cpu")


@pytest.mark.mmpose
def test_an_mmpose_model_with_its_provenance() -> None:
    settings = PoseSettings(model="demo", checkpoint="random", flip_test=True)
    estimator, provenance = load_estimator(settings, CPU)
    frames = np.zeros((1, 64, 48, 3), np.uint8)
    boxes = np.array([[0, 0, 48, 64]], np.float32)
    keypoints = estimator.keypoints(estimator.prepared(frames, boxes))
    assert keypoints.shape == (1, 133, 3)
    assert (provenance.name, provenance.is_random) == ("demo", True)


def test_mediapipe_is_an_optional_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mediapipe.python.solutions.holistic", None)
    with pytest.raises(UnavailableError, match="extra 'mediapipe'"):
        load_estimator(PoseSettings(detector="mediapipe"), CPU)


def test_whole_frame_boxes_take_their_threshold_from_the_settings() -> None:
    boxes = load_person_boxes(PoseSettings(person_threshold=0.4), CPU)("video")
    assert boxes == WholeFrameBoxes(0.4)


def test_boxes_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text("video_id,frame,left,top,right,bottom\nvideo,,0,0,4,8\n")
    source = load_person_boxes(PoseSettings(person_box="csv", person_box_file=path), CPU)
    assert isinstance(source("video"), TableBoxes)


def test_every_video_has_detections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    no_people = np.zeros((0, 4), np.float32)
    monkeypatch.setattr(
        "extract.pose.person_detector.load_person_detector",
        lambda _settings, _device: lambda _image: no_people,
    )
    source = load_person_boxes(PoseSettings(person_box="detector"), CPU)
    first, second = source("a"), source("b")
    assert isinstance(first, DetectedBoxes)
    assert first is not second


@pytest.mark.parametrize("model", [PoseSettings, PersonDetectorSettings])
def test_every_field_is_documented(model: type[PoseSettings]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name


def test_unknown_keys_are_refused() -> None:
    with pytest.raises(ValidationError, match="person_boxes"):
        PoseSettings.model_validate({"person_boxes": "csv"})


@pytest.mark.parametrize("values", [{"person_box": "csv"}, {"person_box_file": Path("boxes.csv")}])
def test_a_box_file_and_its_mode_need_each_other(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="need each other"):
        PoseSettings.model_validate(values)


def test_mediapipe_takes_no_boxes() -> None:
    with pytest.raises(ValidationError, match="follows the signer itself"):
        PoseSettings(detector="mediapipe", person_box="detector")
