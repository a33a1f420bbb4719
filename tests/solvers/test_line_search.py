"""Going back along a step until the value falls as its slope promises."""

from dataclasses import replace

import numpy as np
import pytest

from opinionpool.solvers.evaluation import Evaluation
from opinionpool.solvers.line_search import backtrack


def valley(x):
    """Return ``x²``, whose slope at 1 is 2."""
    return Evaluation(float(x[0] ** 2), 2 * x, np.full((1, 1), 2.0))


def go(evaluate, step, most=50, shortest=0.0, tidy=np.array):
    x = np.ones(1)
    step = np.array([float(step)])
    now = replace(valley(x), value=1.0)
    slope = float(now.gradient @ step)
    return backtrack(evaluate, tidy, x, now, step, slope, most, shortest)


def test_a_step_that_is_good_is_taken_whole():
    found = go(valley, -1.0)
    assert (found.length, found.n_evaluations) == (1.0, 1)
    assert found.x == 0.0
    assert found.evaluation.value == 0.0


def test_a_parabola_is_minimised_by_the_second_trial():
    found = go(valley, -4.0)  # from 1 to −3; the least is a quarter of the way
    assert found.n_evaluations == 2
    assert found.length == pytest.approx(0.25, rel=1e-15)
    assert found.evaluation.value == pytest.approx(0.0, abs=1e-30)


@pytest.mark.parametrize("wall", [np.inf, np.nan, 1e300])
def test_a_wall_is_backed_away_from_by_tenths(wall):
    tried = []

    def evaluate(x):
        tried.append(1 - float(x[0]))
        own = valley(x)
        return own if x[0] > 0.99 else replace(own, value=wall)

    found = go(evaluate, -1.0)
    assert tried == pytest.approx([1.0, 0.1, 0.01, 0.001])
    assert found.evaluation.value < 1.0


def test_there_is_an_end_to_it_where_nothing_is_good():
    def up(x):
        return replace(valley(x), value=2.0)

    assert go(up, -1.0, most=7).n_evaluations == 7
    assert go(up, -1.0, most=7).evaluation.value == 2.0
    assert go(up, -1.0, shortest=0.01).length >= 0.01


def test_what_rounding_can_make_of_a_value_is_no_rise():
    def flat(x):
        return replace(valley(x), value=1.0 + 1e-16)

    assert go(flat, -1e-17).n_evaluations == 1


def test_points_are_tidied_before_they_are_tried():
    found = go(valley, -1.5, tidy=lambda x: np.maximum(x, 0.0))
    assert found.x == 0.0
    assert found.n_evaluations == 1
