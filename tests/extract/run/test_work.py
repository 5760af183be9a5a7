import pytest

from extract.run.hours import StreamWork, Work


def test_the_share_leaves_out_what_the_cpu_does(works):
    _, pose = works
    (keypoints,) = pose.works
    assert keypoints.share_of_matrix_rate == pytest.approx(20e9 / 0.4 / 100e9)


def test_a_network_outside_pytorch_reaches_nothing():
    mediapipe = Work("keypoint model", 0.1, 0.1, 0.0, "float32", "float16", 100e9)
    assert mediapipe.share_of_matrix_rate == 0


def test_rates_of_a_stream(works):
    _, pose = works
    both = StreamWork("pose", (*pose.works, *pose.works), 0.01)
    assert both.rows_a_second == pytest.approx(1.0)
    assert both.frames_decoded_a_second == pytest.approx(100)
