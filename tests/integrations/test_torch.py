"""The module is the library's pool: the same numbers, exact gradients, any precision."""

import copy
import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
from door_inputs import SEED_LOGITS, SEED_POOL, SEED_WEIGHTS, chances, outputs, with_gaps
from numpy.testing import assert_allclose, assert_array_equal
from shared_data import load

import opinionpool as op
from opinionpool.errors import InputError

torch = pytest.importorskip("torch", reason="torch is not installed")
from opinionpool.integrations.torch import OpinionPool  # noqa: E402 - needs torch

pytestmark = pytest.mark.filterwarnings("ignore::opinionpool.errors.OpinionPoolWarning")
RULES = ["log", "linear"]
every_rule = pytest.mark.parametrize("rule", RULES)
F4, F8 = torch.float32, torch.float64
#: What the issue promises between module and library, in float32.
PROMISED = {"rtol": 0, "atol": 1e-6}


def stacked(models, dtype=F8):
    """(M, N, K) logits of probabilities or logits, and who answered."""
    cells = np.stack(list(models.values()))
    if np.nanmin(cells) >= 0:
        with np.errstate(divide="ignore"):
            cells = np.log(cells)
    z = torch.tensor(cells, dtype=dtype)
    here = ~torch.isnan(z).any(-1)
    return z, None if here.all() else here


WAYS = {
    "plain": {},
    "T given": {"temperature": 0.4},
    "single": {"weighting": "single"},
    "floor": {"floor": 0.03},
    "veto": {"floor": "veto"},
    "learned floors": {"floor": "learned"},
    "calibrated": {"calibrate": "temperature"},
    "scaled": {"scaling": "vector"},
    "confidence": {"weighting": "confidence"},
    "everything": {
        **{"weighting": "confidence", "calibrate": "temperature"},
        **{"scaling": "vector", "floor": 0.01},
    },
}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


@every_rule
@every_way
@pytest.mark.parametrize("make", [outputs, chances, with_gaps])
def test_the_module_of_a_pool_is_the_pool(rule, way, make):
    models, y = make(n=80, k=4)
    pool = op.fit(models, y, rule=rule, **way)
    new = make(n=50, k=4, seed=5)[0]
    right = np.asarray(pool.apply(new))
    exact = OpinionPool.from_pool(pool, dtype=F8).probabilities(*stacked(new))
    assert_allclose(exact.detach(), right, rtol=0, atol=1e-12)
    found = OpinionPool.from_pool(pool).probabilities(*stacked(new, F4))
    assert found.dtype == F4
    assert_allclose(found.detach(), right, **PROMISED)


@every_rule
@pytest.mark.parametrize("missing", ["renormalise", "prior"])
@pytest.mark.parametrize("fallback", ["uniform", "prior"])
@pytest.mark.parametrize("weighting", ["optimal", "confidence", [0.5, 0.5, 0]])
def test_every_policy(rule, missing, fallback, weighting):
    models, y = with_gaps(n=80)
    pool = op.fit(models, y, rule=rule, missing=missing, fallback=fallback, weighting=weighting)
    new = with_gaps(n=60, seed=3)[0]
    found = OpinionPool.from_pool(pool).probabilities(*stacked(new, F4)).detach()
    assert_allclose(found, np.asarray(pool.apply(new)), **PROMISED)


@every_rule
@pytest.mark.parametrize("policy", [{"missing": "error"}, {"fallback": "error"}])
def test_rows_that_apply_refuses_are_nan(rule, policy):
    models, y = chances(n=60)
    module = OpinionPool.from_pool(op.fit(models, y, rule=rule, **policy))
    z, _ = stacked(chances(n=6)[0])
    here = torch.ones(3, 6, dtype=torch.bool)
    here[0, 1] = False
    here[:, 3] = False
    refused = torch.isnan(module(z, here)).all(-1).nonzero().ravel().tolist()
    assert refused == ([1, 3] if "missing" in policy else [3])


