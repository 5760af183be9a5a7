"""Networks of stage one that cost nothing: what they find follows from the pictures alone."""

import numpy as np

from extract.videos.decoding import confirmed_frames
from reference.small_stores import POSE, RGB, RGB_DIM, plan, resting, signer


def fingerprint(frame):
    """A number that says which picture of ``video_files`` this is, whatever compression did."""
    from video_files import read_number

    return read_number(frame)


class MadeUpFeatures:
    """Each clip's feature follows from the number of its first frame."""

    provenance, batch_size = RGB, 1

    def cut(self, video_id):
        return None

    def num_rows(self, video):
        return len(plan(video.properties.num_frames).starts)

    def pieces(self, video):
        numbers = [fingerprint(frame) for frames in confirmed_frames(video) for frame in frames]
        yield plan(video.num_frames), numbers

    def rows(self, pieces):
        ((clips, numbers),) = pieces
        features = [
            np.random.default_rng(numbers[start]).normal(size=RGB_DIM) for start in clips.starts
        ]
        return [
            {
                "features": np.array(features, np.float32),
                "first_frame": clips.first_frames,
                "frame_step": np.full(len(clips.starts), clips.frame_step, np.int32),
            }
        ]


class MadeUpKeypoints:
    """A signer who moves as the numbers of the frames tell; nobody in frames from 8000 on.

    From 4000 on there is somebody whose hands cannot be seen.
    """

    provenance, batch_size = POSE, 8

    def cut(self, video_id):
        return None

    def num_rows(self, video):
        return plan(video.properties.num_frames).num_timeline_frames

    def pieces(self, video):
        position = 0
        for frames in confirmed_frames(video):
            for frame in frames:
                yield position * video.frame_step, fingerprint(frame)
                position += 1

    def rows(self, pieces):
        return [self._row(frame, number) for frame, number in pieces]

    def _row(self, frame, number):
        keypoints = signer(1, np.random.default_rng(number))
        if number >= 4000:
            keypoints = resting(keypoints, [0])
        is_person = number < 8000
        return {
            "keypoints": keypoints if is_person else np.full_like(keypoints, np.nan) * [1, 1, 0],
            "person_found": np.array([is_person]),
            "person_box": np.zeros((1, 4), np.float32),
            "frame": np.array([frame], np.int32),
        }
