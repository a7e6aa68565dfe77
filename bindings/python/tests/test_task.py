"""The very batches, and tasks and probes of one's own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import precipice as pp


class HandedBack(pp.CustomTask):
    """The built-in task's own batches, through Python."""

    name, n_exemplars, n_labels, d_item = "handed-back", 4, 16, 32

    def __init__(self) -> None:
        self.task = pp.Task("copying-small")

    def draw(self, rng: np.random.Generator, n: int, set: str) -> Mapping[str, npt.ArrayLike]:
        raise NotImplementedError

    def batch(self, seed: int, set: str, step: int, first: int, n: int) -> Mapping[str, npt.ArrayLike]:
        drawn = self.task.batch(step, n, set=set, first=first)
        names = ("items", "labels", "answers", "matches", "offsets")
        return {name: getattr(drawn, name) for name in names}

    def label_vectors(self, seed: int) -> npt.ArrayLike:
        return self.task.label_vectors


class Opposites(pp.CustomTask):
    """The query is the negative of an item."""

    name, n_exemplars, n_labels, d_item = "opposites", 4, 16, 32
    eval_sets = {"eval": "opposites", "copies": "copies"}

    def __init__(self, **parameters: Any) -> None:
        self.parameters = parameters

    def draw(self, rng: np.random.Generator, n: int, set: str) -> dict[str, Any]:
        items = rng.standard_normal((n, 5, 32), np.float32) / np.float32(np.sqrt(32))
        slots = rng.integers(4, size=n)
        items[:, 4] = items[np.arange(n), slots] * (1.0 if set == "copies" else -1.0)
        labels = rng.permuted(np.tile(np.arange(16), (n, 1)), axis=1)[:, :4]
        return {"items": items, "labels": labels, "answers": labels[np.arange(n), slots]}


def test_batches_are_what_the_engine_trains_on(short: pp.Run) -> None:
    for threads in (1, 2):
        run = pp.run("copying-small", steps=60, task=HandedBack(), threads=threads, progress=False)
        assert run.digest == short.digest
        np.testing.assert_array_equal(run.rows["accuracy"], short.rows["accuracy"])


def test_batches_are_pure_in_seed_set_and_step() -> None:
    task, again = pp.Task("copying-small", seed=3), pp.Task("copying-small", seed=3)
    whole, part = task.batch(5, 100), again.batch(5, 10, first=90)
    np.testing.assert_array_equal(whole.items[90:], part.items)
    assert not (task.batch(6, 100).items == whole.items).any()
    assert not (task.batch(5, 100, set="eval").items == whole.items).any()
    assert whole.matches.sum(axis=1).tolist() == [1] * 100
    np.testing.assert_array_equal(whole.labels[whole.matches], whole.answers)
    slots = whole.matches.argmax(axis=1)
    np.testing.assert_array_equal(whole.items[np.arange(100), slots], whole.items[:, -1])
    assert len(whole) == 100


@pytest.mark.parametrize("name", list(pp.specs()))
def test_every_built_in_has_batches(name: str) -> None:
    task = pp.Task(name)
    for set in task.sets:
        batch = task.batch(2, 3, set=set)
        n = task.spec.facts["d_item"]
        assert batch.items.shape == (3, batch.item_ids.shape[1], n) and np.isfinite(batch.items).all()
        if batch.labels.size:
            assert batch.tokens(task.label_vectors).shape[0] == 3
            assert batch.labels.max() < len(task.label_vectors)
        else:
            assert batch.values.shape == batch.item_ids.shape
            with pytest.raises(ValueError, match="values"):
                batch.tokens(task.label_vectors)


def test_families_take_their_fields() -> None:
    task = pp.Task("classification", n_classes=1024)
    assert task.spec["task.classification.n_classes"] == 1024
    assert pp.Task("copying-small", n_labels=32).label_vectors.shape == (32, 32)
    with pytest.raises(pp.SpecError) as raised:
        pp.Task("classification", n_clases=3)
    assert raised.value.field == "task.classification.n_clases"
    for arguments in ({"n": 0}, {"n": 1 << 40}, {"step": -1}, {"first": -1}, {"set": "x"}, {"step": "a"}):
        with pytest.raises(pp.SpecError):
            task.batch(**arguments)  # type: ignore[arg-type]


