"""Many runs: a grid over any fields, times seeds."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

from precipice import _native, progress as _progress
from precipice.errors import Interrupted, SpecError, place, whole, whole_or_none, wrong
from precipice.executor import Executor, attend
from precipice.figure import Figure
from precipice.run import Rows, Run, load
from precipice.spec import Spec, SpecLike, _changes, _json, is_toml

__all__ = ["Sweep", "load_sweep", "sweep"]


class Sweep(Sequence[Run]):
    """The runs of a sweep that have ended; a sequence of them, loaded when asked for.

    >>> import precipice as pp
    >>> runs = pp.sweep("copying-small", seeds=range(2), steps=20, out="two-seeds", progress=False)
    >>> len(runs), runs[1].spec["seeds.data"], runs.rows["outcome"].tolist()
    (2, 1, ['none', 'none'])
    """

    _core: _native.Sweep

    def __init__(self, native: _native.Sweep) -> None:
        self._core = native

    @property
    def path(self) -> Path:
        """Its folder."""
        return Path(self._core.path)

    @property
    def rows(self) -> Rows:
        """A row for each run: address, swept fields, seed, outcome, the jump, and the last row of its log.

        A dict of columns: whole numbers int64, switches bool, text str, others float64 with NaN where undefined.
        """
        return self._core.rows()

    @property
    def points(self) -> list[dict[str, Any]]:
        """The jump over the seeds of each point of the grid: `t50_median`, `t50_interval` (95 %), `n_runs`, `n_jumped`.

        None where fewer than half were seen to jump.
        """
        points: list[dict[str, Any]] = json.loads(self._core.points())
        return points

    @property
    def failed(self) -> list[str]:
        """Runs that could not be made, and why."""
        return [f"{which}: {why}" if which else why for which, why in self._core.failed]

    @property
    def n_missing(self) -> int:
        """Runs that were asked for and have not ended; the same call goes on with them."""
        return self._core.n_missing

    def curves(self) -> Rows:
        """A row for each row of each run: directory, swept fields and seed of the run, then what was measured.

        >>> import precipice as pp
        >>> runs = pp.sweep("copying-small", seeds=range(2), steps=20, out="two-seeds", progress=False)
        >>> runs.curves()["accuracy"].shape
        (4,)
        """
        return self._core.curves()

    def figure(self, kind: str = "ensemble") -> Figure:
        """`ensemble`, `dependence` (one swept field) or `phase-diagram` (two). It shows itself in a notebook.

        >>> import precipice as pp
        >>> runs = pp.sweep("copying-small", seeds=range(2), steps=20, out="two-seeds", progress=False)
        >>> runs.figure().svg[:4]
        '<svg'
        """
        return Figure(self._core.figure(kind))

    def __len__(self) -> int:
        return len(self._core.run_dirs)

    @overload
    def __getitem__(self, index: int) -> Run: ...
    @overload
    def __getitem__(self, index: slice) -> list[Run]: ...
    def __getitem__(self, index: int | slice) -> Run | list[Run]:
        if isinstance(index, slice):
            return [load(path) for path in self._core.run_dirs[index]]
        return load(self._core.run_dirs[index])

    def __iter__(self) -> Iterator[Run]:
        return (load(path) for path in self._core.run_dirs)

    def __repr__(self) -> str:
        missing = f", {self.n_missing} missing" if self.n_missing else ""
        return f"Sweep({str(self.path)!r}, {len(self)} runs{missing})"


def sweep(
    spec: SpecLike = "copying",
    *,
    grid: Mapping[str, Iterable[Any]] | None = None,
    seeds: Iterable[int] | str | None = None,
    steps: int | None = None,
    changes: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    fast: bool = False,
    arithmetic: str | None = None,
    executor: Executor | None = None,
    tasks: int = 4,
    progress: bool | None = None,
) -> Sweep:
    """Makes all runs of a grid, and returns them. What is there is not made again; an interrupted sweep goes on.

    spec     what `Spec` takes, or the name or file of a sweep
    grid     fields and their values; fields that go together are one key, "a,b": [[1, 2], [3, 4]]
    seeds    by default 0 to 7, or those of the sweep file
    steps    `train.steps` of every run; `changes` other fields
    out      the folder; by default runs/sweep-NAME
    workers  runs at a time; by default one for each core
    fast     the fast form of a sweep file
    executor of `concurrent.futures` or what looks like one (Dask, Ray, submitit; docs/clusters.md): it is given `tasks`
             equal workers that share the folder, which all of them must see; each makes `workers` runs at a time, by
             default one. Runs that no worker came to are missing, and the same call goes on with them

    Raises SpecError; Interrupted on Ctrl-C, with all that was made.

    >>> import precipice as pp
    >>> grid = {"task.copying.n_labels": [8, 16]}
    >>> runs = pp.sweep("copying-small", grid=grid, seeds=range(2), steps=20, out="labels", progress=False)
    >>> runs.rows["task.copying.n_labels"].tolist()
    [8, 8, 16, 16]
    """
    typed = None if seeds is None else seeds if isinstance(seeds, str) else ",".join(str(whole("seeds", seed)) for seed in seeds)
    steps, workers = whole_or_none("steps", steps), whole_or_none("workers", workers, 1)
    points = {key: _points(key, values) for key, values in (grid or {}).items()}
    axes = [(key, [_json(key, value) for value in values]) for key, values in points.items()]
    path = None if out is None else place("out", out)
    collect = executor is not None
    tasks = whole("tasks", tasks, 1)
    with tempfile.TemporaryDirectory() as folder:
        source = _source(spec, folder)
        with _progress.of_sweep(progress, "sweep") as tick:
            asked = (source, fast, _changes(changes), steps, axes, typed)
            try:
                if executor is not None:
                    path = _native.sweep(*asked, path, workers, arithmetic, None, collect).path
                    options = dict(seeds=typed, steps=steps, changes=changes, out=path, workers=workers or 1)
                    options |= dict(grid=points, fast=fast, arithmetic=arithmetic)
                    attend(executor, tasks, _sent(spec), options, path, tick)
                made = Sweep(_native.sweep(*asked, path, workers, arithmetic, tick, collect))
            except SpecError as e:
                # Nobody knows the file that the spec was written to.
                message = str(e).replace(f"{source}: ", "") if source.startswith(folder) else str(e)
                raise SpecError(message, e.field, e.value, e.expected) from None
    if made._core.is_stopped:
        message = f"stopped after {len(made)} runs; they are kept in {made.path}, and the same call goes on"
        raise Interrupted(message, path=made.path)
    return made


def _source(spec: SpecLike, folder: str) -> str:
    """A sweep is of a name or a file: other specs are written to one."""
    is_file = not isinstance(spec, (Spec, Mapping)) and not is_toml(spec) and not os.path.isdir(os.fspath(spec))
    if is_file:
        return os.fspath(spec)  # type: ignore[arg-type]
    source = os.path.join(folder, "spec.toml")
    Path(source).write_text(Spec(spec).toml, encoding="utf-8")
    return source


def _sent(spec: SpecLike) -> SpecLike:
    """What another process, on another machine perhaps, makes the same of."""
    if isinstance(spec, (Spec, Mapping)) or is_toml(spec) or os.path.isdir(spec):
        return Spec(spec)
    return os.path.abspath(spec) if os.path.isfile(spec) else os.fspath(spec)


def _points(key: str, values: object) -> list[Any]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Iterable):
        raise wrong(key, values, "must be values, one for each point of the grid")
    return list(values)


def load_sweep(path: str | os.PathLike[str]) -> Sweep:
    """The runs of a folder that have ended, whichever sweeps made them.

    Raises FileNotFoundError where there is no sweep, StoreError where it is damaged.

    >>> import precipice as pp
    >>> made = pp.sweep("copying-small", seeds=range(2), steps=20, out="two-seeds", progress=False)
    >>> len(pp.load_sweep("two-seeds"))
    2
    """
    return Sweep(_native.load_sweep(place("path", path)))
