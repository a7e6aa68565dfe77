#!/usr/bin/env python3
"""Reference values of the three nested soft-maxes, to 20 digits.

Regenerate with

    pip install mpmath
    python3 theory_reference.py > crates/precipice/tests/theory/reference.json

One object a point: the context, (beta, alpha, xi), and loss, gradient and Hessian. Loss is the
formula as it stands; derivatives are mpmath's numerical ones of that formula at 700 digits, so that
nothing of the program's own derivation is used.
"""
import json
import random

from mpmath import diff, exp, log, mp, mpf, nstr

mp.dps = 700


def loss(n, labels, burst, noise, label_strength, beta, alpha, xi):
    n, labels, burst = mpf(n), mpf(labels), mpf(burst)
    y = exp(beta) / (exp(beta) + n)
    s = exp(alpha * y / (1 + mpf(noise) ** 2))
    total = burst * s + n - burst + (n + 1) * exp(-mpf(label_strength))
    z, other = s / total, 1 / total
    u, u_prime = xi * burst * (z - other), xi * burst * z
    return log(1 + (n / burst - 1) * exp(-u) + (labels - n / burst) * exp(-u_prime))


def number(x):
    """Decimal text that f64 parses; values below its range as 0."""
    return nstr(x, 20) if abs(x) > mpf(10) ** -300 else "0"


def main():
    random.seed(1)
    contexts = [(1, 1, 1, 0.0), (1, 5, 1, 0.0), (2, 2, 1, 0.0), (8, 8, 1, 0.0), (8, 32, 1, 0.0), (8, 32, 2, 0.1),
                (8, 32, 4, 0.75), (100, 1000, 1, 0.0), (16, 17, 8, 0.5)]
    contexts = [context + (0.0,) for context in contexts]
    contexts += [(8, 32, 1, 0.0, 4.0), (8, 8, 2, 0.25, -3.0), (4, 16, 4, 0.0, 30.0)]
    rows = []
    for n, labels, burst, noise, label_strength in contexts:
        points = [(0.0, 0.0, 0.0), (1e-6, -1e-6, 1e-6), (0.1, 0.2, 0.3), (3.0, 4.0, 5.0), (-2.0, 3.0, -4.0),
                  (4.0, -6.0, -3.0), (20.0, 15.0, 12.0), (1e4, 1e4, 1e4), (-30.0, 1e4, 50.0), (1e4, -300.0, -700.0),
                  (8.0, 30.0, -1e4)]
        points += [tuple(round(random.uniform(-w, w), 6) for w in (6, 12, 12)) for _ in range(6)]
        for beta, alpha, xi in points:
            f = lambda b, a, x: loss(n, labels, burst, noise, label_strength, b, a, x)
            at = (mpf(beta), mpf(alpha), mpf(xi))
            orders = [(1, 0, 0), (0, 1, 0), (0, 0, 1)]
            gradient = [diff(f, at, o) for o in orders]
            hessian = [[diff(f, at, tuple(a + b for a, b in zip(p, q))) for q in orders] for p in orders]
            rows.append({"n": n, "labels": labels, "burstiness": burst, "noise": noise,
                         "label_strength": label_strength, "point": [beta, alpha, xi],
                         "loss": number(f(*at)), "gradient": [number(g) for g in gradient],
                         "hessian": [[number(h) for h in row] for row in hessian]})
    print("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")


main()
