"""Weightings by name. Adding one: a file with a :class:`~.base.Weighting`, a line here."""

from __future__ import annotations

from .base import Weighting
from .confidence import Confidence
from .greedy import Greedy
from .heskes import Heskes, HeskesResampled
from .optimal import Optimal
from .pseudo_bma import PseudoBMA, PseudoBMAPlus
from .scored import Score
from .single import Single
from .uniform import Uniform

__all__ = ["WEIGHTINGS", "Weighting"]

WEIGHTINGS: dict[str, Weighting] = {
    w.name: w
    for w in (
        Optimal(),
        Confidence(),
        Heskes(),
        HeskesResampled(),
        Greedy(),
        Score(),
        PseudoBMA(),
        PseudoBMAPlus(),
        Uniform(),
        Single(),
    )
}
