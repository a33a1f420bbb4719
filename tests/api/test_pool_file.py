"""A saved pool that was damaged or edited: the message names the field."""

import copy
import json
import pickle

import numpy as np
import pytest
from door_inputs import outputs, saved, with_gaps

import opinionpool as op
from opinionpool.errors import PoolFileError

FIELDS = [
    "format", "version", "rule", "weighting", "models", "weights", "temperature", "classes",
    "kinds", "floors", "settings", "prior", "loss", "losses", "gap", "status", "evaluations",
    "rows", "decomposition", "fingerprint",
]  # fmt: skip
SETTINGS = ["floor", "missing", "fallback", "penalty", "renormalise", "positive", "closure"]
SETTINGS += ["resample", "metric"]
#: Added since the first release of the format, with what their absence means.
LATER = {"family": "categorical", "gamma": None, "model_temperatures": None, "vector": None}
LATER["passes"] = None
LATER_SETTINGS = ["calibrate", "scaling", "confidence", "temperature"]


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return saved(op.fit(*outputs(n=30)), tmp_path_factory.mktemp("pool") / "pool.json")


@pytest.fixture
def load(tmp_path):
    def from_content(content):
        path = tmp_path / "edited.json"
        if not isinstance(content, bytes):
            content = content if isinstance(content, str) else json.dumps(content)
            content = content.encode()
        path.write_bytes(content)
        return op.load(path)

    return from_content


def test_the_fields_are_these(document, load):
    assert sorted(document) == sorted([*FIELDS, *LATER])
    assert sorted(document["settings"]) == sorted(SETTINGS + LATER_SETTINGS)
    assert (document["format"], document["version"]) == ("opinionpool.pool", 1)
    assert load(document).models == ("a", "b", "c")


def test_a_pool_saved_before_there_were_families_is_of_classes(document, load):
    early = {name: document[name] for name in FIELDS}
    early["settings"] = {name: document["settings"][name] for name in SETTINGS}
    pool = load(early)
    assert {name: getattr(pool, name) for name in LATER} == LATER
    assert all(getattr(pool.settings, name) is None for name in LATER_SETTINGS)


@pytest.mark.parametrize("family", ["poisson", 3, None])
def test_an_unknown_family_is_named(document, load, family):
    with pytest.raises(PoolFileError, match=r"edited\.json: .*`\$\.family`"):
        load(document | {"family": family})


@pytest.mark.parametrize("field", FIELDS)
def test_each_field_is_required(document, load, field):
    less = {name: value for name, value in document.items() if name != field}
    with pytest.raises(PoolFileError, match=rf"edited\.json: .*[`']{field}[`']"):
        load(less)


@pytest.mark.parametrize("field", SETTINGS)
def test_each_setting_is_required(document, load, field):
    edited = copy.deepcopy(document)
    del edited["settings"][field]
    with pytest.raises(PoolFileError, match=rf"`{field}` - at `\$\.settings`"):
        load(edited)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [None, 1.5, "x", {"x": []}], ids=repr)
def test_each_field_has_a_type(document, load, field, value):
    fine = [("prior", None), ("fingerprint", "x"), ("weighting", "x")]
    fine += [(name, 1.5) for name in ("loss", "gap", "temperature")]
    if (field, value) in fine:
        load(document | {field: value})
        return
    with pytest.raises(PoolFileError, match=rf"[`'.]{field}"):
        load(document | {field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "another.pool"),
        ("version", 2),
        ("version", 0),
        ("version", True),
        ("rule", "geometric"),
        ("weighting", ""),
        ("models", []),
        ("models", ["a", "a", "b"]),
        ("models", ["a", "b", 3]),
        ("weights", [0.5, 0.5]),
        ("weights", []),
        ("weights", [0.5, 0.6, 0.1]),
        ("weights", [1.5, -0.5, 0]),
        ("weights", [1, "0", 0]),
        ("weights", [1, None, 0]),
        ("weights", [1, "nan", 0]),
        ("weights", [10**400, 0, 0]),
        ("temperature", 0),
        ("temperature", -1),
        ("temperature", "nan"),
        ("temperature", "-inf"),
        ("temperature", "infinite"),
        ("classes", ["a"]),
        ("classes", []),
        ("classes", ["a", None, "b"]),
        pytest.param("classes", ["a", "a", "b"]),
        pytest.param("classes", [1, "1", 2]),
        ("kinds", ["logits"] * 2),
        ("kinds", ["logits", "odds", "logits"]),
        ("floors", [0, 0]),
        ("floors", [0, 0, -1e-9]),
        ("floors", [0, 0, 1 / 3]),
        ("losses", [1.0]),
        pytest.param("loss", "-inf"),
        pytest.param("gap", -1.0),
        ("prior", [0.5, 0.5]),
        ("prior", [0.5, 0.6, 0.1]),
        ("prior", [0.5, 0.5, 0]),
        ("status", "splendid"),
        ("evaluations", -1),
        ("evaluations", 1.5),
        ("rows", {"fitted": -1}),
        ("rows", {"fitted": "all"}),
        pytest.param("rows", {}),
        ("decomposition", {"ambiguity": "large"}),
        ("fingerprint", 7),
        ("settings.floor", "low"),
        pytest.param("settings.floor", -5),
        pytest.param("settings.floor", 0.5),
        ("settings.missing", "ignore"),
        ("settings.fallback", "ignore"),
        ("settings.penalty", "none"),
        pytest.param("settings.penalty", -1),
        ("settings.renormalise", 1),
        ("settings.positive", [1]),
        pytest.param("settings.positive", "unheard of"),
        ("settings.closure", "yes"),
    ],
    ids=lambda v: str(v)[:24],
)
def test_impossible_values(document, load, field, value):
    edited = copy.deepcopy(document)
    *path, last = field.split(".")
    place = edited[path[0]] if path else edited
    place[last] = value
    with pytest.raises(PoolFileError, match=rf"edited\.json: .*{last}"):
        load(edited)


