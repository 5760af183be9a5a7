"""Light checkpoints: half the size, plain values, whole or absent."""

import numpy as np
import torch

from extract.demo.pose_training import plain, write_light_checkpoint


def test_kernels_are_rounded_and_statistics_kept(tmp_path):
    state = {
        "kernel": torch.full((2, 3), 1 / 3),
        "running_var": torch.tensor([1e-9, 1.0]),
        "num_batches_tracked": torch.tensor(7),
    }
    write_light_checkpoint(state, {"sigmas": np.array([0.5])}, tmp_path / "light.pth")
    content = torch.load(tmp_path / "light.pth", weights_only=True)
    stored = content["state_dict"]
    assert stored["kernel"].dtype == torch.float16
    torch.testing.assert_close(stored["kernel"].float(), state["kernel"], rtol=1e-3, atol=0)
    torch.testing.assert_close(stored["running_var"], state["running_var"], rtol=0, atol=0)
    assert stored["num_batches_tracked"] == 7
    assert content["meta"] == {"dataset_meta": {"sigmas": [0.5]}}
    assert [path.name for path in tmp_path.iterdir()] == ["light.pth"]


def test_plain_values_have_no_numpy_in_them():
    value = {1: (np.float32(2), {"a": np.zeros((1, 2))}), "names": {"x"}}
    assert plain(value) == {1: [2.0, {"a": [[0.0, 0.0]]}], "names": ["x"]}
