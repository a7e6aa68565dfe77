"""The formula: the loss of an induction head as three nested soft-maxes of beta, alpha and xi.

All functions take `n` (N, pairs in the context) and `labels` (L); `burstiness` (B, copies of the query's class), `noise`
(within classes) and `label_strength` (beta_2) as `precipice theory --help` describes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from precipice import _native
from precipice.errors import whole, wrong

__all__ = ["Evaluation", "Flow", "Landscape", "evaluate", "flow", "landscape", "loss"]

_Floats = npt.NDArray[np.float64]


def _points(*values: npt.ArrayLike) -> tuple[list[_Floats], tuple[int, ...]]:
    """Flat arrays of one length, or of length 1, and the common shape."""
    arrays = [np.asarray(value, np.float64) for value in values]
    shape = np.broadcast_shapes(*(array.shape for array in arrays))

    def flat(array: _Floats) -> _Floats:
        if array.size == 1:
            return array.reshape(1)
        return np.ascontiguousarray(np.broadcast_to(array, shape)).reshape(-1)

    return [flat(array) for array in arrays], shape


def _context(
    n: object, labels: object, burstiness: object, noise: float, label_strength: float
) -> tuple[int, int, int, float, float]:
    return whole("n", n), whole("labels", labels), whole("burstiness", burstiness), noise, label_strength


def loss(
    n: int,
    labels: int,
    beta: npt.ArrayLike,
    alpha: npt.ArrayLike,
    xi: npt.ArrayLike,
    *,
    burstiness: int = 1,
    noise: float = 0.0,
    label_strength: float = 0.0,
) -> _Floats:
    """Loss in nats, of the shape that beta, alpha and xi broadcast to.

    Raises SpecError if there is no such context.

    >>> import numpy as np
    >>> from precipice import theory
    >>> theory.loss(8, 32, 0.0, 0.0, np.array([0.0, 1.0])).round(4)
    array([3.4657, 3.4219])
    """
    (b, a, x), shape = _points(beta, alpha, xi)
    return _native.loss(_context(n, labels, burstiness, noise, label_strength), b, a, x).reshape(shape)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that the formula says of points; arrays have the shape that beta, alpha and xi broadcast to."""

    loss: _Floats
    """In nats."""
    p_correct: _Floats
    """e^-loss."""
    y: _Floats
    """Attention to the previous token."""
    z: _Floats
    """Attention to each copy of the right label."""
    z_other: _Floats
    """Attention to every other label."""
    u: _Floats
    """Logit of the answer minus that of another label of the context."""
    u_prime: _Floats
    """Logit of the answer minus that of a label not in the context."""
    gradient: _Floats
    """Of the loss by (beta, alpha, xi): one more axis of 3."""
    hessian: _Floats
    """Of the loss: two more axes of 3."""


def evaluate(
    n: int,
    labels: int,
    beta: npt.ArrayLike,
    alpha: npt.ArrayLike,
    xi: npt.ArrayLike,
    *,
    burstiness: int = 1,
    noise: float = 0.0,
    label_strength: float = 0.0,
) -> Evaluation:
    """Loss, gradient, Hessian and what they are made of.

    Raises SpecError if there is no such context.

    >>> from precipice import theory
    >>> at = theory.evaluate(8, 32, 1.0, 2.0, [3.0, 4.0])
    >>> at.loss.shape, at.gradient.shape, at.hessian.shape
    ((2,), (2, 3), (2, 3, 3))
    """
    (b, a, x), shape = _points(beta, alpha, xi)
    told = _native.evaluate(_context(n, labels, burstiness, noise, label_strength), b, a, x)
    gradient, hessian = told.pop("gradient").reshape(*shape, 3), told.pop("hessian").reshape(*shape, 3, 3)
    return Evaluation(gradient=gradient, hessian=hessian, **{key: told[key].reshape(shape) for key in told})


@dataclass(frozen=True, eq=False)
class Flow:
    """A trajectory down the gradient, in time of unit rates."""

    t: _Floats
    beta: _Floats
    alpha: _Floats
    xi: _Floats
    loss: _Floats
    p_correct: _Floats
    t50: float | None
    """Time at which p(correct) rises through 1/2; None if it does not by the end."""
    edge: dict[str, float] | None
    """Where the landscape bends down most, the edge of the cliff: t, beta, alpha, xi, loss; None if nowhere."""


def flow(
    n: int,
    labels: int,
    *,
    start: tuple[float, float, float] = (0.0, 0.0, 0.0),
    until: float = 1e7,
    at: npt.ArrayLike | None = None,
    burstiness: int = 1,
    noise: float = 0.0,
    label_strength: float = 0.0,
) -> Flow:
    """The gradient flow from (beta, alpha, xi), at times `at`, or at the ends of the integrator's steps.

    Raises SpecError if there is no such context, or the start is out of the theory's reach.

    >>> from precipice import theory
    >>> flow = theory.flow(8, 32)
    >>> round(flow.t50, 2), flow.edge["t"] < flow.t50
    (98.67, True)
    """
    times = np.empty(0) if at is None else np.ascontiguousarray(at, np.float64).reshape(-1)
    told = _native.flow(_context(n, labels, burstiness, noise, label_strength), start, until, times)
    edge = told.pop("edge")
    names: list[str] = ["t", "beta", "alpha", "xi", "loss"]
    named = None if edge is None else dict(zip(names, edge))
    return Flow(edge=named, **told)


@dataclass(frozen=True, eq=False)
class Landscape:
    """The loss over two parameters."""

    x: _Floats
    y: _Floats
    loss: _Floats
    """[len(x), len(y)], in nats."""
    points: _Floats
    """[len(x), len(y), 3]: (beta, alpha, xi) of each place."""


def landscape(
    n: int,
    labels: int,
    *,
    beta: npt.ArrayLike | None = None,
    alpha: npt.ArrayLike | None = None,
    xi: npt.ArrayLike | None = None,
    third: float | None = None,
    start: tuple[float, float, float] = (0.0, 0.0, 0.0),
    burstiness: int = 1,
    noise: float = 0.0,
    label_strength: float = 0.0,
) -> Landscape:
    """The loss over two of the parameters, whose values are given; by default alpha from 0 to 8 and xi from 0 to 12.

    The third is `third` everywhere, or where that is None follows the flow from `start`. Axes are in the order beta, alpha,
    xi. Raises SpecError if not exactly two are given.

    >>> import numpy as np
    >>> from precipice import theory
    >>> surface = theory.landscape(8, 32, alpha=np.linspace(0, 8, 5), xi=np.linspace(0, 12, 7))
    >>> surface.loss.shape, bool(surface.loss[0, 0] > surface.loss[-1, -1])
    ((5, 7), True)
    """
    given: dict[str, Any] = {"beta": beta, "alpha": alpha, "xi": xi}
    axes = {name: values for name, values in given.items() if values is not None}
    if not axes:
        axes = {"alpha": np.linspace(0.0, 8.0, 81), "xi": np.linspace(0.0, 12.0, 121)}
    if len(axes) != 2:
        raise wrong("axes", list(axes), "must be two of beta, alpha and xi")
    (first, x), (second, y) = ((name, np.ascontiguousarray(v, np.float64).reshape(-1)) for name, v in axes.items())
    context = _context(n, labels, burstiness, noise, label_strength)
    losses, points = _native.landscape(context, (first, second), x, y, third, start)
    return Landscape(x=x, y=y, loss=losses, points=points)
