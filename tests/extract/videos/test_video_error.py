import pickle
from pathlib import Path

import pytest

from extract.videos.part import FrameCountChanged, VideoError


def test_names_the_video_and_the_reason():
    assert str(VideoError(Path("a/b.mp4"), "is empty")) == "a/b.mp4: is empty"


@pytest.mark.parametrize("error", [VideoError(Path("b.mp4"), "is empty"), FrameCountChanged(7)])
def test_survives_the_way_from_another_process(error):
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
