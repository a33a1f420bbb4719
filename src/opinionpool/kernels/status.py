"""Why a row could not be pooled, or its loss not counted: the kernels' status codes.

A pooled row has one, the first of UNANSWERED, INVALID, IMPOSSIBLE and RULED_OUT that applies;
0 is good.
"""

from __future__ import annotations

#: A cell that is NaN or +inf, in a model that was asked.
INVALID = 1
#: Vetoes leave no class.
IMPOSSIBLE = 2
#: What happened is vetoed: an infinite loss.
RULED_OUT = 3
#: No model with weight answered.
UNANSWERED = 4

# Of one model's row, by :func:`~opinionpool.kernels.survey.survey`, which also uses IMPOSSIBLE;
# the first of these that applies.
#: Every cell is NaN: a missing output.
MISSING = 5
#: Some cells are NaN.
PARTLY_NAN = 6
#: A cell is +inf.
INFINITE = 7

#: Not said yet: rows that a kernel for few classes leaves to the one that takes rows apart.
LEFT = 255
