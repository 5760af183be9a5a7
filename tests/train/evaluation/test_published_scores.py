from train.evaluation.metrics import PUBLISHED_SYSTEMS, TEST_SETS


def test_every_system_has_scores_on_every_data_set():
    for system in PUBLISHED_SYSTEMS:
        assert system.scores.keys() == TEST_SETS.keys()
        assert "arXiv" in system.source


def test_one_system_repeats_each_of_our_streams():
    streams = [system.stream for system in PUBLISHED_SYSTEMS if system.stream]
    assert sorted(streams) == ["fusion", "pose", "rgb"]


def test_recall_grows_with_the_cut_off():
    """A digit exchanged in the table would show here."""
    for system in PUBLISHED_SYSTEMS:
        for scores in system.scores.values():
            known = [v for v in (scores.t2v_r1, scores.t2v_r5, scores.t2v_r10) if v is not None]
            assert known == sorted(known)
            assert abs(scores.t2v_r1 - scores.v2t_r1) < 7


def test_gains_that_the_paper_states():
    """SEDS over CiCo, T2V R@1."""
    scores = {system.name: system.scores for system in PUBLISHED_SYSTEMS}
    gains = {
        data_set: round(
            scores["SEDS fusion (paper)"][data_set].t2v_r1 - scores["CiCo"][data_set].t2v_r1, 1
        )
        for data_set in TEST_SETS
    }
    assert gains == {"phoenix-2014t": 7.3, "csl-daily": 10.5, "how2sign": 5.9}
