from train.random_states import dealing_generator, example_generator


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
