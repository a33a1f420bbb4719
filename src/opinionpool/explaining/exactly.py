"""Everything about a pool on rows that are all in memory: every refit is on all of them."""

from __future__ import annotations

from ..diagnostics.paired import Clusters
from ..pooling import warn_of_fallback
from .absences import Costs
from .calibrated import calibration
from .case import Case
from .certainty import certainty
from .contributions import addition_path, additions, contributions, out_of_fold, pareto
from .question import Answer, Question
from .refits import Refits
from .survey import Survey


def answer(case: Case, asked: Question) -> Answer:
    """Explain a pool on the rows of a case."""
    warn_of_fallback(case.pooled, case.pool.policy)
    clusters = Clusters.of(case.cluster)
    survey = Survey(case.pool, clusters, case.z)
    survey.add(case)
    costs = Costs(case.pool, survey.absences.patterns(), clusters)
    costs.add(case)
    refits = Refits(case, asked.temperature, asked.seed)
    held_out = out_of_fold(case, refits, asked.folds)
    sections = {
        **survey.found(costs),
        "contributions": contributions(case, refits, held_out, survey.headline.model_losses),
        "additions": additions(case, refits, addition_path(case, refits)),
        "pareto": pareto(case, refits, asked.price, asked.priced),
        "certainty": certainty(case, refits),
        "calibration": calibration(case, ordered=asked.ordered),
        "method": {"refits": "all rows", "refitted_rows": len(case.weight), "bins": "exact"},
    }
    again = refits.some(refits.everyone)
    loss = survey.headline.loss
    return Answer(sections, survey.touched, loss, None if again is None else again.loss, [])
