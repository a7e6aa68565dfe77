"""Runs: made, loaded, looked into, branched."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

import numpy as np
import numpy.typing as npt

from precipice import _native, progress as _progress
from precipice.errors import Error, Interrupted, place, whole, whole_or_none, wrong
from precipice.figure import Figure
from precipice.look import Batch, Look, batch_of
from precipice.own import CustomTask, Probe, check_probes, spec_with
from precipice.spec import Spec, SpecLike, _changes

__all__ = ["Event", "Run", "Rows", "last_run", "load", "run"]

Rows: TypeAlias = dict[str, npt.NDArray[Any]]
"""A table: columns by name, of one length."""

_last: Run | None = None


@dataclass(frozen=True)
class Event:
    """A row was measured, or the run ended; what iterating over a run gives.

    >>> import precipice as pp
    >>> events = list(pp.Run("copying-small", steps=20))
    >>> [(event.kind, event.step) for event in events]
    [('row', 0), ('row', 20), ('finished', 20)]
    """

    kind: str
    """`row`, `finished` or `diverged`."""
    step: int
    """Updates done."""
    row: dict[str, float]
    """What was measured last, by column; NaN where it is undefined."""


class Run:
    """One run, at some step: it can be made step by step, looked into, branched at any step and gone on with.

    Arguments as of `run`; nothing is computed yet. Iterating makes the run, and gives an `Event` for every row.

    >>> import precipice as pp
    >>> made = pp.Run("copying-small", steps=1600, seed=1)
    >>> for event in made:
    ...     if event.row["accuracy"] > 0.5:
    ...         break
    >>> 500 < made.step < 800
    True
    >>> made.attention(n=3).shape
    (2, 1, 3, 9, 9)
    """

    _core: _native.Run
    _spec: Spec
    _task: CustomTask | None
    _probes: tuple[Probe, ...]
    _is_shown: bool = False

    def __init__(
        self,
        spec: SpecLike = "copying",
        *,
        seed: int | None = None,
        steps: int | None = None,
        changes: Mapping[str, Any] | None = None,
        threads: int | None = None,
        arithmetic: str | None = None,
        task: CustomTask | None = None,
        probes: Iterable[Probe] = (),
    ) -> None:
        resolved = spec_with(Spec(spec, seed=seed, steps=steps, changes=changes), task)
        self._task, self._probes = task, check_probes(probes)
        threads = whole_or_none("threads", threads, 1)
        self._core = _native.Run(resolved._core, threads, arithmetic, task, list(self._probes))
        # The digest of items is part of it, once they were read.
        self._spec = Spec._of(self._core.spec)

    @classmethod
    def _of(
        cls, native: _native.Run, task: CustomTask | None, probes: Sequence[Probe], *, is_shown: bool = False
    ) -> Run:
        made = cls.__new__(cls)
        made._core, made._task, made._probes = native, task, tuple(probes)
        made._spec, made._is_shown = Spec._of(native.spec), is_shown
        return made

    # What it is.

    @property
    def spec(self) -> Spec:
        """Its spec; that of a branch holds its parent's, too."""
        return self._spec

    @property
    def name(self) -> str:
        """The name in its spec."""
        return self.spec.name

    @property
    def step(self) -> int:
        """Updates done."""
        return self._core.step

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.spec.steps

    @property
    def path(self) -> Path | None:
        """Its directory, of a run that was loaded."""
        path = self._core.path
        return None if path is None else Path(path)

    @property
    def arithmetic(self) -> str:
        """`fused` or `portable`, which decides bits."""
        return self._core.arithmetic

    @property
    def is_branch(self) -> bool:
        """Whether it began as a copy of another run."""
        return self._core.is_branch

    @property
    def digest(self) -> str:
        """BLAKE3 of the parameters' bits where it stands: equal digests mean equal networks."""
        return self._core.digest

    # What was measured.

    @property
    def rows(self) -> Rows:
        """What was measured: a dict of columns, as `polars.DataFrame` and `pandas.DataFrame` take it.

        `step` and `sequences` are int64, all others float64, NaN where they are undefined.

        >>> import precipice as pp
        >>> rows = pp.run("copying-small", steps=20, progress=False).rows
        >>> rows["step"].tolist(), rows["loss"].dtype
        ([0, 20], dtype('float64'))
        """
        return self._core.rows()

    def _told(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(self._core.outcome)
        return told

    @property
    def outcome(self) -> str | None:
        """How it ended: `transition` (learned in context), `none`, `iw` (by heart), `both`, `lost`, `diverged`. None while
        it goes on."""
        outcome: str | None = self._told()["outcome"]
        return outcome

    @property
    def transition(self) -> dict[str, float] | None:
        """The jump: `t50`, `onset_step`, `width_10_90`, `plateau_accuracy`, `plateau_loss`, as far as it is known. None
        where there was none."""
        transition: dict[str, float | None] | None = self._told()["transition"]
        if transition is None:
            return None
        return {key: math.nan if value is None else value for key, value in transition.items()}

    @property
    def t50(self) -> float | None:
        """Step at which accuracy is half way from plateau to its final level. None where there was no jump."""
        transition = self.transition
        return None if transition is None else transition["t50"]

    # Making it.

    def advance(self, n_steps: int = 1) -> Run:
        """Makes so many steps, or those that are left. Returns itself.

        >>> import precipice as pp
        >>> pp.Run("copying-small").advance(7).step
        7
        """
        self._made(whole("n_steps", n_steps), None)
        return self

    def run(self, *, progress: bool | None = None) -> Run:
        """Makes all steps that are left. Returns itself. Ctrl-C raises Interrupted; `run` goes on afterwards.

        >>> import precipice as pp
        >>> pp.Run("copying-small", steps=20).run(progress=False).outcome
        'none'
        """
        column = self.spec.facts["progress"]["column"]
        with _progress.of_run(progress, self.steps, self.name, column) as tick:
            self._made(None, tick)
        return self

    def _made(self, n_steps: int | None, tick: Any, *, stops_at_row: bool = False) -> str:
        global _last
        if not self._is_shown:
            _last = self
        try:
            return self._core.train(n_steps, stops_at_row, tick)
        except KeyboardInterrupt:
            message = f"stopped at step {self.step} of {self.steps}; the run is kept: precipice.last_run().run() goes on"
            raise Interrupted(message, run=self) from None

    def __iter__(self) -> Iterator[Event]:
        while True:
            kind = self._made(None, None, stops_at_row=True)
            yield Event(kind, self.step, self._core.last_row())
            if kind != "row":
                return

    # Looking inside, at any step.

    def at(self, step: int) -> Run:
        """The run as it was at any step so far: replayed from the nearest state that is kept, with the same bits.

        Raises SpecError beyond its last step.

        >>> import precipice as pp
        >>> made = pp.run("copying-small", steps=40, progress=False)
        >>> made.at(7).step, made.at(7).run(progress=False).digest == made.digest
        (7, True)
        """
        return Run._of(self._core.at(whole("step", step)), self._task, self._probes)

    def branch(
        self,
        changes: Mapping[str, Any] | None = None,
        *,
        steps: int | None = None,
        reset: str | Iterable[str] = (),
        zero: str | Iterable[str] = (),
        graft: Graft | Iterable[Graft] = (),
        task: CustomTask | None = None,
        name: str | None = None,
    ) -> Run:
        """A run that begins as a copy of this one, here, and goes on under a changed spec; `precipice branch` makes the same.

        changes  fields and their values; `steps` is `train.steps`
        reset    tensors that begin afresh: a name, a dotted prefix (`blocks.1.attn`), or one head of these (`...W_Q[0]`)
        zero     tensors that are 0 from then on, until they learn
        graft    tensors of other runs: a Run or its directory, the step, the name; or several such
        task     your own from there on; such a branch is in memory alone
        name     by default this run's, the step and the changes

        Its rows begin here. Seeds and so batches are the same, and where nothing is changed its rows and digest are, too.
        Its spec holds its parent's: it can be saved, loaded and repeated as any other. Raises SpecError where a tensor has
        another shape than here and is not reset.

        >>> import precipice as pp
        >>> made = pp.run("copying-small", steps=40, progress=False)
        >>> clamp = {"layer": 0, "pattern": "previous-token"}
        >>> made.at(20).branch({"model.clamps": [clamp]}).run(progress=False).rows["step"].tolist()
        [20, 40]
        >>> made.at(20).branch({}).run(progress=False).digest == made.digest
        True
        >>> made.at(20).branch(reset="blocks.1", graft=(made, 40, "blocks.0")).name
        'copying-small-at-20-reset-blocks.1-graft-blocks.0-of-copying-small-40'
        """
        grafts = [_grafted(one) for one in ([graft] if _is_graft(graft) else graft)]
        named = {} if name is None else {"name": name}
        changed = _changes(changes) + _changes(named)
        native = self._core.branch_spec(changed, whole_or_none("steps", steps), _names("reset", reset), _names("zero", zero), grafts)
        spec = spec_with(Spec._of(native), task)
        runs = [(run, step) for run, step, _ in grafts]
        return Run._of(self._core.branch(spec._core, runs, task), task or self._task, self._probes)

    def _there(self, step: int | None) -> _native.Run:
        return self._core if step is None else self._core.at(whole("step", step))

    def weights(self, step: int | None = None) -> dict[str, npt.NDArray[np.float32]]:
        """All tensors by name, here or at a step: `blocks.0.attn.W_Q` [head, C, E], `readout.0.weight` [L, C], ...

        >>> import precipice as pp
        >>> pp.Run("copying-small").weights()["blocks.1.attn.W_V"].shape
        (1, 49, 49)
        """
        return self._there(step).weights()

    def attention(
        self, step: int | None = None, *, n: int = 16, set: str = "eval", first: int = 0
    ) -> npt.NDArray[np.float32]:
        """Where every token looks, [layer, head, sequence, query, key], here or at a step, on sequences of a set.

        >>> import precipice as pp
        >>> pp.Run("copying-small").attention(n=2).shape
        (2, 1, 2, 9, 9)
        """
        return self.look(step, n=n, set=set, first=first).attention

    def look(
        self,
        step: int | None = None,
        *,
        n: int = 16,
        set: str = "eval",
        first: int = 0,
        batch: Batch | None = None,
        residuals: bool = False,
    ) -> Look:
        """What the network makes of `n` sequences of a set from number `first` on, or of a batch; here or at a step.

        Sets are `train` (the batch of step 0), `eval`, and those that the spec's facts name.

        >>> import precipice as pp
        >>> look = pp.Run("copying-small").look(n=3, residuals=True)
        >>> look.outputs.shape, look.residuals.shape
        ((3, 16), (3, 3, 9, 49))
        """
        there = self._there(step)
        if not (batch is None or isinstance(batch, Batch)):
            raise wrong("batch", batch, "must be a precipice.Batch")
        if batch is None:
            arrays = there.look(set, whole("first", first), whole("n", n, 1), residuals)
        else:
            arrays = there.look_at(batch._dict(), residuals)
        return Look(batch_of(arrays), arrays["outputs"], arrays["attention"], arrays["residuals"])

    @property
    def kept_steps(self) -> list[int]:
        """Steps whose states are kept: others are replayed from the one before."""
        return self._core.kept_steps()

    # Saying it.

    def foretell(self) -> dict[str, Any]:
        """The formula held against the run: fitted rates, and the jump as foretold from ever more of the plateau.

        What `precipice theory fit --json` says. Raises Error where the formula does not describe the network.

        >>> import precipice as pp
        >>> made = pp.run("copying-small", steps=1000, progress=False)
        >>> sorted(made.foretell())
        ['formulas', 'half_step', 't50']
        """
        told: dict[str, Any] = json.loads(self._core.fit())
        return told

    def figure(
        self, kind: str = "learning-curve", *, heads: Iterable[tuple[int, int]] = (), steps: Iterable[int] = ()
    ) -> Figure:
        """A figure by its name on the command line: `learning-curve`, `attention`, `interactions`, `order-parameters`,
        `contexts`, `landscape`, `theory-over-measurement`, `generalization`, `roll-out`.

        `heads` and `steps` (that are kept) choose rows and columns of `attention`. It shows itself in a notebook.

        >>> import precipice as pp
        >>> pp.run("copying-small", steps=40, progress=False).figure("attention", steps=[0, 40]).svg[:4]
        '<svg'
        """
        return Figure(self._core.figure(kind, list(heads), [whole("steps", step) for step in steps]))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the run directory, which `load` and the command line read; `precipice verify` repeats it.

        Raises StoreError if something stands there, Error of a branch on a task of your own: nobody could make its parent
        from its directory.

        >>> import precipice as pp
        >>> made = pp.run("copying-small", steps=20, progress=False)
        >>> made.save("a-run")
        >>> pp.load("a-run").digest == made.digest
        True
        """
        self._core.save(place("path", path))

    def __repr__(self) -> str:
        try:
            outcome, t50 = self.outcome, self.t50
        except Error:
            return f"Run({self.name!r}, at work)"
        said = "not ended" if outcome is None else outcome
        jump = "" if t50 is None or math.isnan(t50) else f", t50 {t50:.0f}"
        return f"Run({self.name!r}, step {self.step} of {self.steps}: {said}{jump})"


Graft: TypeAlias = tuple[Run | str | os.PathLike[str], int, str]
"""Tensors of another run: which, the step, the name of the tensors."""


def _is_graft(graft: object) -> TypeGuard[Graft]:
    return isinstance(graft, tuple) and len(graft) == 3 and isinstance(graft[2], str)


def _grafted(graft: object) -> tuple[_native.Run, int, str]:
    if not _is_graft(graft):
        raise wrong("graft", graft, "must be a run or its directory, a step and the name of a tensor")
    run, step, tensor = graft
    return (run if isinstance(run, Run) else load(run))._core, whole("graft", step), tensor


def _names(field: str, names: object) -> list[str]:
    listed = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
    if not all(isinstance(name, str) for name in listed):
        raise wrong(field, names, "must be names of tensors")
    return [str(name) for name in listed]


def run(
    spec: SpecLike = "copying",
    *,
    seed: int | None = None,
    steps: int | None = None,
    changes: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | bool | None = None,
    threads: int | None = None,
    arithmetic: str | None = None,
    task: CustomTask | None = None,
    probes: Iterable[Probe] = (),
    figures: bool = True,
    force: bool = False,
    progress: bool | None = None,
) -> Run:
    """Trains a network, and returns its run. The same spec gives the same bits as `precipice run`.

    spec       what `Spec` takes; `seed`, `steps` and `changes` as there
    out        None keeps the run in memory. A path, or True for the command line's own (runs/NAME-HASH), writes its
               directory as it goes; there a finished run is not made again, and an interrupted one goes on
    threads    by default all that a run can use; bits do not depend on them
    arithmetic `fused` or `portable`; by default that of this processor
    task       your own, instead of the spec's
    probes     your own columns
    figures    with `out`: draw them into the directory
    force      with `out`: make it again
    progress   by default where a person sees it

    Raises SpecError; Interrupted on Ctrl-C, with the run kept.

    >>> import precipice as pp
    >>> first = pp.run("copying-small", steps=40, seed=2, progress=False)
    >>> again = pp.run("copying-small", steps=40, seed=2, progress=False, threads=1)
    >>> first.digest == again.digest
    True
    """
    global _last
    if out is None or out is False:
        if force:
            raise wrong("force", force, "is for runs that are written: give out, too")
        made = Run(
            spec,
            seed=seed,
            steps=steps,
            changes=changes,
            threads=threads,
            arithmetic=arithmetic,
            task=task,
            probes=probes,
        )
        return made.run(progress=progress)
    resolved = spec_with(Spec(spec, seed=seed, steps=steps, changes=changes), task)
    own, threads = check_probes(probes), whole_or_none("threads", threads, 1)
    path = None if out is True else place("out", out)
    column = resolved.facts["progress"]["column"]
    with _progress.of_run(progress, resolved.steps, resolved.name, column) as tick:
        try:
            written, told, is_stopped = _native.train(
                resolved._core, path, threads, force, figures, arithmetic, task, list(own), tick
            )
        except KeyboardInterrupt:
            message = "stopped while the run was made again from which this one begins; nothing is kept of that"
            raise Interrupted(message) from None
    for warning in told:
        warnings.warn(warning, stacklevel=2)
    _last = load(written, threads=threads, task=task, probes=own)
    if is_stopped:
        message = f"stopped at step {_last.step} of {_last.steps}; it is kept in {written}, and the same call goes on"
        raise Interrupted(message, run=_last, path=_last.path)
    return _last


def load(
    path: str | os.PathLike[str],
    *,
    threads: int | None = None,
    task: CustomTask | None = None,
    probes: Iterable[Probe] = (),
) -> Run:
    """A run that is stored, by its directory; `latest` is the newest here and in runs/. What is read is checked.

    A run on a task of your own needs that task where the network is looked at. One that is unfinished goes on in memory;
    `run(..., out=...)` goes on in the directory. Raises StoreError, or SpecError if the task is another one.

    >>> import precipice as pp
    >>> made = pp.run("copying-small", steps=20, out="stored", figures=False, progress=False)
    >>> pp.load("stored").rows["loss"][-1] == made.rows["loss"][-1]
    np.True_
    """
    own, threads = check_probes(probes), whole_or_none("threads", threads, 1)
    if not os.fspath(path):
        raise wrong("path", path, "must name a run")
    made = Run._of(_native.Run.open(os.fspath(path), threads, task, list(own)), task, own)
    if task is not None and spec_with(made.spec, task) != made.spec:
        raise wrong("task", task, f"is not that of the run in {path}")
    return made


def last_run() -> Run:
    """The last run that was made here, whole or interrupted. Raises Error if there is none.

    >>> import precipice as pp
    >>> made = pp.run("copying-small", steps=20, progress=False)
    >>> pp.last_run() is made
    True
    """
    if _last is None:
        raise Error("no run was made yet; precipice.run makes one")
    return _last
