"""How much memory there is, and saying no in time."""

import pytest

from opinionpool import memory
from opinionpool.errors import MemoryLimitError

GROUP_2 = "sys/fs/cgroup/jobs/mine"
GROUP_1 = "sys/fs/cgroup/memory/jobs/mine"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Give a function that writes the files of a machine that is not this one."""

    def put(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    monkeypatch.setattr(memory, "_ROOT", tmp_path)
    put("proc/meminfo", "MemTotal: 9000 kB\nMemFree: 1 kB\nMemAvailable:    8000 kB\n")
    return put


def test_what_the_machine_has_free(machine):
    assert memory.available_bytes() == 8000 * 1024


def test_a_limit_of_version_2(machine):
    machine("proc/self/cgroup", "0::/jobs/mine\n")
    machine(f"{GROUP_2}/memory.max", "5000\n")
    machine(f"{GROUP_2}/memory.current", "3000\n")
    assert memory.available_bytes() == 2000
    machine(f"{GROUP_2}/memory.stat", "anon 2000\ninactive_file 1000\n")
    assert memory.available_bytes() == 3000
    machine(f"{GROUP_2}/memory.current", "9000\n")
    assert memory.available_bytes() == 0


def test_no_limit_of_version_2_but_one_around_it(machine):
    machine("proc/self/cgroup", "0::/jobs/mine\n")
    machine(f"{GROUP_2}/memory.max", "max\n")
    machine(f"{GROUP_2}/memory.current", "3000\n")
    assert memory.available_bytes() == 8000 * 1024
    machine("sys/fs/cgroup/jobs/memory.max", "7000\n")
    machine("sys/fs/cgroup/jobs/memory.current", "3000\n")
    assert memory.available_bytes() == 4000


def test_a_limit_of_version_1(machine):
    machine("proc/self/cgroup", "9:cpu:/x\n4:memory:/jobs/mine\n0::/\n")
    machine(f"{GROUP_1}/memory.limit_in_bytes", "5000\n")
    machine(f"{GROUP_1}/memory.usage_in_bytes", "3000\n")
    machine(f"{GROUP_1}/memory.stat", "total_inactive_file 500\n")
    assert memory.available_bytes() == 2500


def test_a_group_named_by_the_path_on_the_host(machine):
    machine("proc/self/cgroup", "0::/not/visible/here\n")
    machine("sys/fs/cgroup/memory.max", "5000\n")
    machine("sys/fs/cgroup/memory.current", "1000\n")
    assert memory.available_bytes() == 4000


def test_systems_without_these_files(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "_ROOT", tmp_path)
    answers = {"SC_PHYS_PAGES": 10, "SC_PAGE_SIZE": 4096}

    def sysconf(name):
        if name not in answers:
            raise ValueError(name)
        return answers[name]

    monkeypatch.setattr("os.sysconf", sysconf)
    assert memory.available_bytes() == 40960
    answers.clear()
    assert memory.available_bytes() is None
    memory.require(10**30, "anything")  # not known to be too much


def test_this_machine_says_something_sensible():
    free = memory.available_bytes()
    assert free is None or 10**6 < free < 10**15


def test_refusing_says_what_needs_how_much(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 1_500_000_000)
    memory.require(1_500_000_000, "reading a.npy")
    with pytest.raises(MemoryLimitError, match=r"reading a\.npy needs 1\.5 GB .* 1\.5 GB is avail"):
        memory.require(1_500_000_001, "reading a.npy")


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1_234_567, "1.23 MB"),
        (999_999, "1 MB"),
        (200 * 10**9, "200 GB"),
        (3 * 10**15, "3 PB"),
        (10**22, "10,000,000 PB"),
    ],
)
def test_units(n_bytes, text):
    assert memory.human(n_bytes) == text
