"""What a network is shown, and what it makes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from precipice.errors import SpecError, wrong

__all__ = ["Batch", "Look"]


@dataclass(frozen=True, eq=False)
class Batch:
    """Contexts: S sequences of N items, each with its label or value, and a query.

    >>> import precipice as pp
    >>> batch = pp.Task("copying-small").batch(n=3)
    >>> batch.items.shape, batch.labels.shape, batch.answers.shape
    ((3, 5, 32), (3, 4), (3,))
    """

    items: npt.NDArray[np.float32]
    """[S, N + 1, D]; the last of a sequence is the query."""
    item_ids: npt.NDArray[np.int64]
    """[S, N + 1] class, or row of the file of items; 0 where there are none."""
    offsets: npt.NDArray[np.int64]
    """[S] position of the first token."""
    labels: npt.NDArray[np.int64]
    """[S, N] of the context, in order; empty where values are asked for."""
    answers: npt.NDArray[np.int64]
    """[S] the query's label; empty where values are asked for."""
    matches: npt.NDArray[np.bool_]
    """[S, N] which labels of the context answer the query; empty where values are asked for."""
    values: npt.NDArray[np.float32]
    """[S, N + 1] y of each item, the query's last, where values are asked for; else empty."""

    def __len__(self) -> int:
        return len(self.items)

    def tokens(self, label_vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """x_1 l_1 ... x_N l_N x_q as vectors, [S, 2 N + 1, D]: what a network reads, without positions.

        `label_vectors` are those of the task, [L, D].

        >>> import precipice as pp
        >>> task = pp.Task("copying-small")
        >>> task.batch(n=3).tokens(task.label_vectors).shape
        (3, 9, 32)
        """
        s, n = self.labels.shape
        if n == 0:
            raise ValueError("values were asked for; labels have vectors, values have none")
        tokens = np.empty((s, 2 * n + 1, self.items.shape[2]), np.float32)
        tokens[:, 0::2] = self.items
        tokens[:, 1::2] = label_vectors[self.labels]
        return tokens

    def _dict(self) -> dict[str, Any]:
        labels = ("labels", "answers", "matches") if not self.values.size else ("values",)
        return engine_arrays({name: getattr(self, name) for name in ("items", "item_ids", "offsets", *labels)})


_KINDS: dict[str, Any] = {
    "items": np.float32,
    "values": np.float32,
    "matches": np.bool_,
    "labels": np.int64,
    "answers": np.int64,
    "item_ids": np.int64,
    "offsets": np.int64,
}


def engine_arrays(arrays: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """Arrays of a batch as the engine takes them; whole numbers must be some."""
    converted = {}
    for name, values in arrays.items():
        if name not in _KINDS:
            raise wrong(name, "(given)", f"is not an array of a batch; expected some of {', '.join(_KINDS)}")
        try:
            array = np.asarray(values)
            if _KINDS[name] is np.int64 and array.dtype.kind not in "iu":
                raise wrong(name, str(array.dtype), "must be whole numbers")
            converted[name] = np.ascontiguousarray(array, _KINDS[name])
        except (TypeError, ValueError) as e:
            if isinstance(e, SpecError):
                raise
            raise wrong(name, type(values).__name__, f"must be an array of numbers ({e})") from e
    return converted


def batch_of(arrays: Mapping[str, Any]) -> Batch:
    """A batch of the engine's arrays."""
    s = len(arrays["items"])
    return Batch(
        items=arrays["items"],
        item_ids=arrays["item_ids"],
        offsets=arrays["offsets"],
        labels=arrays["labels"] if "labels" in arrays else np.empty((s, 0), np.int64),
        answers=arrays["answers"] if "answers" in arrays else np.empty(0, np.int64),
        matches=arrays["matches"] if "matches" in arrays else np.empty((s, 0), np.bool_),
        values=arrays["values"] if "values" in arrays else np.empty((s, 0), np.float32),
    )


@dataclass(frozen=True, eq=False)
class Look:
    """What a network makes of contexts; what `Run.look` gives.

    >>> import precipice as pp
    >>> look = pp.Run("copying-small").look(n=3)
    >>> look.outputs.shape, look.attention.shape
    ((3, 16), (2, 1, 3, 9, 9))
    """

    batch: Batch
    """The contexts."""
    outputs: npt.NDArray[np.float32]
    """[S, L] logits of the query's label, or [S] its value."""
    attention: npt.NDArray[np.float32]
    """[layer, head, S, T, T] how much each token (row) attends to each; no layers in a minimal head."""
    residuals: npt.NDArray[np.float32]
    """[layer + 1, S, T, C] the residual stream before each layer and after the last; empty where not asked for."""

    @property
    def accuracy(self) -> float:
        """Share of right answers; NaN where values are asked for."""
        if not self.batch.answers.size:
            return float("nan")
        return float(np.mean(self.outputs.argmax(axis=1) == self.batch.answers))
