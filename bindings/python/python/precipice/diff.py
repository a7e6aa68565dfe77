"""Two runs held against each other."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from precipice import _native
from precipice.errors import whole_or_none, wrong
from precipice.figure import Figure
from precipice.run import Rows, Run, load

__all__ = ["Diff", "diff"]


class Diff:
    """What differs between two runs, and where they part; what `diff` gives. It shows itself as a sentence.

    >>> import precipice as pp
    >>> made = pp.run("copying-small", steps=40, out="one", figures=False, progress=False)
    >>> twin = pp.run("copying-small", steps=40, seed=1, out="two", figures=False, progress=False)
    >>> found = pp.diff(made, twin)
    >>> found.same, found.step, found.specs["seeds.data"]
    (False, 0, (0, 1))
    """

    report: dict[str, Any]
    """All of it, as `precipice diff --json` says it."""

    _runs: tuple[_native.Run, _native.Run]

    def __init__(self, a: Run, b: Run, report: dict[str, Any]) -> None:
        self._runs, self.report = (a._core, b._core), report

    @property
    def same(self) -> bool:
        """Whether rows and states have the same bits, whatever the specs say."""
        same: bool = self.report["same"]
        return same

    @property
    def verdict(self) -> str:
        """That, or where the runs part, in a sentence."""
        verdict: str = self.report["verdict"]
        return verdict

    @property
    def step(self) -> int | None:
        """The first step at which a bit differs, of a state or of a row. None where none was found."""
        found = (self.report["states"]["parted"], self.report["rows"]["first"])
        return min((one["step"] for one in found if one is not None), default=None)

    @property
    def tensor(self) -> str | None:
        """The tensor that differs most where states part. None where they do not."""
        parted = self.report["states"]["parted"]
        return None if parted is None else str(parted["tensors"][0]["tensor"])

    @property
    def specs(self) -> dict[str, tuple[Any, Any]]:
        """Fields of the specs that differ, and both values; None where a spec leaves a field out."""
        return {field["field"]: (field["a"], field["b"]) for field in self.report["specs"]}

    @property
    def distances(self) -> Rows:
        """How far apart the parameters are at each step that both keep: `step`, `distance` (the norm of the difference),
        `relative` (to that of the first), `tensor` (which has most of it; empty where none differs).

        >>> import precipice as pp
        >>> made = pp.run("copying-small", steps=40, out="one", figures=False, progress=False)
        >>> twin = pp.run("copying-small", steps=40, seed=1, out="two", figures=False, progress=False)
        >>> distances = pp.diff(made, twin).distances
        >>> distances["step"].tolist(), distances["distance"][0] > 1.0
        ([0, 1, 2, 4, 8, 16, 32, 40], np.True_)
        """
        rows = self.report["states"]["distances"]
        # JSON has no infinity.
        numbers = {
            name: np.array([np.inf if row[name] is None else row[name] for row in rows], np.float64)
            for name in ("distance", "relative")
        }
        steps = np.array([row["step"] for row in rows], np.int64)
        return {"step": steps, **numbers, "tensor": np.array([row["tensor"] or "" for row in rows], object)}

    def figure(self) -> Figure:
        """Both curves, and their difference below. Raises Error where the two show no common column.

        >>> import precipice as pp
        >>> made = pp.run("copying-small", steps=40, out="one", figures=False, progress=False)
        >>> twin = pp.run("copying-small", steps=40, seed=1, out="two", figures=False, progress=False)
        >>> pp.diff(made, twin).figure().svg[:4]
        '<svg'
        """
        return Figure(_native.twins(*self._runs))

    def __repr__(self) -> str:
        return self.verdict


def diff(
    a: Run | str | os.PathLike[str], b: Run | str | os.PathLike[str], *, threads: int | None = None
) -> Diff:
    """Holds two stored runs against each other, as `precipice diff` does: specs, rows, and states; between two states that
    are kept both are replayed to the exact step at which they part.

    a, b     directories, or runs that were loaded or written by `run(..., out=...)`
    threads  by default all that a run can use

    Raises SpecError for a run in memory, StoreError for one that is damaged; KeyboardInterrupt on Ctrl-C.

    >>> import precipice as pp
    >>> made = pp.run("copying-small", steps=40, out="one", figures=False, progress=False)
    >>> made.at(20).branch({"train.clip_norm": 0.01}).run(progress=False).save("other")
    >>> pp.diff(made, "other")
    they part at step 21: until step 20 all is the same, then the parameters differ; the logs differ from step 40 on
    """
    runs = [_stored(name, run) for name, run in (("a", a), ("b", b))]
    told = _native.diff(runs[0]._core, runs[1]._core, whole_or_none("threads", threads, 1))
    return Diff(runs[0], runs[1], json.loads(told))


def _stored(name: str, run: object) -> Run:
    if isinstance(run, Run):
        return run
    if not isinstance(run, (str, os.PathLike)):
        raise wrong(name, run, "must be a run that was loaded, or its directory")
    return load(run)