def test_a_task_of_ones_own_is_learned() -> None:
    run = pp.run("copying-small", task=Opposites(), steps=1200, progress=False, threads=1)
    assert run.outcome == "transition" and run.t50 is not None
    assert run.rows["copies_accuracy"][-1] < 0.2, "the sign was learned"
    again = pp.run("copying-small", task=Opposites(), steps=1200, progress=False, threads=2)
    assert again.digest == run.digest
    assert run.look(set="copies").accuracy < 0.5 < run.look().accuracy
    assert run.at(333).step == 333
    other = pp.Run("copying-small", task=Opposites(noise=0.5))
    assert other.spec != run.spec, "parameters are part of the address"


def test_a_task_of_ones_own_on_the_disk() -> None:
    run = pp.run("copying-small", task=Opposites(), steps=40, out="own", progress=False)
    assert pp.load("own", task=Opposites()).look().outputs.shape == (16, 16)
    assert pp.load("own").rows["loss"][-1] == run.rows["loss"][-1]
    with pytest.raises(pp.Error, match="opposites"):
        pp.load("own").look()


def test_values_can_be_asked_for() -> None:
    class Sums(pp.CustomTask):
        name, n_exemplars, d_item = "sums", 6, 4

        def draw(self, rng: np.random.Generator, n: int, set: str) -> dict[str, Any]:
            items = rng.uniform(-1, 1, (n, 7, 4))
            return {"items": items, "values": (items * rng.standard_normal((n, 1, 4))).sum(axis=2)}

    run = pp.run("regression", task=Sums(), steps=200, progress=False)
    assert run.rows["loss"][-1] < run.rows["loss"][0]
    look = run.look(n=int(run.spec["eval.sequences"]))
    left = np.square(look.outputs - look.batch.values[:, -1]).sum() / np.square(look.batch.values[:, -1]).sum()
    assert run.rows["explained"][-1] == pytest.approx(1 - left, abs=1e-5) and run.rows["explained"][-1] > 0
    assert run.look(n=5).outputs.shape == (5,)


class Wrong(Opposites):
    """A task with a fault from a step on."""

    def __init__(self, fault: Mapping[str, Any]) -> None:
        self.fault = fault

    def batch(self, seed: int, set: str, step: int, first: int, n: int) -> Mapping[str, npt.ArrayLike]:
        drawn = dict(super().batch(seed, set, step, first, n))
        if set == "train" and step >= 30:
            drawn.update(self.fault)
            drawn = {key: value for key, value in drawn.items() if value is not None}
        return drawn


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({"items": np.zeros((3, 5, 32))}, "labels"),
        ({"items": np.zeros((128, 4, 32))}, "items"),
        ({"labels": None}, "labels"),
        ({"answers": np.full(128, 16)}, "answers"),
        ({"answers": np.full(128, -1)}, "answers"),
        ({"answers": np.zeros(128)}, "answers"),
        ({"offsets": np.full(128, 99)}, "offsets"),
        ({"lables": np.zeros(3)}, "lables"),
    ],
)
def test_what_a_task_gets_wrong_is_named(fault: Mapping[str, Any], field: str, threads: int) -> None:
    run = pp.Run("copying-small", task=Wrong(fault), threads=threads)
    with pytest.raises(pp.SpecError) as raised:
        run.run(progress=False)
    assert raised.value.field == field
    # It stands where it was last kept, whole.
    assert run.step == 16 and run.digest == pp.Run("copying-small", task=Opposites()).advance(16).digest
    with pytest.raises(pp.SpecError):
        pp.run("copying-small", task=Wrong(fault), out="here", progress=False, threads=threads)
    assert pp.load("here").outcome is None, "an unfinished run that goes on once the task is mended"


def test_what_a_task_raises_comes_through() -> None:
    class Fails(Opposites):
        def draw(self, rng: np.random.Generator, n: int, set: str) -> dict[str, Any]:
            raise LookupError("no data")

    with pytest.raises(LookupError, match="no data"):
        pp.run("copying-small", task=Fails(), progress=False)
    with pytest.raises(pp.SpecError, match="mapping"):

        class Nothing(Opposites):
            def draw(self, rng: np.random.Generator, n: int, set: str) -> Any:
                return None

        pp.run("copying-small", task=Nothing(), progress=False)


def test_tasks_must_say_what_they_are() -> None:
    class Nameless(Opposites):
        pass

    task = Nameless()
    for name, value in (("n_exemplars", 0), ("eval_sets", {}), ("eval_sets", {"Train": "x"}), ("d_item", 1 << 20)):
        wrong = Nameless()
        setattr(wrong, name, value)
        with pytest.raises(pp.SpecError):
            pp.Run("copying-small", task=wrong)
    task.parameters = {"list": [1]}  # type: ignore[dict-item]
    with pytest.raises(pp.SpecError, match="parameters"):
        pp.Run("copying-small", task=task)
    with pytest.raises(TypeError, match="abstract"):
        pp.CustomTask()  # type: ignore[abstract]


