"""What every pose estimator offers, and the way from a video's frames to rows through it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from extract.stream import Rows

Choice = Literal["largest", "most_central"]


@dataclass(frozen=True)
class FoundBoxes:
    """The signer's box in consecutive frames."""

    boxes: Float32[np.ndarray, "frame box=4"]
    """Left, top, right, bottom in pixels; NaN where nobody was found."""
    is_found: Bool[np.ndarray, " frame"]


@runtime_checkable  # beartype asks isinstance
class PersonBoxes(Protocol):
    """The signer's boxes in one video; an object serves one video, front to back."""

    required_confidence: float
    """Mean confidence of the upper body from which a box truly holds a person: 0 where the box
    itself says so."""

    def boxes(self, frames: UInt8[np.ndarray, "frame height width channel=3"]) -> FoundBoxes:
        """The boxes in the frames that follow those of the previous call."""


class NoBoxError(LookupError):
    """A video of which the boxes' source knows nothing; the message says so."""


PersonBoxSource = Callable[[str, int], PersonBoxes]
"""From a video's id, and the step between its frames as they arrive, to its boxes; raises
:class:`NoBoxError`."""


@dataclass
class WholeFrameBoxes:
    """The whole image is the signer's box; the keypoints must say whether there is anybody."""

    required_confidence: float

    def boxes(self, frames: UInt8[np.ndarray, "frame height width channel=3"]) -> FoundBoxes:
        """One and the same box for all frames."""
        num_frames, height, width, _ = frames.shape
        box = np.array([0, 0, width, height], np.float32)
        return FoundBoxes(np.tile(box, (num_frames, 1)), np.ones(num_frames, bool))


def chosen_person(
    people: Float32[np.ndarray, "person box=4"], choice: Choice, width: int, height: int
) -> Float32[np.ndarray, " box=4"] | None:
    """The signer among the people of one frame, the first of equals; None when there is nobody."""
    if len(people) == 0:
        return None
    left, top, right, bottom = people.T
    if choice == "largest":
        best = np.argmax((right - left) * (bottom - top))
    else:
        best = np.argmin(np.hypot((left + right) / 2 - width / 2, (top + bottom) / 2 - height / 2))
    return people[best]


@dataclass(frozen=True)
class Track:
    """What is known of the signer after a frame."""

    box: Float32[np.ndarray, " box=4"]
    frames_since_seen: int


def followed(
    track: Track | None,
    detection: Float32[np.ndarray, " box=4"] | None,
    smoothing: float,
    max_gap_frames: int,
) -> Track | None:
    """The track one frame later; ``detection`` is None too where the detector did not look.

    A detection moves the box by exponential smoothing: ``smoothing * old + (1 - smoothing) *
    new``. Without one the box stays for at most ``max_gap_frames`` frames; then the track is lost,
    and the next detection begins a new one.
    """
    if detection is not None:
        if track is None:
            return Track(detection, 0)
        share = np.float32(smoothing)
        return Track(share * track.box + (1 - share) * detection, 0)
    if track is None or track.frames_since_seen >= max_gap_frames:
        return None
    return Track(track.box, track.frames_since_seen + 1)


UPPER_BODY = [0, 5, 6, 7, 8, 9, 10]
"""Nose, shoulders, elbows and wrists: what every signer shows."""


