"""Sweeps by the workers that somebody else's executor has."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from precipice import _native
from precipice.errors import Interrupted, wrong

__all__ = ["Executor"]

BETWEEN = 0.5
"""Seconds between two looks at the folder."""


class Executor(Protocol):
    """What takes work: those of `concurrent.futures`, and whatever looks like them."""

    def submit(self, function: Callable[..., Any], /, *args: Any) -> Any:
        """Something with `done()` and `result()`."""


def work(spec: Any, options: dict[str, Any]) -> int:
    """One of equal workers, wherever it runs: makes the runs that nobody has, and says how many have ended."""
    from precipice.sweep import sweep

    return len(sweep(spec, **options, progress=False))


def attend(executor: Executor, n_tasks: int, spec: Any, options: dict[str, Any], path: str, tick: Any) -> None:
    """Hands the same work to so many workers and waits until all have ended.

    Where all of them failed, the error of the first is raised; where some did, the others have made their runs.
    """
    if not callable(getattr(executor, "submit", None)):
        raise wrong("executor", executor, "must have submit(function, *args), as those of concurrent.futures have")
    futures = [executor.submit(work, spec, options) for _ in range(n_tasks)]
    try:
        while not all(future.done() for future in futures):
            time.sleep(BETWEEN)
            if tick is not None:
                told = _native.sweep_progress(path)
                if told is not None:
                    tick(*told)
    except KeyboardInterrupt:
        for future in futures:
            getattr(future, "cancel", bool)()
        message = f"stopped looking at {path}; workers that have begun go on, and the same call looks again"
        raise Interrupted(message, path=Path(path)) from None
    errors: list[Exception] = []
    for future in futures:
        try:
            future.result()
        except Exception as e:
            errors.append(e)
    if len(errors) == n_tasks:
        raise errors[0]
