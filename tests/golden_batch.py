"""The golden batch as the model takes it, and how far two results are apart."""

import numpy as np
import torch
from shared_data import golden_path

from train.batches import PoseBatch, SignBatch, TextBatch
from train.text.openai_clip import up_to_end


def golden_signs() -> SignBatch:
    """Four videos, padded to 100 frames."""
    batch = {name: torch.from_numpy(values) for name, values in golden("batch.npz").items()}
    pose = PoseBatch(batch["right"], batch["left"], batch["body"], batch["clip_starts"])
    rgb = batch["rgb"].transpose(1, 2).contiguous()
    return SignBatch(batch["clip_mask"][:, 1:] == 0, pose, rgb)


def golden_text(name: str = "input_ids") -> TextBatch:
    """Their sentences, or with ``input_ids_aug`` the augmented ones."""
    ids = torch.from_numpy(golden("batch.npz")[name])
    return TextBatch(ids, up_to_end(ids))


def golden(name: str) -> dict[str, np.ndarray]:
    """All arrays of a golden file."""
    with np.load(golden_path(name)) as file:
        return dict(file)


def distance(found: torch.Tensor | np.ndarray, expected: np.ndarray) -> float:
    """Largest difference, as a share of the largest expected value."""
    return float(np.abs(np.asarray(found) - expected).max() / np.abs(expected).max())
