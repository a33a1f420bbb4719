"""``opinionpool apply``: pool new predictions with a saved pool."""

from __future__ import annotations

from ..distributions import variance_of
from ..errors import InputError
from ..families import FAMILIES
from ..pool import load
from ..pooling import warn_of_fallback
from ..predictions import gather
from ..report import pooled_text
from ..resources import checked_threads
from ..rules import RULES
from ..write_pooled import DEFAULT_MEMORY, is_folder, write_pooled
from . import options as o
from .destination import AnyOutput, check_no_input, check_table_output
from .models import model_files
from .output import TALK, Talk
from .pooled import hand_out
from .progress import Working, rows_of


def apply(
    pool: o.PoolFile,
    /,
    *models: o.ModelFiles,
    quantiles: o.Quantiles = None,
    threads: o.Threads = None,
    memory: o.Memory = None,
    output: AnyOutput = None,
    talk: Talk = TALK,
) -> None:
    """Pool new predictions with a saved pool.

    The files are read, and zeros and missing outputs treated, as they were
    when the pool was fitted. A model may be left out unless the pool was
    fitted with --missing error.

    With --memory the rows are read, pooled and written block by block. If
    the output is a folder, they are written as parts, and a run that was
    stopped goes on where it was when it is started again.

    For example:
      opinionpool apply pool.json a=new-a.parquet b=new-b.parquet -o pooled.parquet
      opinionpool apply pool.json a=parts-a b=parts-b --memory 1GB -o pooled/
    """
    files = model_files(models)
    inputs = [pool, *(file.path for file in files)]
    in_parts = output is not None and is_folder(output)
    if in_parts and output is not None:
        check_no_input(output, inputs)
    else:
        check_table_output(output, inputs)
    the_pool = load(pool)
    shares = o.shares_of(quantiles)
    facts = {
        "rule": the_pool.rule,
        "temperature": the_pool.temperature,
        "weights": the_pool.weights,
    }
    if in_parts or memory is not None:
        if output is None:
            raise InputError("--memory: give an --output to write to block by block")
        with Working("pooling", quiet=talk.quiet) as progress:
            rows = write_pooled(
                the_pool,
                files,
                output,
                memory=DEFAULT_MEMORY if memory is None else memory,
                quantiles=shares,
                threads=threads,
                progress=rows_of(progress),
            )
        variance = variance_of(RULES[the_pool.rule], FAMILIES[the_pool.family])
        result = {
            "models": list(the_pool.models),
            "kinds": list(the_pool.kinds),
            "family": the_pool.family,
            "classes": list(the_pool.classes),
            **facts,
            **({"variance": variance} if variance else {}),
            "rows": rows,
            "output": str(output),
        }
        talk.result(result, pooled_text(result))
        return
    with Working("reading the predictions", quiet=talk.quiet) as progress:
        cores = checked_threads(threads)
        given = gather(files, the_pool.reading(), lazily=True, threads=cores).predictions
        progress("pooling")
        known = the_pool.known(given)
        pooled = the_pool.pool(known, shown=known.dtype, threads=cores)
        warn_of_fallback(pooled, the_pool.policy)
    hand_out(known, pooled, facts, output, talk, shares)
