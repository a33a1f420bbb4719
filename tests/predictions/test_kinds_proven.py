"""A few cells that prove what all are."""

import numpy as np
import pytest

from opinionpool.predictions.kinds import likely_probabilities, surely_logits


@pytest.mark.parametrize(
    ("cells", "renormalise", "expected"),
    [
        ([[0.5, -0.5]], False, True),
        ([[0.5, 1.5]], False, True),
        ([[0.5, 1.5]], True, False),  # counts
        ([[0.5, -0.5]], True, True),
        ([[0.5, 0.5]], False, False),
        ([[0.5, 1 + 1e-7]], False, False),
        ([[-0.5, -1.5]], False, False),
        ([[0.0, -1.5]], False, False),
        ([[1e-7, -1.5]], False, False),
        ([[np.nan, np.nan]], False, False),
        ([[np.nan, np.nan], [2.0, -1.0]], False, True),
        ([[-np.inf, 2.0]], False, True),
    ],
)
def test_proofs(cells, renormalise, expected):
    assert surely_logits(np.array(cells), renormalise=renormalise) is expected


def test_cells_of_all_rows_and_columns_are_looked_at():
    cells = np.full((10_000, 1_000), 0.5)
    cells[6_000:, 600:] = -3.0
    assert surely_logits(cells)


def test_a_few_cells_that_are_no_probabilities_prove_nothing():
    """Among many that are some they may be mistakes, to be told of."""
    cells = np.full((100, 100), 0.01)
    cells[0, :10] = 1.5
    assert not surely_logits(cells)
    assert likely_probabilities(cells)


def test_nothing_is_proven_of_no_cells():
    assert not surely_logits(np.empty((0, 3)))