@every_rule
@pytest.mark.parametrize("floor", ["auto", "veto", 0.02])
def test_exact_zeros(rule, floor):
    p, y = chances(n=60)
    pool = op.fit(p, y, rule=rule, floor=floor)  # "auto" has seen no zeros yet
    new = chances(n=8, seed=1)[0]
    new["a"][2] = [0, 0.4, 0.6]
    new["b"][5] = [0, 0, 1]
    module = OpinionPool.from_pool(pool, dtype=F8)
    found = module.probabilities(*stacked(new))
    assert_allclose(found.detach(), np.asarray(pool.apply(new)), rtol=0, atol=1e-12)
    # Without gradients that are NaN.
    z = stacked(new)[0].requires_grad_()
    y = torch.tensor([1] * 5 + [2] * 3)  # nothing that was ruled out
    torch.nn.functional.nll_loss(module(z), y).backward()
    for tensor in (z, *module.parameters()):
        assert torch.isfinite(tensor.grad).all()


def test_zeros_of_models_without_weight():
    p, y = chances(n=60)
    new = chances(n=3, seed=1)[0]
    new["c"][1] = [0, 0.5, 0.5]
    given = op.fit(p, y, floor="veto", weighting=[0.5, 0.5, 0])
    closed = replace(given, settings=replace(given.settings, closure=True))
    for pool, vetoed in ((given, False), (closed, True)):
        found = OpinionPool.from_pool(pool, dtype=F8).probabilities(*stacked(new)).detach()
        assert bool(found[1, 0] == 0) is vetoed
        assert_allclose(found, pool.apply(new), rtol=0, atol=1e-12)


@every_rule
def test_scores_that_came_with_the_predictions(rule):
    p, y = with_gaps(n=80)
    scores = np.random.default_rng(2).random((3, 80))
    pool = op.fit(p, y, rule=rule, weighting="confidence", confidence=scores)
    pool = replace(pool, gamma=1.7)
    module = OpinionPool.from_pool(pool, dtype=F8)
    found = module.probabilities(*stacked(p), torch.tensor(scores)).detach()
    assert_allclose(found, np.asarray(pool.apply(p, confidence=scores)), rtol=0, atol=1e-12)
    with pytest.raises(InputError, match="pass them"):
        module(*stacked(p))
    with pytest.raises(InputError, match="without scores"):
        OpinionPool(3)(*stacked(p), torch.tensor(scores))


@every_rule
def test_rows_in_which_nobody_is_sure(rule):
    p, y = chances(n=60)
    pool = op.fit(p, y, rule=rule, weighting="confidence", confidence=np.full((3, 60), 0.5))
    pool = replace(pool, gamma=0.5)
    new = chances(n=5, seed=1)[0]
    scores = np.array([[0.0, 0.5, 0, 1, 0], [0, 0, 0.2, 0, 1], [0, 1, 0, 0, 0]])
    module = OpinionPool.from_pool(pool, dtype=F8)
    found = module.probabilities(*stacked(new), torch.tensor(scores)).detach()
    assert_allclose(found, pool.apply(new, confidence=scores), rtol=0, atol=1e-12)


def test_infinite_temperature_is_the_uniform():
    p, y = chances(n=40)
    module = OpinionPool.from_pool(replace(op.fit(p, y), temperature=np.inf))
    assert_allclose(module.probabilities(stacked(p)[0]).detach(), 1 / 3, rtol=1e-6)
    assert module.to_pool().temperature == math.inf


SETS = {
    "assembled_digits": 1e-6,
    "assembled_wine": 1e-6,
    "mljar_titanic": 1e-7,
    "flusight_2016-2017_wkahead": float(np.exp(-10)),
}


@every_rule
@pytest.mark.parametrize("name", SETS)
def test_real_predictions_in_float32(rule, name):
    arrays = load(name)
    p = np.maximum(arrays["probs"], 0).astype(np.float32)
    pool = op.fit(
        p,
        arrays["labels"],
        rule=rule,
        floor=SETS[name],
        kind="probabilities",
        renormalise=True,
        classes=list(range(p.shape[2])),
    )
    found = OpinionPool.from_pool(pool).probabilities(torch.tensor(p).log()).detach()
    assert_allclose(found, pool.apply(p), **PROMISED)


