"""A data set of several Parquet files that is larger than memory is meant to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .data import DIFFICULTY, SHARED, largest_of

#: Bytes of a row group, and of one model's numbers that are in memory while writing.
GROUP_BYTES = 1 << 25
#: Cells of a row group of a result.
WRITTEN_CELLS = 1 << 22
#: Rows of a batch of a scan, pyarrow's own choice.
BATCH = 1 << 16


def names(models: int) -> list[str]:
    """Return the models' names."""
    return [f"m{i}" for i in range(models)]


def write(folder: Path, models: int, n: int, k: int, seed: int = 0) -> list[Path]:
    """Write one file per model (``id``, K float32 columns, ids in order) and ``labels.parquet``.

    The same simulation as in memory, a row group at a time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True, exist_ok=True)
    columns = [f"c{i}" for i in range(k)]
    schema = pa.schema([("id", pa.int64()), *((c, pa.float32()) for c in columns)])
    paths = [folder / f"{name}.parquet" for name in names(models)]
    # Random numbers neither repeat nor compress; trying to would only slow the writing down.
    form = {"compression": "none", "use_dictionary": False}
    writers = [pq.ParquetWriter(path, schema, **form) for path in paths]
    ids, labels = [], []
    step = max(1, GROUP_BYTES // (4 * k))
    for first in range(0, n, step):
        rows = min(step, n - first)
        rng = np.random.default_rng([seed, first])
        y = rng.integers(0, k, rows)
        ids.append(np.arange(first, first + rows))
        labels.append(np.array(columns)[y])
        signal = largest_of(k) + 0.3 + DIFFICULTY * rng.standard_normal(rows)
        common = math.sqrt(SHARED) * rng.standard_normal((rows, k), dtype=np.float32)
        common[np.arange(rows), y] += signal
        for i, writer in enumerate(writers):
            σ, sureness = 0.9 + 0.4 * i / models, 0.9 * largest_of(k) * (0.6 + 0.8 * i / models)
            x = rng.standard_normal((rows, k), dtype=np.float32)
            x = sureness * (common + np.float32(σ * math.sqrt(1 - SHARED)) * x)
            arrays = [ids[-1], *np.ascontiguousarray(x.T, dtype=np.float32)]
            writer.write_table(pa.table(dict(zip(schema.names, arrays, strict=True))))
    for writer in writers:
        writer.close()
    table = pa.table({"id": np.concatenate(ids), "label": np.concatenate(labels)})
    pq.write_table(table, folder / "labels.parquet")
    return paths


def write_alone(path: Path, n: int, k: int) -> int:
    """Write as much as a pool's result with the writer alone; return how many bytes there are.

    The same columns (``id``, K float32 in [0, 1]), of the same rows over and over, with the options
    that opinionpool writes with.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    step = max(1, WRITTEN_CELLS // k)
    rng = np.random.default_rng(0)
    columns = list(rng.random((k, min(step, n)), dtype=np.float32))
    schema = pa.schema([("id", pa.int64()), *((f"c{i}", pa.float32()) for i in range(k))])
    with pq.ParquetWriter(path, schema, use_dictionary=False) as writer:
        for first in range(0, n, step):
            ids = np.arange(first, min(n, first + step))
            own = [pa.array(column[: len(ids)]) for column in columns]
            writer.write_table(pa.table([pa.array(ids), *own], schema=schema))
    return path.stat().st_size


def scan(paths: Sequence[Path]) -> int:
    """Read everything with the reader alone, batch by batch; return how many rows there were."""
    import pyarrow.parquet as pq

    rows = 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH):
                rows += batch.num_rows
    return rows
