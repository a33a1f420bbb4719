"""The analytic gradients of the pooled losses against PyTorch's automatic ones."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from problems import evidence_kind
from tolerance import ulps

import opinionpool as op
from opinionpool.families import FAMILIES
from opinionpool.rules import RULES
from opinionpool.rules.evidence import Evidence, Outcomes
from opinionpool.rules.objective import PooledLoss

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F8 = np.float64
V = np.array([0.9, 0.3, 0.6])


def log_loss(v, evidence):
    """Mean loss of softmax(Σ v z) through the softmax family on tensors."""
    z = torch.einsum("m,mnk->nk", v, torch.tensor(evidence.parameters))
    log_p = op.log_softmax(z)
    q = torch.tensor(evidence.outcomes.probabilities(evidence.n_parameters))
    u = torch.tensor(evidence.weight)
    return -(u * (q * log_p).sum(dim=1)).sum() / u.sum()


def linear_loss(v, evidence):
    """Mean loss of Σ w p, w = v."""
    log_p = torch.tensor(evidence.parameters)
    mixture = op.logsumexp(torch.log(v)[:, None, None] + log_p, axis=0)
    q = torch.tensor(evidence.outcomes.probabilities(evidence.n_parameters))
    u = torch.tensor(evidence.weight)
    return -(u * (q * mixture).sum(dim=1)).sum() / u.sum()


@pytest.mark.parametrize("kind", ["hard", "soft", "weighted"])
@pytest.mark.parametrize(("rule", "loss"), [("log", log_loss), ("linear", linear_loss)])
def test_classes(rule, loss, kind):
    evidence = evidence_kind(kind)
    v = torch.tensor(V, requires_grad=True)
    value = loss(v, evidence)
    value.backward()
    found = PooledLoss(RULES[rule], evidence).evaluate(V)
    assert found.value == pytest.approx(value.item(), rel=ulps(F8, 64))
    assert_allclose(found.gradient, v.grad.numpy(), rtol=0, atol=ulps(F8, 256))
    hessian = torch.autograd.functional.hessian(lambda v: loss(v, evidence), torch.tensor(V))
    assert_allclose(found.curvature, hessian.numpy(), rtol=0, atol=ulps(F8, 1024))
    assert torch.autograd.gradcheck(lambda v: loss(v, evidence), v)


@pytest.mark.parametrize("family", ["gaussian", "variance"])
def test_means_and_variances(family):
    rng = np.random.default_rng(4)
    y, mean = rng.normal(size=50), rng.normal(size=(3, 50)) * (family == "gaussian")
    variance = rng.uniform(0.3, 2, (3, 50))
    moments = np.stack([mean, variance], axis=-1)
    evidence = Evidence(moments, Outcomes(values=y), np.ones(50), family=FAMILIES[family])

    def loss(v):
        precision = 1 / torch.tensor(variance)
        total = (v[:, None] * precision).sum(dim=0)
        centre = (v[:, None] * precision * torch.tensor(mean)).sum(dim=0) / total
        pooled = torch.distributions.Normal(centre, total**-0.5)
        return -pooled.log_prob(torch.tensor(y)).mean()

    v = torch.tensor(V, requires_grad=True)
    value = loss(v)
    value.backward()
    found = PooledLoss(RULES["log"], evidence).evaluate(V)
    assert found.value == pytest.approx(value.item(), rel=ulps(F8, 64))
    assert_allclose(found.gradient, v.grad.numpy(), rtol=0, atol=ulps(F8, 256))
    hessian = torch.autograd.functional.hessian(loss, torch.tensor(V))
    assert_allclose(found.curvature, hessian.numpy(), rtol=0, atol=ulps(F8, 1024))