# ------------------------------------------------------------------ a module of its own


def test_reference_values():
    module = OpinionPool(3, temperature=1.0, weights=SEED_WEIGHTS)
    z = torch.tensor(SEED_LOGITS)
    assert_allclose(module.probabilities(z).detach(), SEED_POOL, rtol=1e-6)
    here = torch.tensor([True, False, True])
    left = module.probabilities(z, here).detach()
    assert_allclose(left, [0.44235527, 0.27882236, 0.27882236], rtol=1e-6)  # maths.md §2


@every_rule
@pytest.mark.parametrize("parametrisation", ["softmax", "softplus"])
@pytest.mark.parametrize("temperature", [0.5, "fit"])
def test_it_starts_where_it_is_told(rule, parametrisation, temperature):
    module = OpinionPool(
        3, rule, temperature, weights=[3, 2, 5], parametrisation=parametrisation, dtype=F8
    )
    T = 1.0 if temperature == "fit" else temperature
    assert_allclose(module.weights.detach(), [0.3, 0.2, 0.5], rtol=1e-12)
    assert module.temperature.item() == pytest.approx(T)
    models, _ = outputs(n=20)
    right = op.combine(models, [3, 2, 5], rule=rule, temperature=T)
    assert_allclose(module.probabilities(stacked(models)[0]).detach(), right, rtol=1e-12)
    learned = {name for name, _ in module.named_parameters()}
    own = temperature == "fit" and not (rule == "log" and parametrisation == "softplus")
    assert learned == ({"free", "log_temperature"} if own else {"free"})


@every_rule
@pytest.mark.parametrize("parametrisation", ["softmax", "softplus"])
@pytest.mark.parametrize("gaps", [False, True])
def test_gradients_are_exact(rule, parametrisation, gaps):
    module = OpinionPool(3, rule, weights=[1, 2, 3], parametrisation=parametrisation, dtype=F8)
    z = torch.tensor(np.random.default_rng(0).normal(size=(3, 4, 3)), requires_grad=True)
    here = None
    if gaps:
        here = torch.tensor([[1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0]]).bool()
    names, values = zip(*module.named_parameters(), strict=True)

    def pooled(z, *values):
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (z, here))

    assert torch.autograd.gradcheck(pooled, (z, *values))


@every_rule
def test_gradients_of_the_weights_are_the_library_s(rule):
    """Through the softmax: ∂L/∂a = w ⊙ (g − w·g), with the rule's own gradient g."""
    from opinionpool.rules import RULES as LIBRARY
    from opinionpool.rules.evidence import Evidence, Outcomes

    models, y = outputs(n=30)
    z, _ = stacked(models)
    log_p = torch.log_softmax(z, -1).numpy()
    w = np.array([0.2, 0.5, 0.3])
    evidence = Evidence(log_p, Outcomes(classes=y), np.ones(30))
    the_rule = LIBRARY[rule]
    g = the_rule.evaluate(w, the_rule.prepare(evidence)).gradient / 30
    module = OpinionPool(3, rule, 1.0, weights=w, dtype=F8)
    torch.nn.functional.nll_loss(module(z), torch.tensor(y)).backward()
    assert_allclose(module.free.grad, w * (g - w @ g), rtol=0, atol=1e-14)


@every_rule
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_added_up_in_float32(rule, dtype):
    models, _ = outputs(n=50, k=5)
    z = stacked(models, F4)[0].to(dtype)
    module = OpinionPool(3, rule, weights=[1, 2, 3])
    found = module(z)
    assert found.dtype == F4
    assert_array_equal(found.detach(), module(z.float()).detach())
    found.sum().backward()
    assert torch.isfinite(module.free.grad).all()


