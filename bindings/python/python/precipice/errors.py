"""What is raised. System errors are `OSError`, as everywhere."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from precipice.run import Run

__all__ = ["Error", "Interrupted", "SpecError", "StoreError"]


class Error(Exception):
    """Whatever precipice raises, but for `Interrupted`.

    >>> import precipice as pp
    >>> issubclass(pp.SpecError, pp.Error)
    True
    """


class SpecError(Error, ValueError):
    """A value that cannot be used: a field of a spec, or an argument.

    >>> import precipice as pp
    >>> try:
    ...     pp.Spec("copying", changes={"train.batch_size": 0})
    ... except pp.SpecError as e:
    ...     e.field, e.value
    ('train.batch_size', '0')
    """

    field: str | None
    """Dotted path of the field, or the name of the argument; None where it is none."""
    value: str | None
    """What was found."""
    expected: str | None
    """What is allowed, and why."""

    def __init__(
        self, message: str, field: str | None = None, value: str | None = None, expected: str | None = None
    ) -> None:
        super().__init__(message)
        self.field = field
        self.value = value
        self.expected = expected

    def __reduce__(self) -> tuple[type[SpecError], tuple[str, str | None, str | None, str | None]]:
        return SpecError, (str(self), self.field, self.value, self.expected)


class StoreError(Error):
    """A run directory, a sweep's folder or a file in them that is not there, damaged, or another's.

    >>> import precipice as pp
    >>> pp.load("no-such-run")
    Traceback (most recent call last):
    precipice.errors.StoreError: no-such-run: no such run; name its directory, or `latest` for the newest run here and in runs/
    """


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or the stop button of a notebook. Nothing is lost: what was made goes on from where it was.

    >>> import precipice as pp
    >>> issubclass(pp.Interrupted, KeyboardInterrupt)
    True
    """

    run: Run | None
    """The run as far as it came; one in memory goes on with `run.run()`. None of a sweep."""
    path: Path | None
    """Where it is on the disk: the same call goes on from there. None of a run in memory."""

    def __init__(self, message: str, run: Run | None = None, path: Path | None = None) -> None:
        super().__init__(message)
        self.run = run
        self.path = path

    def __reduce__(self) -> tuple[type[Interrupted], tuple[str, None, Path | None]]:
        # A run stays in its process.
        return Interrupted, (str(self), None, self.path)


def wrong(field: str, value: object, expected: str) -> SpecError:
    """A SpecError in the words of all others."""
    return SpecError(f"{field} = {value!r}: {expected}", field, repr(value), expected)


def place(field: str, path: str | os.PathLike[str]) -> str:
    """A path that is none by accident; it stays where it is when the current folder changes."""
    text = os.fspath(path)
    if not text:
        raise wrong(field, text, "must name a folder")
    return os.path.abspath(text)


def whole(field: str, value: object, at_least: int = 0) -> int:
    """A whole number that the engine can count to."""
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if isinstance(value, bool) or not at_least <= number < 1 << 63:
        raise wrong(field, value, f"must be a whole number, {at_least} or more")
    return number


def whole_or_none(field: str, value: object, at_least: int = 0) -> int | None:
    """The same where None stands for a default."""
    return None if value is None else whole(field, value, at_least)