@pytest.mark.parametrize("place", ["top", "settings"])
def test_unknown_fields(document, load, place):
    edited = copy.deepcopy(document)
    (edited if place == "top" else edited[place])["colour"] = 1
    with pytest.raises(PoolFileError, match="unknown field `colour`"):
        load(edited)


def test_a_later_version_says_what_can_be_read(document, load):
    with pytest.raises(PoolFileError, match=r"'version' is 7; this release .* reads version 1"):
        load(document | {"version": 7, "new": "field"})


@pytest.mark.filterwarnings("ignore::opinionpool.OpinionPoolWarning")
def test_a_policy_prior_needs_the_prior(load, tmp_path):
    pool = op.fit(*with_gaps(n=20), fallback="prior")
    document = saved(pool, tmp_path / "pool.json")
    assert load(document).prior.tolist() == pool.prior.tolist()
    with pytest.raises(PoolFileError, match="'prior' is null, expected 3 numbers, which a policy"):
        load(document | {"prior": None})


@pytest.mark.parametrize("keep", [0, 1, 50, 0.5, -2])
def test_truncated_files(document, load, keep):
    text = json.dumps(document)
    cut = int(len(text) * keep) if isinstance(keep, float) else keep
    with pytest.raises(PoolFileError, match="no JSON"):
        load(text[:cut])


@pytest.mark.parametrize(
    "content", [b"\xff\xfe\x00", b"PAR1", b"weights: 1", b"NaN", pickle.dumps({"format": 1})]
)
def test_files_that_are_no_json(load, content):
    with pytest.raises(PoolFileError, match=r"edited\.json: this is no JSON"):
        load(content)


@pytest.mark.parametrize("content", ["[]", "null", "7", '"pool"', "{}", '{"format": null}'])
def test_json_that_is_no_pool(load, content):
    with pytest.raises(PoolFileError, match=r"'format'.*no saved pool"):
        load(content)


def test_json_nested_without_end(load):
    with pytest.raises(PoolFileError):
        load("[" * 100_000)


def test_numbers_that_json_does_not_have(document, load):
    text = json.dumps(document | {"gap": float("nan")})
    assert "NaN" in text
    with pytest.raises(PoolFileError, match="no JSON"):
        load(text)


def test_a_path_that_cannot_be_read(tmp_path):
    with pytest.raises(PoolFileError, match="there is no such file"):
        op.load(tmp_path / "pool.json")
    with pytest.raises(PoolFileError, match="cannot be read"):
        op.load(tmp_path)


def test_nothing_is_unpickled(tmp_path, monkeypatch):
    def never(*_, **__):
        raise AssertionError("unpickled")

    monkeypatch.setattr(pickle, "load", never)
    monkeypatch.setattr(pickle, "loads", never)
    models, y = outputs(n=10)
    pool = op.fit(models, y)
    pool.save(tmp_path / "pool.json")
    op.load(tmp_path / "pool.json").apply(models)
    np.save(tmp_path / "a.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(op.OpinionPoolError, match="pickle"):
        op.combine({"a": tmp_path / "a.npy"})