class Norms(pp.Probe):
    columns = {"readout_norm": "norm of the readout", "seen": "step"}

    def measure(self, run: pp.Run) -> dict[str, float]:
        assert run.look(n=2).outputs.shape == (2, 16)
        return {"readout_norm": float(np.linalg.norm(run.weights()["readout.0.weight"])), "seen": run.step}


def test_probes_see_the_network_and_change_nothing(short: pp.Run) -> None:
    run = pp.run("copying-small", steps=60, probes=[Norms()], progress=False)
    assert run.digest == short.digest
    assert run.rows["seen"].tolist() == run.rows["step"].tolist()
    expected = np.linalg.norm(run.weights()["readout.0.weight"])
    assert run.rows["readout_norm"][-1] == pytest.approx(expected)
    stored = pp.run("copying-small", steps=60, probes=[Norms()], out="here", figures=False, progress=False)
    assert stored.rows["readout_norm"][-1] == run.rows["readout_norm"][-1]
    assert "readout_norm" in Path("here/manifest.json").read_text()


def test_wrong_probes() -> None:
    class One(pp.Probe):
        columns = {"one": "one"}
        gives: Any = 1.0

        def measure(self, run: pp.Run) -> Any:
            if isinstance(self.gives, Exception):
                raise self.gives
            return self.gives

    for gives, error in (({"two": 1.0}, pp.SpecError), ("a", ValueError), (ZeroDivisionError("x"), ZeroDivisionError)):
        probe = One()
        probe.gives = gives
        with pytest.raises(error):
            pp.run("copying-small", steps=20, probes=[probe], progress=False)
    with pytest.raises(pp.SpecError, match="two probes"):
        pp.Run("copying-small", probes=[One(), One()])
    for columns in ({}, {"Not A Word": "x"}, {"loss": "taken"}):
        probe = One()
        probe.columns = columns
        with pytest.raises(pp.SpecError, match="columns"):
            pp.Run("copying-small", probes=[probe])


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("inner", [1, 2])
def test_a_task_may_train_networks_of_its_own(threads: int, inner: int) -> None:
    teacher = pp.Run("copying-small", steps=100, threads=inner)

    class Distilled(Opposites):
        def draw(self, rng: np.random.Generator, n: int, set: str) -> dict[str, Any]:
            teacher.advance(1)
            assert teacher.at(0).step == 0
            pp.run("copying-small", steps=1, threads=inner, progress=False)
            return super().draw(rng, n, set)

    run = pp.run("copying-small", task=Distilled(), steps=5, threads=threads, progress=False)
    assert run.digest == pp.run("copying-small", task=Opposites(), steps=5, progress=False).digest
    assert teacher.step > 5


def test_a_stored_run_wants_its_own_task() -> None:
    pp.run("copying-small", task=Opposites(), steps=20, out="own", figures=False, progress=False)
    for other in (Opposites(noise=1), HandedBack()):
        with pytest.raises(pp.SpecError, match="not that of the run"):
            pp.load("own", task=other)
    with pytest.raises(pp.Error, match="give it as task="):
        pp.load("own").weights()


def test_sets_have_the_names_that_they_were_given() -> None:
    seen = set()

    class Three(Opposites):
        eval_sets = {"eval": "first", "a": "second", "a_b": "third"}

        def draw(self, rng: np.random.Generator, n: int, set: str) -> dict[str, Any]:
            seen.add(set)
            return super().draw(rng, n, set)

    run = pp.run("copying-small", task=Three(), steps=5, progress=False)
    assert seen == {"train", "eval", "a", "a_b"} and {"accuracy", "a_accuracy", "a_b_accuracy"} <= run.rows.keys()
    assert not (run.look(set="a").batch.items == run.look(set="a_b").batch.items).any()
    for sets in ({"main": "x"}, {"eval": "x", "train": "y"}, {"eval": "x", "a_": "y"}, ["eval"], {"eval": 1}):
        wrong = Opposites()
        wrong.eval_sets = sets  # type: ignore[assignment]
        with pytest.raises(pp.SpecError, match="eval_sets"):
            pp.Run("copying-small", task=wrong)
    for name in ("", "a b", "../x", 3):
        wrong = Opposites()
        wrong.name = name  # type: ignore[assignment]
        with pytest.raises(pp.SpecError, match="name"):
            pp.Run("copying-small", task=wrong)
