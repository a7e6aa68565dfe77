"""Tasks and probes of your own, in Python."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from precipice.errors import whole, whole_or_none, wrong
from precipice.look import engine_arrays
from precipice.spec import Spec, _json

if TYPE_CHECKING:
    from precipice.run import Run

__all__ = ["CustomTask", "Probe"]

_WORD = re.compile(r"[a-z0-9_]+\Z")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}\Z")


def _words(field: str, words: object) -> list[str]:
    """Names of columns or sets, with what they are called."""
    if not isinstance(words, Mapping) or not words:
        raise wrong(field, words, "must map at least one name to what it is called")
    for name, called in words.items():
        if not (isinstance(name, str) and _WORD.match(name) and isinstance(called, str)):
            raise wrong(field, name, "must be words of a-z, 0-9 and _, each with a str")
    return list(words)



class CustomTask(ABC):
    """A task whose batches are drawn in Python; the network and its training are those of a spec.

    Attributes say what it is like, `draw` draws it. A network of `n_exemplars` items of width `d_item`, each with one of
    `n_labels` labels (or with a value, where `n_labels` is None), is asked for the label or the value of a query.

    >>> import numpy as np
    >>> import precipice as pp
    >>> class Opposites(pp.CustomTask):
    ...     name, n_exemplars, n_labels, d_item = "opposites", 4, 16, 32
    ...     def draw(self, rng, n, set):
    ...         items = rng.standard_normal((n, 5, 32), np.float32) / np.sqrt(32)
    ...         slots = rng.integers(4, size=n)
    ...         items[:, 4] = -items[np.arange(n), slots]
    ...         labels = rng.permuted(np.tile(np.arange(16), (n, 1)), axis=1)[:, :4]
    ...         return {"items": items, "labels": labels, "answers": labels[np.arange(n), slots]}
    >>> made = pp.run("copying-small", task=Opposites(), steps=40, progress=False)
    >>> made.spec.facts["family"]
    'opposites'
    """

    name: str
    """Of the family: letters, digits, `-` and `_`."""
    n_exemplars: int
    """N, items in a context."""
    d_item: int
    """D, width of an item."""
    n_labels: int | None = None
    """L, labels in all; None where values are asked for, by a network like that of the spec `regression`."""
    eval_sets: Mapping[str, str] = {"eval": "the training distribution"}
    """Evaluation sets and what they are called. The first is `eval`, drawn as training is; columns of others begin with
    their name."""
    parameters: Mapping[str, bool | int | float | str] = {}
    """The task's own parameters: part of the run's address, so that other values are another run."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, n: int, set: str) -> Mapping[str, npt.ArrayLike]:
        """`n` sequences of a set (`train`, or one of `eval_sets`), of these random numbers alone.

        Returns `items` [n, N + 1, D], the query last; and either `labels` [n, N] and `answers` [n], whole numbers below L,
        or `values` [n, N + 1], y of each item, the query's last. `matches` [n, N], which labels answer the query, follows
        from the labels where it is not given; `item_ids` [n, N + 1] are free.
        """

    def batch(self, seed: int, set: str, step: int, first: int, n: int) -> Mapping[str, npt.ArrayLike]:
        """Sequences `first .. first + n` of (set, step). It must be the same whenever it is asked for: by default `draw`
        is given random numbers that depend on these alone. Override it for data that are not random."""
        address = [seed, *set.encode(), 1 << 20, step, first]
        return self.draw(np.random.Generator(np.random.PCG64(np.random.SeedSequence(address))), n, set)

    def label_vectors(self, seed: int) -> npt.ArrayLike | None:
        """The vectors that stand for labels, [L, D]. By default normal numbers of variance 1/D."""
        return None

    # What the engine calls.

    def _draw(self, seed: int, set: str, step: int, first: int, n: int) -> dict[str, Any]:
        drawn = self.batch(seed, set, step, first, n)
        if not isinstance(drawn, Mapping):
            raise wrong("draw", type(drawn).__name__, "must return a mapping of arrays: items, labels, answers")
        return engine_arrays(drawn)

    def _label_vectors(self, seed: int) -> npt.NDArray[np.float32] | None:
        vectors = self.label_vectors(seed)
        return None if vectors is None else np.ascontiguousarray(vectors, np.float32)

    def _facts(self, tokens: str) -> dict[str, Any]:
        for field in ("name", "n_exemplars", "d_item"):
            if not hasattr(self, field):
                raise wrong(f"{type(self).__name__}.{field}", "(missing)", "must be given")
        n, labels = whole("n_exemplars", self.n_exemplars, 1), whole_or_none("n_labels", self.n_labels, 2)
        if not (isinstance(self.name, str) and _NAME.match(self.name)):
            raise wrong("name", self.name, "must be 1 to 80 letters, digits, `-` and `_`")
        names = _words("eval_sets", self.eval_sets)
        if names[0] != "eval" or "train" in names or any(name.endswith("_") for name in names):
            raise wrong("eval_sets", names, "must begin with `eval`, and have no `train` and no name that ends in _")
        prefixes = ["", *(f"{name}_" for name in names[1:])]
        sets = [{"prefix": prefix, "words": words} for prefix, words in zip(prefixes, self.eval_sets.values())]
        if labels is None:
            geometry = {"pairs" if tokens == "pairs" else "values": n}
            # A column that the engine adds for such tasks.
            rises = ("explained", 0.0, "answering 0", 1.0, "all explained")
        else:
            geometry = {"labels": n}
            rises = ("accuracy", 1.0 / n, "1/N", 1.0, "all right")
        column, floor, floor_words, ceiling, ceiling_words = rises
        return {
            "family": self.name,
            "sizes": f"N = {n}" if labels is None else f"N = {n}, L = {labels}",
            "d_item": whole("d_item", self.d_item, 1),
            "geometry": geometry,
            "targets": "query-value" if labels is None else {"query-label": {"n_labels": labels}},
            "eval_sets": sets,
            "probed_set": {"eval": 0},
            "progress": {
                "column": column,
                "words": column,
                "floor": floor,
                "floor_words": floor_words,
                "ceiling": ceiling,
                "ceiling_words": ceiling_words,
            },
        }