@runtime_checkable  # beartype asks isinstance
class PoseEstimator(Protocol):
    """Finds the keypoints of one person in every frame."""

    def start_video(self) -> None:
        """Forget everything about the frames prepared so far."""

    def prepared(
        self,
        frames: UInt8[np.ndarray, "frame height width channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> list[Any]:
        """For each frame what the network needs of the person in its box, copied.

        ``frames`` are RGB and follow the frames of the previous call in the same video. May run in
        another thread than :meth:`keypoints`, at the same time.
        """

    def keypoints(
        self, prepared: Sequence[Any]
    ) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
        """x, y in pixels of the frame, and confidence, of prepared frames of any videos.

        A point that was looked for in vain is NaN, NaN, 0. What is found in a frame does not depend
        on the others, to the bit.
        """


@dataclass(frozen=True)
class PosePiece:
    """One frame on its way through the keypoint model."""

    frame: int
    """Its number in the video."""
    prepared: Any
    """The estimator's; ``None`` where there is no box."""
    box: Float32[np.ndarray, " box=4"]
    """The region that the estimator is given, in pixels; NaN where there is none."""
    required_confidence: float
    """Mean confidence of the upper body from which the box truly holds a person."""


def pose_pieces(
    estimator: PoseEstimator,
    boxes: PersonBoxes,
    chunks: Iterable[UInt8[np.ndarray, "_ height width channel=3"]],
    *,
    batch_size: int,
    frame_step: int = 1,
) -> Iterator[PosePiece]:
    """Every frame of one video's timeline, which is every ``frame_step``-th frame of the video.

    ``boxes`` belongs to this video alone; it sees ``batch_size`` frames at a time, however the
    frames are cut into ``chunks``, so that not even its last bits depend on them.
    """
    estimator.start_video()
    numbers = count(0, frame_step)
    for frames in batches(chunks, batch_size):
        found = boxes.boxes(frames)
        seen = found.is_found
        people = iter(estimator.prepared(frames[seen], found.boxes[seen]) if seen.any() else [])
        for is_seen, box in zip(seen, found.boxes, strict=True):
            person = next(people) if is_seen else None
            yield PosePiece(next(numbers), person, box, boxes.required_confidence)


def pose_rows(estimator: PoseEstimator, pieces: Sequence[PosePiece]) -> list[Rows]:
    """One row a frame: keypoints, whether there is a person, the box, the frame's number.

    Where nobody was found, ``person_found`` is False, x and y are NaN and the confidence is 0.
    """
    keypoints = nobody(len(pieces))
    seen = [place for place, piece in enumerate(pieces) if piece.prepared is not None]
    if seen:
        keypoints[seen] = estimator.keypoints([pieces[place].prepared for place in seen])
    return [_row(found, piece) for found, piece in zip(keypoints, pieces, strict=True)]


def _row(keypoints: Float32[np.ndarray, "keypoint=133 coordinate=3"], piece: PosePiece) -> Rows:
    is_person = has_person(keypoints, piece.required_confidence)
    return {
        "keypoints": keypoints[None] if is_person else nobody(1),
        "person_found": np.array([is_person]),
        "person_box": piece.box[None],
        "frame": np.array([piece.frame], np.int32),
    }


def has_person(
    keypoints: Float32[np.ndarray, "keypoint=133 coordinate=3"], required_confidence: float
) -> bool:
    """Whether the upper body has any confidence, and the required one on average."""
    confidence = keypoints[UPPER_BODY, 2].mean()
    return bool(confidence > 0 and confidence >= required_confidence)


def nobody(num_frames: int) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """Keypoints of frames in which nobody was found: NaN, NaN, confidence 0."""
    keypoints = np.full((num_frames, 133, 3), np.nan, np.float32)
    keypoints[..., 2] = 0.0
    return keypoints


def batches(
    chunks: Iterable[UInt8[np.ndarray, "_ height width channel=3"]], batch_size: int
) -> Iterator[UInt8[np.ndarray, "_ height width channel=3"]]:
    """The same frames in runs of exactly ``batch_size``, the last one shorter."""
    waiting: list[UInt8[np.ndarray, "_ _ _ channel=3"]] = []
    num_waiting = 0
    for chunk in chunks:
        waiting.append(chunk)
        num_waiting += len(chunk)
        if num_waiting < batch_size:
            continue
        joined = _joined(waiting)
        whole = num_waiting - num_waiting % batch_size
        for first in range(0, whole, batch_size):
            yield joined[first : first + batch_size]
        waiting = [joined[whole:]]
        num_waiting -= whole
    if num_waiting:
        yield _joined(waiting)


def _joined(
    chunks: list[UInt8[np.ndarray, "_ _ _ channel=3"]],
) -> UInt8[np.ndarray, "frame height width channel=3"]:
    return chunks[0] if len(chunks) == 1 else np.concatenate(chunks)
