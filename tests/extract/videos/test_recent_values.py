import pytest

from extract.videos.source_identity import RecentValues


def test_learns_once():
    values, learnt = RecentValues(capacity=2), []
    for key in "aabba":
        assert values.get(key, lambda key=key: learnt.append(key) or key) == key
    assert learnt == ["a", "b"]


def test_forgets_what_was_not_asked_for_the_longest():
    values, learnt = RecentValues(capacity=2), []
    for key in "abacab":
        values.get(key, lambda key=key: learnt.append(key) or key)
    assert learnt == ["a", "b", "c", "b"]


def test_a_failure_is_not_remembered():
    values = RecentValues(capacity=2)
    with pytest.raises(ZeroDivisionError):
        values.get("a", lambda: 1 // 0)
    assert values.get("a", lambda: 1) == 1
