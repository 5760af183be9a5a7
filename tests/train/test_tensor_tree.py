import torch
from training_stand_in import random_batch

from train.batches import (
    concatenated,
    map_tensors,
    on_device,
    rows_of,
    tensors_of,
)


def test_all_tensors_are_gone_through_in_order():
    batch = random_batch(3)
    shapes = [tuple(tensor.shape) for tensor in tensors_of(batch)]
    assert len(shapes) == 10
    assert shapes[0] == tuple(batch.signs.clip_is_real.shape)
    assert shapes[-1] == tuple(batch.augmented.word_is_real.shape)


def test_none_stays():
    batch = random_batch(2)
    without_pose = map_tensors(
        lambda tensor: tensor, type(batch.signs)(batch.signs.clip_is_real, None, None)
    )
    assert without_pose.pose is None
    assert without_pose.rgb is None


def test_rows_put_together_again_are_the_whole():
    batch = random_batch(5)
    again = concatenated([rows_of(batch, slice(0, 2)), rows_of(batch, slice(2, 5))])
    for tensor, expected in zip(tensors_of(again), tensors_of(batch), strict=True):
        assert torch.equal(tensor, expected)


def test_several_trees_are_gone_through_together():
    batch = random_batch(2)
    doubled = map_tensors(lambda one, other: one + other, batch.signs.pose, batch.signs.pose)
    assert torch.equal(doubled.right, 2 * batch.signs.pose.right)


def test_a_device_is_reached():
    moved = on_device(random_batch(2), torch.device("meta"))
    assert {tensor.device.type for tensor in tensors_of(moved)} == {"meta"}
