"""The harness: rounds, ratios, contestants that fail or take too long, and the page of tables."""

import json
from pathlib import Path

import pytest

from benchmarks import pages
from benchmarks.speed import race as harness
from benchmarks.speed.fit import advantage, first_within
from benchmarks.speed.machine import facts, peak_memory

ROOT = Path(__file__).resolve().parents[2]


class Clock:
    """Time that only contestants spend."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now

    def taking(self, *seconds, found=None):
        turns = iter(seconds)

        def run():
            self.now += next(turns)
            return found

        return run


@pytest.fixture
def clock(monkeypatch):
    monkeypatch.setattr(harness, "PAUSE", 0)
    return Clock()


def test_ratios_are_taken_within_rounds_and_the_first_does_not_count(clock):
    records = harness.race(
        {"limit": clock.taking(9, 1, 2, 4), "ours": clock.taking(9, 2, 6, 20, found="result")},
        3,
        clock=clock,
    )
    assert records["ours"].seconds == [None, 2, 6, 20]
    assert records["ours"].found == "result"
    # 2, 3 and 5 by round.
    assert records["ours"].ratio(records["limit"]) == 3


def test_patience_ends_and_a_first_run_that_used_it_up_counts(clock):
    race = {
        "limit": clock.taking(1, 1, 1, 1),
        "slow": clock.taking(60, 70),
        "slower": clock.taking(130),
        "compiling": clock.taking(130, 2, 3, 4),
    }
    records = harness.race(race, 3, patience=100, compiling=["compiling"], clock=clock)
    assert records["compiling"].seconds == [None, 2, 3, 4]
    assert records["slow"].seconds == [None, 70, None, None]
    assert records["slower"].seconds == [130, None, None, None]
    assert records["slower"].ratio(records["limit"]) == 130  # of the medians: no round is shared


def test_who_cannot_run_is_named_and_the_race_goes_on(clock):
    def absent():
        raise harness.NotHereError("not installed")

    def broken():
        raise ZeroDivisionError("of its own")

    race = {"limit": clock.taking(1, 1, 1), "absent": absent, "broken": broken}
    records = harness.race(race, 2, clock=clock)
    assert records["absent"].note == "not installed"
    assert records["broken"].note == "failed: ZeroDivisionError: of its own"
    assert records["absent"].median is records["absent"].ratio(records["limit"]) is None
    assert records["limit"].seconds == [None, 1, 1]


def test_bandwidth_is_that_of_reading_in_the_same_rounds(clock):
    race = {"read": clock.taking(1, 1, 1), "write": clock.taking(2, 2, 2)}
    read, write = harness.rows(
        harness.race(race, 2, clock=clock), "read", {"read": 8e9, "write": 12e9}
    )
    assert (read["gb_per_s"], read["of_bandwidth"]) == (8, 1)
    # 12 bytes in the time in which reading alone moves 16.
    assert (write["gb_per_s"], write["of_bandwidth"]) == (6, 0.75)


def test_first_within_and_the_advantage():
    trace = [(0.1, 3.0), (0.5, 2.0), (1.0, 1.0)]
    assert first_within(trace, 2.5, 8.0) == 4.0  # half of what it took
    assert first_within(trace, 0.5, 8.0) is None
    assert first_within([], 0.5, 8.0) is None
    row = {"same": True, "median": 8.0, "enough": 6.0}
    table = [
        {"name": "read once", "median": 0.1},
        {"name": "opinionpool.fit", "median": 2.0, "same": True, "enough": 2.0},
        {"name": "SLSQP, NumPy", **row},
        {"name": "too far off", **row, "same": False, "median": 1.0, "enough": None},
        {"name": "SLSQP, our kernels", **row, "median": 4.0, "enough": 3.0},
    ]
    assert list(advantage(table).values()) == [4.0, 3.0, 2.0, 1.5]


def test_peak_memory_grows_with_what_is_used():
    before = peak_memory()
    assert before > 10_000_000
    block = b"x" * (before + 50_000_000)
    assert peak_memory() >= len(block)


def test_the_machine_is_described():
    known = facts()
    assert known["cores"] >= 1
    assert known["processor"]
    assert {"numpy", "scipy"} <= set(known["versions"])
    assert json.loads(json.dumps(known)) == known


MACHINE = {
    **{"day": "2026-01-01", "processor": "a processor", "cores": 2, "memory_gb": 8.0},
    **{"system": "Linux", "python": "3.11", "versions": {"numpy": "2"}, "load_before": 0.0},
}


def one_fit():
    row = {"name": "opinionpool.fit", "note": "", "median": 0.25, "ratio": 2.5, "enough": 0.25}
    judged = {"passes": 3, "excess": 0.0, "same": True, "of_bandwidth": 0.8, "gb_per_s": 20.0}
    lost = {**row, **judged, "name": "slow", "note": "stopped", "excess": 1e-3, "same": False}
    return {
        **{"machine": MACHINE, "rounds": 5, "scale": 1.0, "threads": 2},
        "races": [
            {
                **{"title": "8 x 9 x 10", "temperature": 1.0, "bytes": 2880},
                **{"limit": "read once", "ours": "opinionpool.fit"},
                "certificate": {"gap": 1e-9, "status": "converged"},
                "contestants": [{**row, **judged}, lost],
                "advantage": {"own means, to its end": 12.0},
            }
        ],
    }


def test_tables_are_put_between_the_marks_and_only_there():
    fit = "<!-- speed: fit -->\nold\n<!-- end -->\n"
    stack = "<!-- speed: stack -->\nkept\n<!-- end -->\n"
    page = f"before\n{fit}{stack}"
    text = pages.filled(page, {"fit": one_fit()})
    assert text.startswith("before\n<!-- speed: fit -->\n")
    assert "kept" in text
    assert "old" not in text
    line = "| **opinionpool.fit** | 250 ms | 2.50 | 250 ms | 3 | 0e+00 | 20.0 GB/s, 80 % |"
    assert line in text.splitlines()
    assert "| slow (stopped) | 250 ms | 2.50 | 250 ms | 3 | **1e-03: not within 1e-6** |" in text
    assert "own means, to its end 12." in text
    assert pages.filled(text, {"fit": one_fit()}) == text


@pytest.mark.parametrize(("scale", "load"), [(0.1, 0.0), (1.0, 2.0)])
def test_figures_that_are_none_say_so(scale, load):
    found = {**one_fit(), "scale": scale, "machine": {**MACHINE, "load_before": load}}
    said = pages.conditions(found)
    assert ("a trial" in said) == (scale != 1)
    assert ("not idle" in said) == (load > 0.5)


def test_the_page_shows_the_figures_that_are_kept():
    page = (ROOT / "docs" / "speed.md").read_text(encoding="utf-8")
    figures = json.loads((ROOT / "docs" / "speed.json").read_text(encoding="utf-8"))
    assert pages.filled(page, figures) == page, "run: python benchmarks/pages.py"
    assert set(figures) <= {"apply", "sums", "fit", "inputs", "stack", "stream", "start"}


def test_numbers_are_written_shortly():
    assert [pages.seconds(s) for s in (None, 0.01234, 1.234, 12.34)] == [
        *("–", "12.3 ms", "1.23 s", "12.3 s")
    ]
    assert [pages.times(x) for x in (None, 1.234, 12.3, 1234.5)] == ["–", "1.23", "12", "1,234"]
