"""Thresholds against all cuts tried one by one, and metrics against scikit-learn's."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tolerance import ulps

from opinionpool.diagnostics.cuts import Cuts
from opinionpool.diagnostics.decisions import METRICS, Counts, cost_aim, counts_of, metric_aim
from opinionpool.diagnostics.optimism import bootstrapped, out_of_fold, quantiles

F8 = np.float64
AIMS = {**{name: metric_aim(name) for name in METRICS}, "cost": cost_aim(1.0, 3.0)}


def draw(seed, n=60, levels=None, weighted=False, soft=False):
    """Probabilities that know something, and how much each row is positive and negative."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    y[:2] = 0, 1
    p = 1 / (1 + np.exp(-(rng.normal(size=n) + 1.5 * y - 0.7)))
    if levels:
        p = np.round(p * levels) / levels
    u = rng.integers(1, 5, n).astype(float) if weighted else np.ones(n)
    q = rng.random(n) if soft else y.astype(float)
    return p, u * q, u * (1 - q)


def all_ways(p, aim, plus, minus):
    """Value of every way to decide, by a threshold below, at or above every probability."""
    tried = [-1.0, *sorted(set(p.tolist())), 2.0]
    return {t: float(aim.value(counts_of(p >= t, plus, minus))) for t in tried}


@pytest.mark.parametrize("aim", AIMS.values(), ids=AIMS)
@pytest.mark.parametrize("levels", [None, 6])
@pytest.mark.parametrize("kind", [{}, {"weighted": True}, {"soft": True}], ids=str)
def test_no_other_threshold_does_better(aim, levels, kind):
    for seed in range(5):
        p, plus, minus = draw(seed, levels=levels, **kind)
        best = Cuts(p).best(aim, plus, minus)
        choose = max if aim.larger_is_better else min
        value = choose(all_ways(p, aim, plus, minus).values())
        assert best.value == pytest.approx(value, rel=ulps(F8, 64), abs=ulps(F8, 64))
        attained = float(aim.value(counts_of(p >= best.threshold, plus, minus)))
        assert attained == pytest.approx(value, rel=ulps(F8, 64), abs=ulps(F8, 64))


def exact_best(p, plus, minus, fp, fn):
    """The rule in rational numbers: the middle of the longest range of cheapest thresholds."""
    values = sorted(set(p))
    ends = [Fraction(0), *map(Fraction, values), Fraction(1)]
    cost = []
    for cut in range(len(values) + 1):
        decided = [x >= values[cut] if cut < len(values) else False for x in p]
        cost.append(
            sum(fp * b if d else fn * a for d, a, b in zip(decided, plus, minus, strict=True))
        )
    runs, start = [], None
    for cut in range(len(cost) + 1):
        if cut < len(cost) and cost[cut] == min(cost):
            start = cut if start is None else start
        elif start is not None:
            runs.append((ends[start], ends[cut]))
            start = None
    return max(runs, key=lambda run: run[1] - run[0])  # the first of equal ones


def test_values_that_differ_by_rounding_are_equal():
    """All positive, or none of three rows of .3, −.1 and −.2: both are right for 2/3."""
    p = np.array([0.4, 0.5, 0.6, 0.7])
    plus, minus = np.array([0.3, 0, 0, 0.3]), np.array([0, 0.1, 0.2, 0])
    values = AIMS["accuracy"].value(Cuts(p).counts(plus, minus))
    assert values[0] < values[3]
    assert values[0] == pytest.approx(values[3], rel=ulps(F8, 4))
    best = Cuts(p).best(AIMS["accuracy"], plus, minus)
    assert (best.low, best.high) == (0, 0.4)  # longer than (.6, .7]


@given(
    st.lists(
        st.tuples(st.integers(0, 16), st.integers(0, 3), st.integers(0, 3)),
        min_size=1,
        max_size=25,
    ),
    st.integers(1, 4),
    st.integers(1, 4),
)
def test_the_middle_of_the_longest_range_is_chosen(rows, fp, fn):
    """Sixteenths: everything is exact, ends and ties included."""
    p, plus, minus = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    p /= 16
    if not (plus.any() or minus.any()):
        return
    low, high = exact_best(p.tolist(), plus, minus, fp, fn)
    best = Cuts(p).best(cost_aim(fp, fn), plus, minus)
    assert (best.low, best.high) == (low, high)
    middle = (low + high) / 2
    expected = math.inf if low == high == 1 else float(middle)
    assert best.threshold == expected


@pytest.mark.parametrize(("name", "theirs"), [
    ("accuracy", "accuracy_score"),
    ("balanced-accuracy", "balanced_accuracy_score"),
    ("f1", "f1_score"),
    ("kappa", "cohen_kappa_score"),
    ("mcc", "matthews_corrcoef"),
])  # fmt: skip
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_are_scikit_learns(name, theirs, weighted):
    metrics = pytest.importorskip("sklearn.metrics")
    p, plus, minus = draw(3, weighted=weighted)
    counts = Cuts(p).counts(plus, minus)
    ours = METRICS[name](counts)
    for cut, value in enumerate(np.unique(p)):
        peer = getattr(metrics, theirs)(plus > 0, p >= value, sample_weight=plus + minus)
        assert ours[cut] == pytest.approx(peer, abs=1e-12)
    if name != "accuracy":
        assert ours[-1] == pytest.approx({"balanced-accuracy": 0.5}.get(name, 0.0))


