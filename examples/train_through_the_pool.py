"""Train small networks and their pool together: ``python examples/train_through_the_pool.py``.

Three networks on scikit-learn's digits, each of which sees its own part of the image. They are
trained twice from the same start: apart, each on its own loss, and pooled afterwards with
``op.fit``; and together, end to end, on the loss of their log pool. Seconds on a CPU.

Together is not always better: what is trained through the pool may lean on the others, so a
member alone is worth less, and a member that is missing is missed more. The table shows both.
"""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

import opinionpool as op
from opinionpool.integrations.torch import OpinionPool

STRIPS = (slice(0, 28), slice(18, 46), slice(36, 64))  # of the 64 pixels, overlapping
EPOCHS, BATCH = 30, 64


class Member(nn.Module):
    """Logits from a strip of the image."""

    def __init__(self, strip: slice) -> None:
        super().__init__()
        self.strip = strip
        self.layers = nn.Sequential(nn.Linear(28, 24), nn.ReLU(), nn.Linear(24, 10))

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 10) logits of (N, 64) pixels."""
        return self.layers(x[:, self.strip])


def members(seed: int) -> nn.ModuleList:
    """Return untrained members; the same for the same seed, whatever was drawn before."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.ModuleList(Member(strip) for strip in STRIPS)


def logits(networks: nn.ModuleList, x: Tensor) -> Tensor:
    """Return (M, N, 10)."""
    return torch.stack([member(x) for member in networks])


def train(networks: nn.ModuleList, x: Tensor, y: Tensor, seed: int, pool: nn.Module | None) -> None:
    """Train on the pool's loss, or without one on the sum of the members' own."""
    parameters = [*networks.parameters(), *([] if pool is None else pool.parameters())]
    optimiser = torch.optim.Adam(parameters, lr=3e-3)
    order = torch.Generator().manual_seed(seed)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(x), generator=order).split(BATCH):
            z = logits(networks, x[rows])
            if pool is None:
                loss = sum(nn.functional.cross_entropy(own, y[rows]) for own in z)
            else:
                loss = nn.functional.nll_loss(pool(z), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()


def by_name(networks: nn.ModuleList, x: Tensor) -> dict[str, Tensor]:
    """Return what ``op.fit`` and ``apply`` take."""
    with torch.no_grad():
        return dict(zip(("top", "middle", "bottom"), logits(networks, x), strict=True))


def nll(p: Tensor, y: Tensor) -> float:
    """Return the mean negative log-likelihood of (N, K) probabilities."""
    return float(-p[torch.arange(len(y)), y].log().mean())


def main(seed: int = 0) -> dict[str, float]:
    """Train both ways, print the table of test losses, and return it."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    x_train, rest, y_train, y_rest = train_test_split(x, y, test_size=0.5, random_state=seed)
    x_held, x_test, y_held, y_test = train_test_split(
        rest, y_rest, test_size=0.5, random_state=seed
    )
    x_train, x_held, x_test = (torch.tensor(a) for a in (x_train, x_held, x_test))
    y_train, y_held, y_test = (torch.tensor(a) for a in (y_train, y_held, y_test))

    apart = members(seed)
    train(apart, x_train, y_train, seed, None)
    layer = OpinionPool(len(STRIPS))
    together = members(seed)
    train(together, x_train, y_train, seed, layer)

    losses = {}
    for how, networks in (("apart", apart), ("together", together)):
        held, test = by_name(networks, x_held), by_name(networks, x_test)
        for name, z in test.items():
            losses[f"{how}: {name} alone"] = nll(op.softmax(z), y_test)
        losses[f"{how}: equal weights"] = nll(op.combine(test), y_test)
        # Weights and temperature on rows that nobody was trained on.
        losses[f"{how}: op.fit on held-out rows"] = nll(op.fit(held, y_held).apply(test), y_test)
    trained = layer.to_pool(tuple(test), range(10))
    losses["together: as trained"] = nll(trained.apply(test), y_test)

    for name, loss in losses.items():
        print(f"{name:40} {loss:.4f} nats per row")
    print(f"as trained: weights {trained.weights.round(3)}, T = {trained.temperature:.3f}")
    return losses


if __name__ == "__main__":
    main()
