"""``opinionpool apply``: pool new predictions with a saved pool."""

from __future__ import annotations

from ..pool import load
from ..pooling import warn_of_fallback
from ..predictions import gather
from . import options as o
from .destination import TableOutput, check_table_output
from .models import model_files
from .output import TALK, Talk
from .pooled import hand_out
from .progress import Working


def apply(
    pool: o.PoolFile,
    /,
    *models: o.ModelFiles,
    quantiles: o.Quantiles = None,
    output: TableOutput = None,
    talk: Talk = TALK,
) -> None:
    """Pool new predictions with a saved pool.

    The files are read, and zeros and missing outputs treated, as they were
    when the pool was fitted. A model may be left out unless the pool was
    fitted with --missing error.

    For example:
      opinionpool apply pool.json a=new-a.parquet b=new-b.parquet -o pooled.parquet
    """
    files = model_files(models)
    check_table_output(output, [pool, *(file.path for file in files)])
    the_pool = load(pool)
    with Working("reading the predictions", quiet=talk.quiet) as progress:
        given = gather(files, the_pool.reading()).predictions
        progress("pooling")
        known = the_pool.known(given)
        pooled = the_pool.pool(known)
        warn_of_fallback(pooled, the_pool.policy)
    facts = {
        "rule": the_pool.rule,
        "temperature": the_pool.temperature,
        "weights": the_pool.weights,
    }
    hand_out(known, pooled, facts, output, talk, o.shares_of(quantiles))
