"""The very batches that the engine trains on."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from precipice import _native
from precipice.errors import whole
from precipice.look import Batch, batch_of
from precipice.spec import Spec, SpecLike

__all__ = ["Task"]

_FAMILIES = ("copying", "classification", "regression", "relation")


class Task:
    """A task with its fixed world: the very batches that a run trains on, for anyone's own network.

    `task` is a family (`copying`, `classification`, `regression`, `relation`) with fields of its own as keyword
    arguments, or whatever `Spec` takes. Batches are pure in seed, set and step.

    >>> import precipice as pp
    >>> task = pp.Task("classification", n_classes=1024)
    >>> task.batch(step=17).items.shape
    (128, 9, 63)
    """

    spec: Spec
    """The spec whose task it is."""

    def __init__(self, task: SpecLike = "copying", *, seed: int | None = None, **fields: Any) -> None:
        if isinstance(task, str) and task in _FAMILIES:
            spec: SpecLike = {"name": task, "task": {task: fields}}
            self.spec = Spec(spec, seed=seed)
        else:
            family = Spec(task).facts["family"] if fields else ""
            changes = {f"task.{family}.{name}": value for name, value in fields.items()}
            self.spec = Spec(task, seed=seed, changes=changes)
        self._core = _native.Task(self.spec._core)

    def batch(self, step: int = 0, n: int | None = None, *, set: str = "train", first: int = 0) -> Batch:
        """Sequences `first .. first + n` of a training step; `n` is by default the spec's batch size.

        Sets are `train`, `eval` and those that the facts name; evaluation sets are those of step 0.

        >>> import precipice as pp
        >>> task = pp.Task("copying-small")
        >>> (task.batch(5, 8).items == task.batch(5, 100).items[:8]).all()
        np.True_
        """
        size = self._batch_size if n is None else whole("n", n, 1)
        return batch_of(self._core.batch(set, whole("step", step), whole("first", first), size))

    @cached_property
    def _batch_size(self) -> int:
        size: int = self.spec["train.batch_size"]
        return size

    @cached_property
    def label_vectors(self) -> npt.NDArray[np.float32]:
        """The vectors that stand for labels in a sequence, [L, D]; none where values are asked for.

        >>> import precipice as pp
        >>> pp.Task("copying-small").label_vectors.shape
        (16, 32)
        """
        return self._core.label_vectors()

    @property
    def sets(self) -> list[str]:
        """Names of its sets.

        >>> import precipice as pp
        >>> pp.Task("classification").sets
        ['train', 'eval', 'ic', 'ic_swap', 'iw']
        """
        prefixes = [found["prefix"] for found in self.spec.facts["eval_sets"]]
        return ["train", *(prefix.rstrip("_") or "eval" for prefix in prefixes)]

    def __repr__(self) -> str:
        return f"Task({self.spec.facts['family']}: {self.spec.facts['sizes']})"