def test_halves_at_the_end_of_their_range():
    z = torch.tensor([[6e4, -6e4, 0.0], [5e4, 6e4, -6e4]], dtype=torch.float16).requires_grad_()
    found = OpinionPool(2)(z)
    assert torch.isfinite(found).all()
    found[1].backward()
    assert torch.isfinite(z.grad).all()


def test_inside_autocast():
    models, _ = outputs(n=50)
    z, _ = stacked(models, F4)
    module = OpinionPool(3)
    right = module(z).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(z).detach()
    assert found.dtype == F4
    assert_array_equal(found, right)


@every_rule
def test_leading_axes_of_any_shape(rule):
    z = torch.randn(3, 2, 5, 4, generator=torch.Generator().manual_seed(0), dtype=F8)
    here = torch.rand(3, 2, 5, generator=torch.Generator().manual_seed(1)) < 0.6
    module = OpinionPool(3, rule, dtype=F8)
    flat = module(z.reshape(3, 10, 4), here.reshape(3, 10))
    assert_array_equal(module(z, here).reshape(10, 4).detach(), flat.detach())
    assert_array_equal(module(z[:, 0, 0], here[:, 0, 0]).detach(), flat[0].detach())


@every_rule
def test_what_absent_models_hold_does_not_matter(rule):
    z = torch.randn(3, 4, 3, generator=torch.Generator().manual_seed(0))
    here = torch.tensor([[1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0]]).bool()
    module = OpinionPool(3, rule)
    right = module(z, here)
    for content in (math.nan, math.inf, -math.inf, 1e30):
        other = torch.where(here[..., None], z, content).requires_grad_()
        module.zero_grad()
        found = module(other, here)
        assert_array_equal(found.detach(), right.detach())
        found.sum().backward()
        assert (other.grad[~here] == 0).all()
        assert torch.isfinite(module.free.grad).all()
    assert_allclose(right[3].detach().exp(), 1 / 3, rtol=1e-6)
    unmasked = torch.where(here[..., None], z, math.nan)
    assert torch.isnan(module(unmasked)).any(-1).tolist() == [False, True, True, True]


def test_a_likelier_model_of_weight_zero_hides_nothing():
    log_p = torch.tensor([[[-1e-9, -800.0]], [[-900.0, -1e-9]]], dtype=F8)
    module = OpinionPool(2, "linear", 1.0, weights=[0, 1], dtype=F8)
    assert module(log_p)[0, 0].item() == pytest.approx(-900)


@every_rule
def test_weights_that_start_at_zero_stay_there(rule):
    models, y = outputs(n=40)
    module = OpinionPool(3, rule, weights=[1, 0, 1])
    optimiser = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(3):
        optimiser.zero_grad()
        torch.nn.functional.nll_loss(module(stacked(models, F4)[0]), torch.tensor(y)).backward()
        optimiser.step()
    w = module.weights.detach()
    assert w[1] == 0
    assert torch.isfinite(w).all()
    assert w[0] != 0.5


@every_rule
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("backend", ["eager", "inductor"])
def test_it_compiles_in_one_graph(rule, backend, tmp_path, monkeypatch):
    if backend == "inductor":
        import shutil

        if shutil.which("g++") is None:
            pytest.skip("no C++ compiler, which inductor needs")
        monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    models, y = with_gaps(n=60)
    pool = op.fit(models, y, rule=rule, weighting="confidence", floor=0.01)
    module = OpinionPool.from_pool(pool)
    z, here = stacked(models, F4)
    run = torch.compile(module, fullgraph=True, backend=backend)
    assert_allclose(run(z, here).detach(), module(z, here).detach(), rtol=1e-5, atol=1e-6)
    run(z, here).sum().backward()
    compiled = module.free.grad.clone()
    module.zero_grad()
    module(z, here).sum().backward()
    assert_allclose(compiled, module.free.grad, rtol=1e-4, atol=1e-4)


