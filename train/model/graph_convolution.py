"""A convolution over the points of a skeleton graph, whose edges fall into subsets."""

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.nn.functional import linear


class GraphConvolution(nn.Linear):
    """Sum over subsets k of A_k applied to W_k x. Equation 2; ST-GCN (arXiv 1801.07455).

    The weights hold the subsets one after another: output = subset x dim. Most of a subset's points
    send nothing or receive nothing, so that products of a few rows with W_k are enough.
    """

    edges: Tensor
    gather: Tensor
    scatter: Tensor

    def __init__(
        self, in_dim: int, out_dim: int, edges: Float64[np.ndarray, "subset joint joint"]
    ) -> None:
        """``edges`` is the stack A: ``edges[k, v, w]`` weighs what w receives from v."""
        super().__init__(in_dim, len(edges) * out_dim)
        gathers, scatters = zip(*(passage(subset) for subset in edges), strict=True)
        self.rows_of_subsets = [len(gather) for gather in gathers]
        matrices = {
            "edges": edges,
            "gather": np.concatenate(gathers),
            "scatter": np.concatenate(scatters, axis=1),
        }
        for name, matrix in matrices.items():
            self.register_buffer(name, torch.from_numpy(matrix).float(), persistent=False)
        # Edges and weights are one matrix where all points' input is smaller than a point's output.
        self.is_folded = in_dim * edges.shape[1] <= out_dim

    def forward(self, features: Float[Tensor, "row joint _dim"]) -> Float[Tensor, "row joint _dim"]:
        """Features of the same points."""
        weights = rearrange(self.weight, "(k o) c -> k o c", k=len(self.edges))
        biases = rearrange(self.bias, "(k o) -> k o", k=len(self.edges))
        bias = einsum(self.edges, biases, "k v w, k o -> w o")
        if self.is_folded:
            folded = einsum(self.edges, weights, "k v w, k o c -> w o v c")
            folded = rearrange(folded, "w o v c -> (w o) (v c)")
            outputs = linear(features.flatten(1), folded, bias.flatten())
            return rearrange(outputs, "n (w o) -> n w o", w=features.shape[1])
        messages = torch.cat(self._messages(features, weights), dim=1)
        return torch.baddbmm(bias, self.scatter.expand(len(features), -1, -1), messages)

    def _messages(
        self,
        features: Float[Tensor, "row joint channel"],
        weights: Float[Tensor, "subset dim channel"],
    ) -> list[Float[Tensor, "row _part dim"]]:
        """For each subset, the rows between gathering and scattering."""
        gathers = torch.split(self.gather, self.rows_of_subsets)
        return [
            # As many rows as points are the points themselves.
            linear(features if rows == features.shape[1] else gather @ features, weight)
            for rows, gather, weight in zip(
                self.rows_of_subsets, gathers, weights.unbind(), strict=True
            )
            if rows
        ]


def passage(
    edges: Float64[np.ndarray, "joint joint"],
) -> tuple[Float64[np.ndarray, "_part joint"], Float64[np.ndarray, "joint _part"]]:
    """``gather`` and ``scatter``, whose product ``scatter @ gather`` is a subset's transpose.

    Between them are the points that send something or those that receive something, whichever are
    fewer.
    """
    identity = np.eye(len(edges))
    sends, receives = edges.any(axis=1), edges.any(axis=0)
    if sends.sum() <= receives.sum():
        return identity[sends], edges[sends].T
    return edges[:, receives].T, identity[:, receives]
