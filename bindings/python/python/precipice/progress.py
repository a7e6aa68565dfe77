"""Progress, in terminals and notebooks."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__: list[str] = []

BETWEEN = 0.1
"""Seconds between two updates of what is shown."""
SILENT = 0.5
"""Work that takes less shows nothing."""


def is_wanted(progress: bool | None) -> bool:
    """By default progress is shown where a person sees it."""
    if progress is not None:
        return progress
    return sys.stderr.isatty() or "ipykernel" in sys.modules


class Bar:
    """A bar that appears once it is worth it."""

    def __init__(self, total: int, unit: str, words: str) -> None:
        self.total, self.unit, self.words = total, unit, words
        self.began = self.shown = time.monotonic()
        self.bar: Any = None
        self.first: int | None = None

    def at(self, n: int, **values: str) -> None:
        """So many are done."""
        now = time.monotonic()
        if self.first is None:
            self.first = n
        is_early = self.bar is None and now - self.began < SILENT
        if is_early or (now - self.shown < BETWEEN and n < self.total):
            return
        if self.bar is None:
            from tqdm.std import tqdm

            self.bar = tqdm(
                total=self.total, initial=self.first, unit=self.unit, desc=self.words, dynamic_ncols=True, mininterval=0
            )
            # What was done before it appeared took time, too.
            self.bar.start_t -= now - self.began
        self.shown = now
        self.bar.n = n
        self.bar.set_postfix(values, refresh=False)
        self.bar.refresh()

    def close(self) -> None:
        """No more is done."""
        if self.bar is not None:
            self.bar.close()


@contextmanager
def of_run(progress: bool | None, steps: int, name: str, column: str) -> Iterator[Any]:
    """What the engine tells of step, loss and what rises; None where nobody looks."""
    if not is_wanted(progress):
        yield None
        return
    bar = Bar(steps, "step", name)

    def tick(step: int, loss: float, value: float) -> None:
        told = {"loss": f"{loss:.3f}", column: f"{value:.3f}"}
        bar.at(step, **{key: text for key, text in told.items() if not math.isnan(float(text))})

    try:
        yield tick
    finally:
        bar.close()


@contextmanager
def of_sweep(progress: bool | None, name: str) -> Iterator[Any]:
    """What the engine tells of runs that have ended."""
    if not is_wanted(progress):
        yield None
        return
    bar = Bar(0, "run", name)

    def tick(n_ended: int, n_runs: int) -> None:
        bar.total = n_runs
        bar.at(n_ended)

    try:
        yield tick
    finally:
        bar.close()
