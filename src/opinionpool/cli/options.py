"""The options that several commands share, and how their text becomes values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Group, Parameter

from ..errors import InputError
from ..rules import RULES
from ..weightings import WEIGHTINGS
from ..weightings.scored import DENSITY_METRICS, METRICS


def whole(_type: Any, tokens: Sequence[Any]) -> int:
    """Convert a whole number, and nothing that would have to be rounded to one."""
    text = tokens[0].value
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"found {text!r}, expected a whole number") from None


INPUT = Group("Input", sort_key=1)
POOLING = Group("Pooling", sort_key=2)
ZEROS = Group("Zeros and missing outputs", sort_key=3)
READING = Group("Reading", sort_key=4)

ModelFiles = Annotated[
    str,
    Parameter(
        name="MODEL_FILE",
        negative="",
        required=True,
        help="One per model: name=path, or a path whose stem is the name. An .npz may bring "
        "several models with their names.",
    ),
]
PoolFile = Annotated[Path, Parameter(name="POOL_FILE", help="A pool that fit or compare saved.")]
Labels = Annotated[
    Path | None,
    Parameter(
        group=INPUT,
        help="File of labels: a column or array 'label', matched on 'id' where the models have "
        "one. May be left out when a model's file brings the labels along.",
    ),
]
Rule = Annotated[str, Parameter(group=POOLING, help=f"How to combine: {', '.join(RULES)}.")]
Weighting = Annotated[
    str,
    Parameter(
        group=POOLING,
        help=f"How to choose weights: {', '.join(WEIGHTINGS)}, or numbers: a=.4,b=.6.",
    ),
]
Temperature = Annotated[
    str, Parameter(group=POOLING, help="'fit', or a number above 0; 1 means none.")
]
Penalty = Annotated[
    str,
    Parameter(
        group=POOLING,
        help="Shrinkage towards equal weights and T = 1: 'auto', 0, or a number scaling it.",
    ),
]
Metric = Annotated[
    str | None,
    Parameter(
        group=POOLING,
        help=f"What '--weighting score' goes by: {', '.join(METRICS)}; for Gaussians "
        f"{', '.join(DENSITY_METRICS)}.",
    ),
]
Resample = Annotated[
    int,
    Parameter(
        group=POOLING,
        converter=whole,
        help="Average the optimal weights over this many row bootstraps; 0 for none.",
    ),
]
Calibrate = Annotated[
    str | None,
    Parameter(
        group=POOLING,
        help="'temperature': fit every model a temperature of its own before pooling.",
    ),
]
SampleWeight = Annotated[
    str | None,
    Parameter(
        group=INPUT,
        help="Column beside the labels that says how much each row counts; 2 is a row seen twice.",
    ),
]
Threads = Annotated[
    int | None,
    Parameter(
        group=POOLING,
        converter=whole,
        help="Threads of the compiled kernels; without it as many as there are cores.",
    ),
]
Memory = Annotated[
    str | None,
    Parameter(
        group=INPUT,
        help="Bytes that predictions may take, such as 1GB: files are read block by block if they "
        "would need more. Without it they are read whole.",
    ),
]
Seed = Annotated[
    int | None, Parameter(group=POOLING, converter=whole, help="For whatever is random.")
]
Floor = Annotated[
    str,
    Parameter(
        group=ZEROS,
        help="What happens to exact zeros: 'auto' (the log rule raises them to 1e-6), 'veto' "
        "(they stay), or a number.",
    ),
]
Missing = Annotated[
    str,
    Parameter(
        group=ZEROS,
        help="What a missing output means: 'renormalise' the weights over who answered, 'error', "
        "or with labels 'prior'.",
    ),
]
Fallback = Annotated[
    str,
    Parameter(
        group=ZEROS,
        help="What a row gets that nobody answered: 'uniform', 'error', or with labels 'prior'.",
    ),
]
Quantiles = Annotated[
    str | None,
    Parameter(group=POOLING, help="For Gaussians: quantiles to add as columns: 0.05,0.5,0.95."),
]


@Parameter(name="*")
@dataclass(frozen=True)
class Reading:
    """How the numbers in the files are to be read."""

    family: Annotated[
        str,
        Parameter(
            group=READING,
            help="What is predicted: categorical (one column per class), gaussian (mean, and "
            "variance or std), variance (of residuals of mean zero).",
        ),
    ] = "categorical"
    kind: Annotated[
        str,
        Parameter(
            group=READING,
            help="What they are: logits, probabilities, log-probabilities, auto; one word, or "
            "by model: a=logits,b=probabilities. For Gaussians whether an unnamed last column is "
            "a variance or a std.",
        ),
    ] = "auto"
    classes: Annotated[
        str | None,
        Parameter(group=READING, help="Names of unnamed columns, in order: cat,dog,owl."),
    ] = None
    positive: Annotated[
        str | None,
        Parameter(group=READING, help="The class that single columns are the probability of."),
    ] = None
    renormalise: Annotated[
        bool,
        Parameter(
            group=READING,
            negative="",
            show_default=False,
            help="Rescale rows of probabilities that do not sum to one.",
        ),
    ] = False

    def keywords(self) -> dict[str, Any]:
        """Return them as the library's keyword arguments."""
        return {
            "family": self.family,
            "kind": by_model(self.kind, "kind") if "=" in self.kind else self.kind,
            "classes": None if self.classes is None else listed(self.classes),
            "positive": self.positive,
            "renormalise": self.renormalise,
        }


