import pytest

from extract.run.sample import ONE_HOUR, RELEASES


def test_the_lengths_stand_for_what_is_published():
    """Frames of all videos: PHOENIX-2014T has 947,756; CSL-Daily 119.3 a video on average."""
    phoenix, csl = RELEASES["phoenix-2014t"], RELEASES["csl-daily"]
    assert frames(phoenix) == pytest.approx(947_756, rel=0.02)
    assert frames(csl) == pytest.approx(20_654 * 119.3, rel=0.02)


def test_one_hour_is_one_hour():
    assert frames(ONE_HOUR) / ONE_HOUR.fps == 3600


def test_the_pipelines_with_published_scores_are_known():
    assert set(RELEASES) == {"phoenix-2014t", "csl-daily", "how2sign"}
    assert all(release.archives for release in RELEASES.values())


def frames(release):
    return release.videos * sum(release.lengths) / len(release.lengths)
