"""Signers are people of different looks, and the same seed is the same person."""

from extract.demo.signer import sample_signer

SIGNERS = [sample_signer(seed) for seed in range(200)]


def test_a_seed_is_a_person():
    assert sample_signer(7) == SIGNERS[7]
    assert len({signer.look.cloth for signer in SIGNERS}) == len(SIGNERS)


def test_all_kinds_of_people_occur():
    assert {signer.look.hair_style for signer in SIGNERS} == {"none", "short", "long", "bun"}
    assert {signer.habits.is_left_handed for signer in SIGNERS} == {True, False}
    assert any(signer.look.sleeve < 0.7 for signer in SIGNERS)
    assert any(signer.look.sleeve > 1.8 for signer in SIGNERS)
    brightness = [sum(signer.look.skin) for signer in SIGNERS]
    assert max(brightness) > 2.5 * min(brightness)


def test_colours_are_colours():
    for signer in SIGNERS:
        look = signer.look
        for colour in (look.skin, look.hair, look.cloth, look.cloth_detail, look.lips):
            assert all(0 <= value <= 255 for value in colour)
