"""Counts the videos of a split in which a hand, or both, can never be used."""

from collections.abc import Iterable
from dataclasses import dataclass

from seds_core.errors import UsageError
from train.data.encoder_input import PoseInput
from train.data.retrieval_data import RetrievalData, SplitVideos


@dataclass(frozen=True)
class UnseenHands:
    """Numbers of videos; the model sees zeros in place of what cannot be used."""

    num_videos: int
    without_right: int
    """The right hand can be used in no frame."""
    without_left: int
    without_both: int
    """Counted in both of the above, too."""

    def __str__(self) -> str:
        """The report in one sentence."""
        return (
            f"of {self.num_videos:,} videos, {self.without_right:,} never show a usable right "
            f"hand, {self.without_left:,} a left one, {self.without_both:,} neither"
        )


def count_unseen_hands(data: RetrievalData, split: SplitVideos) -> UnseenHands:
    """Reads the keypoints of all videos of a split. Raises ``UsageError`` without a pose store."""
    pose = data.reader.pose
    if pose is None:
        raise UsageError("hands can only be counted in a stage that uses a pose store")
    reader = data.reader
    return count(reader.read_frames(pose, reader.locate(video.video_id)) for video in split)


def count(videos: Iterable[PoseInput]) -> UnseenHands:
    """Counts videos that were read already."""
    seen = [(video.right_is_usable.any(), video.left_is_usable.any()) for video in videos]
    return UnseenHands(
        num_videos=len(seen),
        without_right=sum(not right for right, _ in seen),
        without_left=sum(not left for _, left in seen),
        without_both=sum(not (right or left) for right, left in seen),
    )
