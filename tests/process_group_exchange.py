"""Run by two processes: everything that processes tell each other, against what it should be."""

import torch
from training_stand_in import StandInModel, random_batch

from train import processes as module
from train.model.normalisation import average_running_statistics
from train.processes import joined_processes


def main():
    module.BUCKET_ELEMENTS = 10
    with joined_processes("cpu") as processes:
        rank = processes.rank
        assert processes.size == 2
        assert processes.is_first == (rank == 0)

        rows = torch.arange(4.0).view(2, 2) + 10 * rank
        expected = torch.tensor([[0.0, 1], [2, 3], [10, 11], [12, 13]])
        assert torch.equal(processes.gather_rows(rows), expected)
        mask = torch.tensor([rank == 0, True])
        assert processes.gather_rows(mask).tolist() == [True, True, False, True]

        # Below, in and above one bucket.
        tensors = [torch.full((size,), 1.0 + rank) for size in (3, 7, 2, 25, 0, 1)]
        processes.sum_in_place(tensors)
        assert all((tensor == 3).all() for tensor in tensors)

        processes.copy_from_first([copied := torch.tensor([rank + 5])])
        assert copied.item() == 5
        assert processes.largest(rank) == 1
        assert processes.gather_values({"rank": rank}) == [{"rank": 0}, {"rank": 1}]
        assert processes.value_of_first(rank) == 0
        running_statistics(processes)


def running_statistics(processes):
    torch.manual_seed(0)
    model = StandInModel()
    means = []
    for seed in range(2):
        model.pose_encoder[1].reset_running_stats()
        model.encode_signs(random_batch(4, seed).signs)
        means.append(model.pose_encoder[1].running_mean.clone())
    model.pose_encoder[1].running_mean.copy_(means[processes.rank])
    average_running_statistics(model, processes)
    torch.testing.assert_close(model.pose_encoder[1].running_mean, (means[0] + means[1]) / 2)


if __name__ == "__main__":
    main()