def test_youden_is_sensitivity_and_specificity():
    counts = Counts(tp=np.array(30.0), fp=np.array(5.0), fn=np.array(10.0), tn=np.array(15.0))
    assert METRICS["youden"](counts) == pytest.approx(0.75 + 0.75 - 1)
    p, plus, minus = draw(4, weighted=True)
    j, b = (Cuts(p).best(AIMS[name], plus, minus) for name in ("youden", "balanced-accuracy"))
    assert (j.threshold, j.value) == (b.threshold, pytest.approx(2 * b.value - 1))


def test_metrics_of_nothing_are_zero():
    none = Counts(*np.zeros((4, 1)))
    assert {float(metric(none)[0]) for name, metric in METRICS.items() if name != "youden"} == {0}


@pytest.mark.parametrize("aim", AIMS.values(), ids=AIMS)
def test_a_weight_is_that_many_rows(aim):
    p, plus, minus = draw(5, weighted=True, levels=20)
    times = (plus + minus).astype(int)
    rows = np.repeat(np.arange(len(p)), times)
    weighted = Cuts(p).best(aim, plus, minus)
    plain = Cuts(p[rows]).best(aim, (plus / times)[rows], (minus / times)[rows])
    assert (weighted.threshold, weighted.low, weighted.high) == (
        plain.threshold, plain.low, plain.high,
    )  # fmt: skip
    assert weighted.value == pytest.approx(plain.value, rel=ulps(F8, 64))


def test_rows_of_weight_0_are_no_rows():
    p, plus, minus = draw(6)
    kept = np.arange(len(p)) % 3 > 0
    for aim in AIMS.values():
        assert Cuts(p).best(aim, plus * kept, minus * kept) == Cuts(p[kept]).best(
            aim, plus[kept], minus[kept]
        )


def test_costs_in_closed_form():
    """Frequencies .1, .3, .6 and .9 at these probabilities: where P is calibrated, fp/(fp + fn)."""
    p = np.array([0.1, 0.3, 0.6, 0.9])
    for fp, fn in ((1, 1), (1, 5), (4, 1), (1, 20), (30, 1)):
        aim = cost_aim(fp, fn)
        assert aim.reference == pytest.approx(fp / (fp + fn))
        best = Cuts(p).best(aim, p, 1 - p)
        assert best.low < aim.reference <= best.high
        assert best.value == pytest.approx(np.minimum(fp * (1 - p), fn * p).mean())


def test_huge_costs_do_not_overflow():
    assert cost_aim(1e308, 1e308).reference == 0.5
    assert cost_aim(1e-300, 1e300).reference == 0.0


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_neighbouring_numbers_are_divided(dtype):
    """Their middle is one of them; at the lower one, it would not be decided negative."""
    for start in (0.3, 0.30000001, 0.7, 0.9999):
        low = dtype(start)
        high = np.nextafter(low, dtype(1))
        p = np.array([low, high])
        best = Cuts(p).best(AIMS["accuracy"], np.array([0.0, 1.0]), np.array([1.0, 0.0]))
        assert (p >= best.threshold).tolist() == [False, True]
        assert dtype(best.threshold) == best.threshold


def test_certainty_that_is_wrong_is_never_followed():
    best = Cuts(np.array([0.2, 1.0])).best(cost_aim(1, 1), np.array([1.0, 0]), np.array([0.0, 3]))
    assert best.threshold == math.inf
    zero = Cuts(np.array([0.0, 0.2])).best(cost_aim(1, 9), np.array([1.0, 0]), np.array([0.0, 1]))
    assert zero.threshold == 0.0


def test_out_of_fold_decisions_are_those_of_the_other_folds():
    p, plus, minus = draw(7)
    rows = np.arange(len(p))
    splits = [(rows[rows % 3 != f], rows[rows % 3 == f]) for f in (1, 2)]
    found = out_of_fold(AIMS["f1"], p, plus, minus, splits)
    for t, (train, test) in zip(found.thresholds, splits, strict=True):
        assert t == Cuts(p[train]).best(AIMS["f1"], plus[train], minus[train]).threshold
        assert (found.decided[test] == (p[test] >= t)).all()
    assert found.tested.tolist() == (rows % 3 > 0).tolist()
    # At its own threshold a row is decided positive.
    p[:3], plus[:3] = (0.25, 0.75, 0.5), (0, 1, 1)
    middle = out_of_fold(AIMS["f1"], p, plus, 1 - plus, [(rows[:2], rows[2:3])])
    assert middle.thresholds == [0.5]
    assert middle.decided[2]
    one_class = [splits[0], (np.flatnonzero(plus > 0), rows)]
    assert out_of_fold(AIMS["f1"], p, plus, minus, one_class) == 2


def test_bootstraps_draw_whole_clusters():
    """Of two clusters that want other thresholds: one, the other, or what both want."""
    p = np.array([0.2, 0.4, 0.6, 0.8])
    plus, cluster = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0, 0, 1, 1])
    aim, minus = AIMS["accuracy"], 1 - plus
    found = bootstrapped(aim, Cuts(p), plus, minus, cluster, 50, seed=1)
    assert len(found) == 50
    # Both are as good for both clusters together, and the ranges equally long: the lower one.
    assert Cuts(p).best(aim, plus, minus).threshold == pytest.approx(0.3)
    assert set(found.round(6).tolist()) == {0.3, 0.7}
    again = bootstrapped(aim, Cuts(p), plus, minus, cluster, 50, seed=1)
    assert (again == found).all()
    other = bootstrapped(aim, Cuts(p), plus, minus, cluster, 50, seed=2)
    assert (other != found).any()


def test_quantiles_of_what_may_be_infinite():
    ordered = np.array([*range(100), math.inf])
    assert quantiles(ordered, 0.9) == (5, 95)
    assert quantiles(ordered, 1.0) == (0, math.inf)
    assert quantiles(np.array([3.0]), 0.9) == (3, 3)