def test_it_saves_and_copies():
    models, y = outputs(n=40)
    module = OpinionPool.from_pool(op.fit(models, y, scaling="vector"))
    z, _ = stacked(models, F4)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert_array_equal(other(z).detach(), module(z).detach())
    fresh = OpinionPool(3)
    fresh.load_state_dict(OpinionPool(3, weights=[1, 2, 3]).state_dict())
    assert_allclose(fresh.weights.detach(), np.array([1, 2, 3]) / 6, rtol=1e-6)


# ------------------------------------------------------------------ back to a pool


@every_rule
@every_way
def test_there_and_back_again(rule, way, tmp_path):
    models, y = chances(n=60)
    pool = op.fit(models, y, rule=rule, **way)
    back = OpinionPool.from_pool(pool, dtype=F8).to_pool()
    assert back.weighting == "gradient"
    assert math.isnan(back.loss)
    assert back.models == pool.models
    assert_allclose(back.apply(models), pool.apply(models), rtol=0, atol=1e-12)
    back.save(tmp_path / "pool.json")
    assert_array_equal(op.load(tmp_path / "pool.json").apply(models), back.apply(models))


@every_rule
@pytest.mark.parametrize("parametrisation", ["softmax", "softplus"])
def test_a_trained_module_is_a_pool(rule, parametrisation):
    models, _ = outputs(n=60)
    module = OpinionPool(3, rule, weights=[1, 2, 3], parametrisation=parametrisation)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.3
    if parametrisation == "softplus" and rule == "log":
        v = torch.nn.functional.softplus(module.free.detach())
        assert module.temperature.item() == pytest.approx(1 / v.sum().item(), rel=1e-6)
    pool = module.to_pool(["a", "b", "c"], [0, 1, 2])
    right = module.probabilities(stacked(models, F4)[0]).detach()
    assert_allclose(pool.apply(models), right, **PROMISED)
    assert pool.temperature == pytest.approx(module.temperature.item(), rel=1e-6)
    assert OpinionPool(2).to_pool(classes=["no", "yes"]).models == ("m0", "m1")


def test_names_that_cannot_be():
    with pytest.raises(InputError, match="classes: found none"):
        OpinionPool(2).to_pool()
    with pytest.raises(InputError, match="expected 2 names"):
        OpinionPool(2).to_pool(["a"], [0, 1])
    with pytest.raises(InputError, match="two models are called 'a'"):
        OpinionPool(2).to_pool(["a", "a"], [0, 1])
    models, y = outputs(n=20)
    with pytest.raises(InputError, match="found 2, expected 3"):
        OpinionPool.from_pool(op.fit(models, y)).to_pool(classes=[0, 1])


def test_means_are_refused():
    pool = op.fit({"a": np.ones((5, 2))}, np.arange(5.0), family="gaussian")
    with pytest.raises(InputError, match="the family 'gaussian'"):
        OpinionPool.from_pool(pool)


BAD = {
    "no models": ({"n_models": 0}, "n_models: found 0"),
    "rule": ({"n_models": 2, "rule": "geometric"}, "rule: found 'geometric'"),
    "temperature": ({"n_models": 2, "temperature": 0}, "temperature: found 0"),
    "weights": ({"n_models": 2, "weights": [1]}, "weights: found shape"),
    "negative": ({"n_models": 2, "weights": [1, -1]}, "weights: found"),
    "parametrisation": ({"n_models": 2, "parametrisation": "exp"}, "found 'exp'"),
}


@pytest.mark.parametrize(("options", "words"), BAD.values(), ids=BAD)
def test_options_that_cannot_be(options, words):
    with pytest.raises(InputError, match=words):
        OpinionPool(**options)


def test_shapes_that_cannot_be():
    module = OpinionPool(3)
    with pytest.raises(InputError, match=r"found shape \(2, 5, 4\), expected \(3, …, K\)"):
        module(torch.zeros(2, 5, 4))
    with pytest.raises(InputError, match=r"1 outcome.*at least two"):
        module(torch.zeros(3, 5, 1))
    with pytest.raises(InputError, match=r"present: found shape \(3, 4\), expected \(3, 5\)"):
        module(torch.zeros(3, 5, 4), torch.ones(3, 4, dtype=torch.bool))
