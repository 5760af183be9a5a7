import pytest


@pytest.fixture
def sample():
    """Ten videos, two of which were looked into."""
    from extract.run.sample import VideoSample

    return VideoSample("index.csv", 10, (100, 400), 0, 25.0, 3_000_000_000)


@pytest.fixture
def works():
    """An RGB clip takes 2 s, a pose frame 0.5 s, a fifth of it on the CPU."""
    from extract.run.hours import StreamWork, Work

    video = Work("video network", 2.0, 0.0, 40e9, "float32", "float16", 40e9)
    keypoints = Work("keypoint model", 0.5, 0.1, 20e9, "float32", "float16", 100e9)
    return StreamWork("rgb", (video,), 0.02), StreamWork("pose", (keypoints,), 0.01)


@pytest.fixture
def make(sample, works):
    """Makes a plan of the two."""
    from extract.run.plan_command import Machine, Step, make_plan
    from extract.settings import ExtractSettings

    def make(settings=None, sample=sample, machine=None, is_drawn=False):
        return make_plan(
            "how2sign",
            settings or ExtractSettings(),
            sample,
            works,
            machine or Machine("cpu", 2, is_cpu=True, load=0.1),
            [Step("keypoints", "seds-extract pose --out stores/[a].zarr")],
            ["an archive [1]"],
            is_drawn=is_drawn,
        )

    return make
