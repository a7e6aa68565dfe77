#!/usr/bin/env python3
"""Times the package beside the command line and against itself, in turns, and prints medians.

    cargo build --release && pip install ./bindings/python
    bindings/python/bench.py [--rounds 7] [--program target/release/precipice]

Nothing else should run on the machine. A ratio is the median over rounds of the ratio within a round.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import precipice as pp


def timed(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_turns(rounds: int, *works: Callable[[], float]) -> list[list[float]]:
    """Seconds of each, by round."""
    return [[work() for work in works] for _ in range(rounds)]


def say(what: str, value: str) -> None:
    print(f"{what:68} {value}")


def run_beside_the_command_line(program: str, rounds: int) -> None:
    def cli() -> float:
        with tempfile.TemporaryDirectory() as folder:
            command = [program, "run", "copying-small", "--threads", "1", "--quiet", "--json", "--out", f"{folder}/run"]
            told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
            return float(told["seconds"])

    def memory() -> float:
        return timed(lambda: pp.run("copying-small", threads=1, progress=False))

    def disk() -> float:
        with tempfile.TemporaryDirectory() as folder:
            return timed(
                lambda: pp.run("copying-small", threads=1, progress=False, figures=False, out=f"{folder}/run")
            )

    seconds = in_turns(rounds, cli, memory, disk)
    say("copying-small, command line (training alone, figures not counted)", f"{statistics.median(s[0] for s in seconds):.3f} s")
    say("  pp.run in memory, over that", f"{statistics.median(s[1] / s[0] for s in seconds):.3f}")
    say("  pp.run with out, figures=False, over that", f"{statistics.median(s[2] / s[0] for s in seconds):.3f}")


def step_by_step(rounds: int) -> None:
    def whole() -> float:
        run = pp.Run("copying-small", steps=400, threads=1)
        return timed(lambda: run.run(progress=False))

    def steps() -> float:
        run = pp.Run("copying-small", steps=400, threads=1)
        return timed(lambda: [run.advance() for _ in range(401)])

    seconds = in_turns(rounds, whole, steps)
    say("run.advance() 400 times, over run.run()", f"{statistics.median(s[1] / s[0] for s in seconds):.3f}")


def theory(rounds: int) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 8, (3, 1_000_000))
    core = [np.ascontiguousarray(row) for row in points]

    def ours() -> float:
        return timed(lambda: pp.theory.loss(8, 32, *points))

    def engine() -> float:
        return timed(lambda: pp._native.loss((8, 32, 1, 0.0, 0.0), *core))  # type: ignore[attr-defined]

    seconds = in_turns(rounds, ours, engine)
    say("theory.loss at a million points", f"{1 / statistics.median(s[0] for s in seconds):.1f} million a second")
    say("  the engine's call alone, over that", f"{statistics.median(s[1] / s[0] for s in seconds):.3f}")


def batches(rounds: int) -> None:
    task = pp.Task("copying-small")
    shape = task.batch(0).items.shape

    def many(n: int) -> Callable[[], float]:
        return lambda: timed(lambda: [task.batch(step, n) for step in range(300)]) / 300

    seconds = in_turns(rounds, many(128), many(1))
    whole, one = (statistics.median(column) for column in zip(*seconds))
    say(f"a batch of {shape}, drawn and handed over", f"{1e6 * whole:.0f} us")
    say("  a batch of 1: what handing over costs, drawing one included", f"{1e6 * one:.0f} us")


class Copying(pp.CustomTask):
    name, n_exemplars, n_labels, d_item = "copying-in-numpy", 4, 16, 32
    seconds = 0.0

    def draw(self, rng: np.random.Generator, n: int, set: str) -> dict[str, Any]:
        items = rng.standard_normal((n, 5, 32), np.float32) * np.float32(32**-0.5)
        slots = rng.integers(4, size=n)
        items[:, 4] = items[np.arange(n), slots]
        labels = rng.permuted(np.tile(np.arange(16), (n, 1)), axis=1)[:, :4]
        return {"items": items, "labels": labels, "answers": labels[np.arange(n), slots]}

    def batch(self, seed: int, set: str, step: int, first: int, n: int) -> Any:
        began = time.perf_counter()
        drawn = super().batch(seed, set, step, first, n)
        self.seconds += time.perf_counter() - began
        return drawn


def own_task(rounds: int) -> None:
    drawing: list[float] = []

    def built_in() -> float:
        return timed(lambda: pp.run("copying-small", steps=400, threads=1, progress=False))

    def own() -> float:
        task = Copying()
        seconds = timed(lambda: pp.run("copying-small", steps=400, threads=1, progress=False, task=task))
        drawing.append(task.seconds)
        return seconds

    seconds = in_turns(rounds, built_in, own)
    say("a task in NumPy, over the built-in one", f"{statistics.median(s[1] / s[0] for s in seconds):.3f}")
    extra = [(s[1] - d) / s[0] for s, d in zip(seconds, drawing)]
    say("  without the task's own time", f"{statistics.median(extra):.3f}")


def importing(rounds: int) -> None:
    def imports(what: str) -> Callable[[], float]:
        code = f"import time, numpy; began = time.perf_counter(); import {what}; print(time.perf_counter() - began)"
        return lambda: float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)

    seconds = in_turns(rounds, imports("precipice"))
    say("import precipice, NumPy there already", f"{1e3 * statistics.median(s[0] for s in seconds):.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--program", default=str(Path(__file__).parents[2] / "target" / "release" / "precipice"))
    arguments = parser.parse_args()
    importing(arguments.rounds)
    if Path(arguments.program).is_file():
        run_beside_the_command_line(arguments.program, arguments.rounds)
    step_by_step(arguments.rounds)
    theory(arguments.rounds)
    batches(arguments.rounds)
    own_task(arguments.rounds)


if __name__ == "__main__":
    main()
