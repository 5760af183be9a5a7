from collections import Counter

import pytest

from seds_core.errors import UsageError
from train.data.sampler import EpochBatches, spread

DIFFERENT = tuple(f"sentence {i}" for i in range(23))


def test_every_video_at_most_once_in_full_batches():
    batches = EpochBatches(DIFFERENT, batch_size=5, seed=1).batches(0)
    assert [len(batch) for batch in batches] == [5] * 4
    positions = [position for batch in batches for position in batch]
    assert len(set(positions)) == 20
    assert set(positions) <= set(range(23))


def test_order_depends_on_seed_and_epoch_alone():
    sampler = EpochBatches(DIFFERENT, batch_size=5, seed=1)
    assert sampler.batches(3) == EpochBatches(DIFFERENT, batch_size=5, seed=1).batches(3)
    assert sampler.batches(3) != sampler.batches(4)
    assert sampler.batches(3) != EpochBatches(DIFFERENT, batch_size=5, seed=2).batches(3)


def test_what_is_left_out_changes():
    sampler = EpochBatches(DIFFERENT, batch_size=5, seed=1)
    seen = {p for epoch in range(10) for batch in sampler.batches(epoch) for p in batch}
    assert seen == set(range(23))


@pytest.mark.parametrize("same_sentence", ["together", "apart"])
def test_a_resumed_epoch_goes_on(same_sentence):
    sampler = EpochBatches(DIFFERENT, batch_size=5, seed=1, same_sentence=same_sentence)
    assert sampler.batches(2, first_step=3) == sampler.batches(2)[3:]


@pytest.mark.parametrize("same_sentence", ["together", "apart"])
def test_processes_share_the_batches_of_one(same_sentence):
    def sampler(rank, size):
        return EpochBatches(DIFFERENT, 6, 1, same_sentence, rank=rank, num_processes=size)

    shares = [sampler(rank, 3).batches(0) for rank in range(3)]
    joined = [a + b + c for a, b, c in zip(*shares, strict=True)]
    assert joined == sampler(0, 1).batches(0)
    assert sampler(0, 3).num_steps == len(joined) == 3


def test_a_split_smaller_than_a_batch_is_one_batch():
    assert sorted(EpochBatches(DIFFERENT[:5], 8, 0).batches(0)[0]) == [0, 1, 2, 3, 4]
    shares = [EpochBatches(DIFFERENT[:5], 8, 0, rank=r, num_processes=2).batches(0) for r in (0, 1)]
    assert [len(share) for share in shares] == [1, 1]
    assert [len(share[0]) for share in shares] == [2, 2]


def test_what_cannot_be_dealt_evenly_is_refused():
    with pytest.raises(UsageError, match="batch_size 8 cannot be dealt evenly to 3 processes"):
        EpochBatches(DIFFERENT, 8, 0, num_processes=3)
    with pytest.raises(UsageError, match="2 training videos cannot be dealt to 4 processes"):
        EpochBatches(DIFFERENT[:2], 8, 0, num_processes=4)


def test_videos_of_a_sentence_are_kept_apart():
    sentences = tuple(f"sentence {i % 6}" for i in range(24))  # each four times
    batches = EpochBatches(sentences, 6, 0, "apart").batches(0)
    assert sorted(p for batch in batches for p in batch) == list(range(24))
    for batch in batches:
        assert len({sentences[position] for position in batch}) == 6
    together = EpochBatches(sentences, 6, 0, "together").batches(0)
    assert any(len({sentences[position] for position in batch}) < 6 for batch in together)


def test_too_many_videos_of_a_sentence_are_spread_evenly():
    sentences = ["same"] * 7 + ["other"] * 5
    dealt = spread(list(range(12)), sentences, 3)
    counts = [Counter(sentences[p] for p in dealt[start : start + 4]) for start in (0, 4, 8)]
    assert sorted(count["same"] for count in counts) == [2, 2, 3]
