"""Exit codes, and that nothing but results is on stdout and nothing but one line per problem."""

import os
import subprocess
import sys
import warnings

import numpy as np
import pytest

import opinionpool
from opinionpool.cli import entry
from opinionpool.cli.entry import as_options, one_line
from opinionpool.errors import OpinionPoolWarning

COMMANDS = ("combine", "fit", "apply", "score", "compare", "show", "demo")


def shell(*argv, **kw):
    code = "import sys; from opinionpool.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, argv)], capture_output=True, text=True, **kw
    )


def test_no_command_is_the_help(run):
    assert run().out == run("--help").out
    assert all(command in run().out for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_has_an_example(run, command):
    ran = run(command, "--help")
    assert ran.code == 0
    assert ran.err == ""
    assert "For example:" in ran.out
    assert f"\n  opinionpool {command} " in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_version(run):
    assert run("--version").out.strip() == opinionpool.__version__


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nonsense"], "Unknown command"),
        (["fit"], "requires an argument"),
        (["fit", "a.csv", "--nonsense"], "Unknown option"),
        (["fit", "a.csv", "--labels"], "requires an argument"),
        (["combine", "a.csv", "--temperature", "warm"], "--temperature"),
        (["show"], "requires an argument"),
        (["show", "a.json", "b.json"], "b.json"),
        (["demo", "more"], "more"),
        (["apply", "pool.json"], "MODEL_FILE"),
        (["combine", "=a.csv"], "expected name=path or a path"),
        (["combine", "a="], "expected name=path or a path"),
    ],
)
def test_bad_usage(fails, argv, words):
    assert words in fails(*argv)


def test_bad_usage_says_where_help_is(fails):
    assert fails("fit").endswith("See opinionpool fit --help")
    assert fails("nonsense").endswith("See opinionpool --help")


def test_a_failure_of_ours(run, arrays, monkeypatch):
    def broken(*args, **kw):
        raise ZeroDivisionError("our fault")

    monkeypatch.setattr("opinionpool.cli.combine.combine_aligned", broken)
    ran = run("combine", arrays["a"])
    assert ran.code == 1
    assert ran.out == ""
    assert "ZeroDivisionError: our fault" in ran.err
    assert ran.err.splitlines()[-1].startswith("opinionpool: this is a failure of opinionpool")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (KeyboardInterrupt(), 130, "opinionpool: interrupted\n"),
        (MemoryError(), 2, "opinionpool: error: there is not enough memory for this"),
        (BrokenPipeError(), 0, ""),
    ],
)
def test_other_ends(run, arrays, monkeypatch, error, code, message):
    def stop(*args, **kw):
        raise error

    monkeypatch.setattr("opinionpool.cli.combine.combine_aligned", stop)
    monkeypatch.setattr(entry, "let_go_of_stdout", lambda: None)
    ran = run("combine", arrays["a"])
    assert ran.code == code
    assert ran.err.startswith(message)


def test_each_warning_once_and_in_one_line(run, arrays, monkeypatch):
    real = entry.say
    said = []
    monkeypatch.setattr(entry, "say", lambda text: (said.append(text), real(text)))

    def warn(*args, **kw):
        for _ in range(2):
            warnings.warn("two\nlines, floor='auto'", OpinionPoolWarning, stacklevel=1)
        raise KeyboardInterrupt

    monkeypatch.setattr("opinionpool.cli.combine.combine_aligned", warn)
    err = run("combine", arrays["a"]).err
    assert err == "opinionpool: warning: two lines, --floor auto\nopinionpool: interrupted\n"
    assert len(said) == 2
    assert run("combine", arrays["a"], "--quiet").err == "opinionpool: interrupted\n"


def test_a_process(arrays, tmp_path):
    out = tmp_path / "pool.json"
    two = [arrays["a"], arrays["b"]]
    ran = shell("fit", *two, "--labels", arrays["y"], "-o", out)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert out.exists()
    ran = shell("fit", *two, "--labels", tmp_path / "none.npy", "-o", out)
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert len(ran.stderr.splitlines()) == 1


def test_a_reader_who_has_seen_enough(tmp_path):
    np.save(tmp_path / "a.npy", np.full((20_000, 5), 0.2))
    code = "import sys; from opinionpool.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, "combine", tmp_path / "a.npy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"0,1,2,3,4\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux")
@pytest.mark.parametrize("argv", [["--help"], ["combine", "a.npy"], ["combine", "a.npy", "--json"]])
def test_a_full_disk_behind_stdout(tmp_path, argv):
    np.save(tmp_path / "a.npy", np.full((3, 4), 0.25))
    code = "import sys; from opinionpool.cli import main; sys.exit(main())"
    with open("/dev/full", "w") as full:
        ran = subprocess.run(
            [sys.executable, "-c", code, *argv],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
        )
    assert ran.returncode == 2
    assert ran.stderr == "opinionpool: error: cannot write to stdout: No space left on device\n"


def test_an_encoding_that_cannot_say_it(arrays, tmp_path):
    env = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    ran = shell("fit", arrays["a"], arrays["b"], "--labels", arrays["y"], env=env)
    assert ran.returncode == 2
    assert "PYTHONUTF8=1" in ran.stderr
    assert len(ran.stderr.splitlines()) == 1


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from opinionpool.cli import main; main(['compare', '--help'])\n"
        "heavy = ('sklearn', 'pyarrow', 'pandas', 'polars', 'rich.progress', 'rich.markdown')\n"
        "sys.exit(', '.join(m for m in heavy if m in sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.stderr.strip() == ""


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("pass renormalise=True to", "pass --renormalise to"),
        ("floor=1e-6 makes it", "--floor 1e-6 makes it"),
        ("(floor='veto' keeps)", "(--floor veto keeps)"),
        ("pass classes= with", "pass --classes with"),
        ("kind='log-probabilities' or kind='logits'", "--kind log-probabilities or --kind logits"),
        ("floor=0.0025.", "--floor 0.0025."),
        ("runs/floor=1/a.csv: bad", "runs/floor=1/a.csv: bad"),
        ("kind=1/a.csv: bad", "kind=1/a.csv: bad"),
        ("'kind=a'", "'kind=a'"),
    ],
)
def test_keywords_become_options(message, shown):
    assert as_options(message) == shown


def test_one_line():
    assert one_line("a\n  b\tc\x1b[31m") == "a b c?[31m"