#: Nothing said about how to read: everything is detected.
AS_FOUND = Reading()


def word_or_number(text: str) -> Any:
    """Return a number where the text is one; what words are allowed, the library says.

    Examples
    --------
    >>> word_or_number("1e-6"), word_or_number("auto")
    (1e-06, 'auto')
    """
    try:
        return float(text)
    except ValueError:
        return text


def listed(text: str) -> list[str]:
    """Split a comma list."""
    return [part.strip() for part in text.split(",")]


def shares_of(quantiles: str | None) -> list[float]:
    """Read quantiles' probabilities."""
    shares = []
    for part in [] if quantiles is None else listed(quantiles):
        share = word_or_number(part)
        if not isinstance(share, float) or not 0 < share < 1:
            raise InputError(f"--quantiles: found {part!r}, expected numbers between 0 and 1")
        shares.append(share)
    return shares


def by_model(text: str, option: str, value: Callable[[str], Any] = str) -> dict[str, Any]:
    """Read ``a=…,b=…``.

    Examples
    --------
    >>> by_model("a=.4,b=.6", "weights", float)
    {'a': 0.4, 'b': 0.6}
    """
    found: dict[str, Any] = {}
    for part in listed(text):
        # The last one: a model's name may hold an equals sign, its value cannot.
        name, equals, given = part.rpartition("=")
        if not equals or not name:
            raise InputError(f"--{option}: found {part!r}, expected name=value for every model")
        if name in found:
            raise InputError(f"--{option}: the model {name!r} is named twice")
        try:
            found[name] = value(given)
        except ValueError:
            raise InputError(f"--{option}: found {part!r}, expected a number after '='") from None
    return found


def weights_of(text: str, option: str = "weights") -> dict[str, float] | list[float]:
    """Read weights, by name or in the order of the models."""
    if "=" in text:
        return by_model(text, option, float)
    try:
        return [float(part) for part in listed(text)]
    except ValueError:
        raise InputError(
            f"--{option}: found {text!r}, expected one number per model: a=.4,b=.6 or .4,.6"
        ) from None


def weighting_of(text: str) -> Any:
    """Read a weighting: a name, or numbers."""
    numbers = "=" in text or isinstance(word_or_number(text.split(",")[0]), float)
    return weights_of(text, "weighting") if numbers else text
