"""What of one video is that video's failure."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_stores import POSE

from extract.pose.pose_stream import PoseStream, load_person_boxes
from extract.settings import ExtractSettings
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodeJob
from extract.videos.part import VideoError
from extract.videos.video_writing import write_video


class NoEstimator:
    """Finds nothing."""

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
