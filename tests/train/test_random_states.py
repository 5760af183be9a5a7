"""Random numbers can be had again: after a checkpoint, and in any order of reading."""

import random

import numpy as np
import torch

from train.random_states import (
    DropoutState,
    dealing_generator,
    example_generator,
    random_states,
    restore_random_states,
    seed_all,
)

CPU = torch.device("cpu")


def numbers():
    return random.random(), np.random.normal(), torch.rand(2).tolist()


def test_a_seed_starts_all_generators_anew():
    seed_all(7)
    first = numbers()
    assert numbers() != first
    seed_all(7)
    assert numbers() == first


def test_states_survive_a_file(tmp_path):
    seed_all(7)
    np.random.normal()  # leaves a second one in reserve
    torch.save(random_states(CPU), tmp_path / "states.pt")
    following = numbers()
    seed_all(8)
    states = torch.load(tmp_path / "states.pt", weights_only=True)
    restore_random_states(states, CPU)
    assert numbers() == following


def test_dropout_can_be_had_again():
    state = DropoutState.now(CPU)
    first = torch.rand(3)
    state.restore(CPU)
    assert torch.equal(torch.rand(3), first)


def test_the_same_numbers_again():
    assert example_generator(1, 2, 3).random() == example_generator(1, 2, 3).random()


def test_other_numbers_for_everything_else():
    generators = [
        example_generator(seed, epoch, place)
        for seed in (0, 1)
        for epoch in (0, 1)
        for place in (0, 1)
    ]
    generators += [dealing_generator(seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1)]
    drawn = [generator.random() for generator in generators]
    assert len(set(drawn)) == len(drawn)
