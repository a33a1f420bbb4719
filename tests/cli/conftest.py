"""The command in-process: ``run(...)`` gives its exit code and what it printed."""

import json
from dataclasses import dataclass

import numpy as np
import pytest

from opinionpool import io
from opinionpool.cli import main


@dataclass
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capsys):
    def run_command(*argv):
        capsys.readouterr()
        code = main([str(a) for a in argv])
        out, err = capsys.readouterr()
        assert "Traceback" not in err or code == 1
        return Ran(code, out, err)

    return run_command


@pytest.fixture
def fails(run):
    """Run a command that must end with one message on stderr, and exit code 2."""

    def run_failing(*argv):
        ran = run(*argv)
        assert ran.code == 2, (ran.out, ran.err)
        assert ran.out == ""
        errors = [line for line in ran.err.splitlines() if not line.startswith(WARNING)]
        assert len(errors) == 1, ran.err
        assert errors[0].startswith("opinionpool: error: ")
        return errors[0]

    return run_failing


WARNING = "opinionpool: warning: "

#: Logits of three models for 60 rows and three classes; the third misses some rows.
N = 60


def digits(seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, N)
    z = {
        name: np.eye(3)[y] * strength + rng.normal(size=(N, 3))
        for name, strength in (("a", 2.0), ("b", 1.2), ("c", 0.6))
    }
    return z, y


@pytest.fixture
def logits():
    return digits()[0]


@pytest.fixture
def y():
    return digits()[1]


@pytest.fixture
def files(tmp_path):
    """Write the models as tables with ids, and their labels: paths by name."""

    def write_files(suffix=".csv"):
        z, y = digits()
        ids = np.arange(100, 100 + N)
        paths = {}
        for name, values in z.items():
            columns = {c: values[:, k] for k, c in enumerate(("cat", "dog", "owl"))}
            paths[name] = tmp_path / f"{name}{suffix}"
            io.write(paths[name], {"id": ids, **columns})
        labels = np.array(["cat", "dog", "owl"], dtype=object)[y]
        # Shuffled: only the ids can bring rows and labels together again.
        order = np.random.default_rng(1).permutation(N)
        table = ".parquet" if suffix == ".parquet" else ".csv"
        paths["labels"] = tmp_path / f"labels{table}"
        site = np.array(["x", "y", "z", "u"], dtype=object)[np.arange(N) % 4]
        io.write(
            paths["labels"],
            {
                "id": ids[order],
                "label": labels[order],
                "site": site[order],
                "day": np.arange(N)[order],
            },
        )
        return paths

    return write_files


@pytest.fixture
def arrays(tmp_path):
    """Write the models as arrays without ids, and their labels: paths by name."""
    z, y = digits()
    paths = {}
    for name, values in {**z, "y": y}.items():
        paths[name] = tmp_path / f"{name}.npy"
        np.save(paths[name], values)
    return paths


GOOD = [[0.2, 0.3, 0.5], [0.6, 0.3, 0.1], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4]]
IDS = [1, 2, 3, 4]
LABELS = ["x", "y", "z", "x"]


class Bad:
    """Files of two good models and their labels, for a mistake to be made in one of them."""

    def __init__(self, folder):
        self.folder, self.kind = folder, "auto"
        self.a, self.b = folder / "a.csv", folder / "b.csv"
        self.labels = folder / "labels.csv"
        self.text("a.csv", GOOD)
        self.text("b.csv", GOOD)
        self.write_labels(IDS, LABELS)

    def write_labels(self, ids, labels):
        lines = ["id,label", *(f"{i},{label}" for i, label in zip(ids, labels, strict=True))]
        self.labels.write_text("\n".join(lines) + "\n")

    def text(self, name, values, ids=IDS, classes="xyz"):
        rows = [
            ",".join(map(str, [i, *("" if np.isnan(x) else x for x in row)]))
            for i, row in zip(ids, values, strict=False)
        ]
        (self.folder / name).write_text("\n".join([",".join(["id", *classes]), *rows]) + "\n")

    def array(self, values, **kw):
        np.save(self.folder / "a.npy", values, **kw)
        self.a = self.folder / "a.npy"

    def with_row(self, *row):
        return [row, *GOOD[1:]]

    def parquet(self):
        table = io.read(self.a).columns
        self.a = self.folder / "a.parquet"
        io.write(self.a, table)

    def commands(self, out):
        """Every command that reads model files, with an output where it has one."""
        two = [self.a, self.b, "--kind", self.kind]
        labels = ["--labels", self.labels]
        return {
            "combine": (["combine", *two, "-o", out / "kept.csv"]),
            "fit": (["fit", *two, *labels, "-o", out / "kept.json"]),
            "score": (["score", *two, *labels]),
            "compare": (["compare", *two, *labels, "--folds", "2", "-o", out / "kept.json"]),
        }


@pytest.fixture
def bad(tmp_path):
    """Good files, for a mistake to be made in one of them."""
    return Bad(tmp_path)
