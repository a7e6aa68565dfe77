"""Specs."""

import pickle
from pathlib import Path

import numpy as np
import pytest

import precipice as pp


@pytest.mark.parametrize("name", list(pp.specs()))
def test_every_form_is_the_same_spec(name: str) -> None:
    spec = pp.Spec(name)
    Path("spec.toml").write_text(spec.toml)
    for form in (spec, spec.toml, "spec.toml", Path("spec.toml"), spec.to_dict()):
        assert pp.Spec(form) == spec and hash(pp.Spec(form)) == hash(spec)
    assert spec.changed({}) == spec
    assert pp.specs()[name]


def test_changes() -> None:
    spec = pp.Spec("copying-small", seed=3, steps=7, changes={"seeds.data": 4, "train.batch_size": np.int64(16)})
    assert (spec["seeds.init"], spec["seeds.data"], spec.steps, spec["train.batch_size"]) == (3, 4, 7, 16)
    assert pp.Spec(pp.Spec("copying-small"), seed=3)["seeds.world"] == 3
    # What follows from other fields follows.
    wide = pp.Spec("copying-small").changed({"task.copying.n_exemplars": 8})
    assert wide == pp.Spec("copying-small", changes={"task.copying.n_exemplars": 8}) and wide["model.d_pos"] == 17
    assert spec.facts["sizes"] == "N = 4, L = 16"
    with pytest.raises(KeyError):
        spec["train.nothing"]
    with pytest.raises(pp.SpecError, match="train.steps"):
        spec.changed({"train.steps": object()})


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(pp.SpecError) as raised:
        pp.Spec("copying", changes={"model.readout": "mpl"})
    assert (raised.value.field, raised.value.value) == ("model.readout", "mpl")
    assert raised.value.expected == "linear, mlp"
    again = pickle.loads(pickle.dumps(raised.value))
    assert (str(again), again.field) == (str(raised.value), "model.readout")
    with pytest.raises(pp.SpecError, match="did you mean"):
        pp.Spec("copyin")
    with pytest.raises(pp.SpecError, match="line 2"):
        pp.Spec("name = 'x'\nnmae = 3\n")
    for empty in ({}, "\n"):
        with pytest.raises(pp.SpecError):
            pp.Spec(empty)
