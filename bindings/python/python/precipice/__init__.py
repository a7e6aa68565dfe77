"""A laboratory for the abrupt emergence of in-context learning.

Small attention networks that learn to answer from examples in their context sit on a plateau for a long time and then
jump to near-perfect accuracy. Here they are trained in seconds, looked into, explained and swept, with the bits of the
command line:

>>> import precipice as pp
>>> run = pp.run("copying-small", steps=1000, progress=False)
>>> run.outcome, 500 < run.t50 < 800
('transition', True)
>>> run.rows["accuracy"][-1] > 0.9
np.True_

Reading order: `run` and `Run`, `Spec`, `diff`, `sweep`, `Task` (the very batches), `CustomTask` and `Probe` (your own), `theory`
(the formula), `export` (to what others use). All of it: docs/python.md.
"""

from precipice import errors, export, theory
from precipice._native import __version__
from precipice.diff import Diff, diff
from precipice.errors import Error, Interrupted, SpecError, StoreError
from precipice.export import to_hooked_transformer, to_tensorboard, to_wandb
from precipice.figure import Figure
from precipice.look import Batch, Look
from precipice.own import CustomTask, Probe
from precipice.run import Event, Run, last_run, load, run
from precipice.spec import Spec, specs
from precipice.sweep import Sweep, load_sweep, sweep
from precipice.task import Task

__all__ = [
    "Batch",
    "CustomTask",
    "Diff",
    "Error",
    "Event",
    "Figure",
    "Interrupted",
    "Look",
    "Probe",
    "Run",
    "Spec",
    "SpecError",
    "StoreError",
    "Sweep",
    "Task",
    "__version__",
    "diff",
    "errors",
    "export",
    "last_run",
    "load",
    "load_sweep",
    "run",
    "specs",
    "sweep",
    "theory",
    "to_hooked_transformer",
    "to_tensorboard",
    "to_wandb",
]
