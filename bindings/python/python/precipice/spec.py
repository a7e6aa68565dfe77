"""Specs: all settings of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from precipice import _native
from precipice.errors import whole_or_none, wrong

__all__ = ["Spec", "SpecLike", "specs"]


class Spec:
    """All settings of a run, resolved and valid.

    `spec` is the name of a built-in (see `specs()`), the path of a TOML file or of a run directory, TOML text, a dict,
    or another Spec. `changes` maps fields to values; `seed` sets all four seeds, `steps` is `train.steps`.

    Raises SpecError, with field, value and what was expected.

    >>> import precipice as pp
    >>> spec = pp.Spec("copying-small", seed=3, changes={"task.copying.n_labels": 32})
    >>> spec.name, spec["task.copying.n_labels"], spec["seeds.data"]
    ('copying-small', 32, 3)
    >>> spec == pp.Spec(spec.toml)
    True
    """

    _core: _native.Spec

    def __init__(
        self,
        spec: SpecLike = "copying",
        *,
        seed: int | None = None,
        steps: int | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> None:
        seed, steps = whole_or_none("seed", seed), whole_or_none("steps", steps)
        changed = _changes(changes)
        if isinstance(spec, Spec):
            if seed is not None:
                changed = _changes({f"seeds.{name}": seed for name in ("world", "init", "data", "eval")}) + changed
            if steps is not None:
                changed = [*_changes({"train.steps": steps}), *changed]
            self._core = spec._core.changed(changed) if changed else spec._core
            return
        if isinstance(spec, Mapping):
            source, is_text = _json("spec", spec), True
        else:
            source, is_text = os.fspath(spec), is_toml(spec)
        self._core = _native.resolve(source, is_text, changed, seed, steps)

    @classmethod
    def _of(cls, native: _native.Spec) -> Spec:
        spec = cls.__new__(cls)
        spec._core = native
        return spec

    @property
    def name(self) -> str:
        """Half of the name of its run directory."""
        return self._core.name

    @property
    def hash(self) -> str:
        """Its address: runs of equal specs have equal bits."""
        return self._core.hash

    @property
    def steps(self) -> int:
        """`train.steps`."""
        return self._core.steps

    @property
    def toml(self) -> str:
        """The spec file, with every default filled in."""
        return self._core.toml

    @property
    def facts(self) -> dict[str, Any]:
        """What the task says of itself: sizes, evaluation sets, what rises as it is learned."""
        facts: dict[str, Any] = json.loads(self._core.facts)
        return facts

    def to_dict(self) -> dict[str, Any]:
        """All fields, as nested dicts.

        >>> import precipice as pp
        >>> pp.Spec("copying").to_dict()["train"]["batch_size"]
        128
        """
        fields: dict[str, Any] = json.loads(self._core.json)
        return fields

    def changed(self, changes: Mapping[str, Any]) -> Spec:
        """The same with other values of these fields.

        >>> import precipice as pp
        >>> pp.Spec("copying").changed({"train.steps": 7}).steps
        7
        """
        return Spec(self, changes=changes)

    def __getitem__(self, key: str) -> Any:
        found: Any = self.to_dict()
        for part in key.split("."):
            if not isinstance(found, dict) or part not in found:
                raise KeyError(key)
            found = found[part]
        return found

    def __reduce__(self) -> tuple[type[Spec], tuple[str]]:
        return Spec, (self.toml,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)

    def __repr__(self) -> str:
        return f"Spec({self.name!r}, {self.facts['family']}: {self.facts['sizes']}, {self.steps} steps, {self.hash[:8]})"


SpecLike: TypeAlias = str | os.PathLike[str] | Mapping[str, Any] | Spec
"""Whatever `Spec` takes."""


def specs() -> dict[str, str]:
    """The built-in specs: names and descriptions.

    >>> import precipice as pp
    >>> "copying-small" in pp.specs()
    True
    """
    return dict(_native.specs())


def is_toml(spec: object) -> bool:
    """Whether a str is the text of a spec, not its name or path."""
    return isinstance(spec, str) and ("\n" in spec or "=" in spec) and not os.path.exists(spec)


def _plain(value: Any) -> Any:
    """NumPy's numbers and paths, for JSON."""
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError


def _json(field: str, value: Any) -> str:
    """A value of a spec; NaN, infinities, None and other objects are none."""
    try:
        text = json.dumps(value, default=_plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        text = "null"
    if _has_null(json.loads(text)):
        raise wrong(field, value, "must be a bool, a finite number, a str, or a list or dict of such")
    return text


def _has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_null(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_has_null(inner) for inner in value)
    return value is None


def _changes(changes: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    if not (changes is None or isinstance(changes, Mapping)):
        raise wrong("changes", changes, "must map fields to values")
    return [(key, _json(key, value)) for key, value in (changes or {}).items()]
