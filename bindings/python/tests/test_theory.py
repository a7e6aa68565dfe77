"""The formula."""

import numpy as np
import pytest

import precipice as pp
from precipice import theory


def by_hand(n: int, labels: int, beta: float, alpha: float, xi: float) -> float:
    """The three nested soft-maxes as docs/concepts.md has them."""
    y = np.exp(beta) / (np.exp(beta) + n)
    weight = np.exp(alpha * y)
    z, z_other = weight / (weight + 2 * n), 1 / (weight + 2 * n)
    right = np.exp(xi * z)
    return float(-np.log(right / (right + (n - 1) * np.exp(xi * z_other) + labels - n)))


def test_loss_is_the_formula_at_any_shape() -> None:
    rng = np.random.default_rng(0)
    beta, alpha, xi = rng.normal(0, 4, (3, 5, 7))
    losses = theory.loss(8, 32, beta, alpha, xi)
    assert losses.shape == (5, 7)
    expected = [[by_hand(8, 32, *point) for point in zip(*row)] for row in zip(beta, alpha, xi)]
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    assert theory.loss(8, 32, beta[:, :1], alpha, 0.5).shape == (5, 7)
    assert theory.loss(8, 32, 0, 0, 0).shape == () and theory.loss(8, 32, [], 1.0, 0.0).shape == (0,)
    np.testing.assert_array_equal(theory.loss(8, 32, beta.T[::2], alpha.T[::2], 1), theory.loss(8, 32, beta, alpha, 1).T[::2])


def test_derivatives_are_those_of_the_loss() -> None:
    point = np.array([1.0, 3.0, 5.0])
    at = theory.evaluate(8, 32, *point)
    assert at.p_correct == pytest.approx(np.exp(-at.loss)) and at.y == pytest.approx(np.e / (np.e + 8))
    for i in range(3):
        step = np.eye(3)[i] * 1e-5
        up, down = theory.evaluate(8, 32, *(point + step)), theory.evaluate(8, 32, *(point - step))
        assert at.gradient[i] == pytest.approx((up.loss - down.loss) / 2e-5, rel=1e-5, abs=1e-9)
        np.testing.assert_allclose(at.hessian[i], (up.gradient - down.gradient) / 2e-5, rtol=1e-4, atol=1e-8)


def test_the_flow_falls_over_the_cliff() -> None:
    flow = theory.flow(8, 32)
    assert flow.t50 is not None and flow.edge is not None and flow.edge["t"] < flow.t50
    assert (np.diff(flow.loss) <= 1e-12).all() and flow.loss[0] == pytest.approx(np.log(32))
    at = theory.flow(8, 32, at=[0.0, flow.t50])
    assert at.p_correct[1] == pytest.approx(0.5) and len(at.t) == 2
    stays = theory.flow(8, 8, until=1e4)
    assert stays.t50 is None and stays.edge is None


def test_the_landscape_is_the_loss() -> None:
    surface = theory.landscape(8, 32, beta=np.linspace(0, 5, 3), xi=np.linspace(0, 9, 4), third=2.5)
    assert surface.points[2, 3].tolist() == [5.0, 2.5, 9.0]
    points = np.moveaxis(surface.points, -1, 0)
    np.testing.assert_array_equal(surface.loss, theory.loss(8, 32, *points))
    default = theory.landscape(8, 32)
    assert default.loss.shape == (len(default.x), len(default.y)) and np.abs(default.points[0, 0]).max() < 1e-12


def test_what_is_wrong_is_named() -> None:
    wrong = [
        (lambda: theory.loss(8, 4, 0, 0, 0), "labels"),
        (lambda: theory.loss(0, 4, 0, 0, 0), "n"),
        (lambda: theory.loss(-1, 4, 0, 0, 0), "n"),
        (lambda: theory.evaluate(8, 32, 0, 0, 0, burstiness=3), "burstiness"),
        (lambda: theory.loss(8, 32, 0, 0, 0, noise=-1.0), "noise"),
        (lambda: theory.flow(8, 32, start=(1e9, 0, 0)), "beta"),
        (lambda: theory.flow(8, 32, at=[-1.0]), "at"),
        (lambda: theory.landscape(8, 32, alpha=[0.0]), "axes"),
        (lambda: theory.landscape(8, 32, alpha=[1e9], xi=[0.0]), "alpha"),
    ]
    for call, field in wrong:
        with pytest.raises(pp.SpecError) as raised:
            call()
        assert raised.value.field == field, raised.value
    with pytest.raises(ValueError):
        theory.loss(8, 32, [0, 1], [0, 1, 2], 0)
    with pytest.raises(ValueError):
        theory.loss(8, 32, "a", 0, 0)