class Probe(ABC):
    """Columns of your own, measured with every row.

    >>> import numpy as np
    >>> import precipice as pp
    >>> class Norm(pp.Probe):
    ...     columns = {"norm": "norm of the readout"}
    ...     def measure(self, run):
    ...         return float(np.linalg.norm(run.weights()["readout.0.weight"]))
    >>> made = pp.run("copying-small", steps=20, probes=[Norm()], progress=False)
    >>> made.rows["norm"].round(3).tolist()[0]
    0.0
    """

    columns: Mapping[str, str]
    """Names of the columns, of a-z, 0-9 and _, and what they are called."""

    @abstractmethod
    def measure(self, run: Run) -> float | Mapping[str, float]:
        """What the network is like now: `run` stands at this step and can be looked into, but has no past, and is the same
        object, further on, the next time. A number where there is one column, else one for each."""

    def _metrics(self) -> str:
        columns: Mapping[str, str] = getattr(self, "columns", {})
        _words("columns", columns)
        metric = {"unit": "number", "better": "neither", "group": "own"}
        return json.dumps([{"name": name, "words": words, **metric} for name, words in columns.items()])

    def _measure(self, native: Any) -> dict[str, float]:
        from precipice.run import Run

        measured = self.measure(Run._of(native, None, (), is_shown=True))
        if not isinstance(measured, Mapping):
            if len(self.columns) > 1:
                raise wrong("measure", measured, f"must give a mapping with {', '.join(self.columns)}")
            measured = {next(iter(self.columns)): measured}
        return {name: float(value) for name, value in measured.items()}


def check_probes(probes: Iterable[Probe]) -> tuple[Probe, ...]:
    """Refuses what are no probes, and two columns of one name."""
    all_probes, seen = tuple(probes), set[str]()
    for probe in all_probes:
        if not isinstance(probe, Probe):
            raise wrong("probes", probe, "must be instances of precipice.Probe")
        for name in json.loads(probe._metrics()):
            if name["name"] in seen:
                raise wrong("columns", name["name"], "is measured by two probes")
            seen.add(name["name"])
    return all_probes


def spec_with(spec: Spec, task: CustomTask | None) -> Spec:
    """The spec on a task of one's own."""
    if task is None:
        return spec
    if not isinstance(task, CustomTask):
        raise wrong("task", task, "must be an instance of precipice.CustomTask")
    tokens = spec.to_dict().get("model", {}).get("tokens", "pairs")
    return Spec._of(spec._core.with_task(json.dumps(task._facts(tokens)), _json("parameters", dict(task.parameters))))
