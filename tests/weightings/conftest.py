"""What several tests of weightings arrange."""

import pytest

from opinionpool.families.lazy import Lazy
from opinionpool.predictions import in_place
from opinionpool.predictions.predictions import Predictions
from opinionpool.rules import fused


@pytest.fixture
def left_in_place(monkeypatch):
    """Leave predictions of any size where they are; that somebody takes all of them is an error."""

    def leave():
        def whole(self):
            assert not isinstance(self.parameters, Lazy), "rows were copied as log-probabilities"
            return self

        monkeypatch.setattr(in_place, "LARGE", 0)
        monkeypatch.setattr(fused, "WORTHWHILE", 0)
        monkeypatch.setattr(Predictions, "whole", whole)

    return leave
