"""Ctrl-C ends work soon, and nothing is lost."""

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import precipice as pp

LONG = 1_000_000
"""Steps that nobody waits for."""


def interrupted(work: Callable[[], Any], after: float = 0.7) -> tuple[pp.Interrupted, float]:
    """What is raised, and how long it took."""
    sent = []

    def send() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    with pytest.raises(pp.Interrupted) as raised:
        work()
    timer.join()
    return raised.value, time.monotonic() - sent[0]


def test_in_memory_the_run_is_kept() -> None:
    raised, _ = interrupted(lambda: pp.run("copying-small", steps=LONG, progress=False))
    run = raised.run
    assert run is not None and run is pp.last_run() and 0 < run.step < LONG
    walked = pp.Run("copying-small", steps=LONG).advance(run.step)
    assert walked.digest == run.digest
    assert run.advance(3).digest == walked.advance(3).digest


def test_events_can_be_interrupted() -> None:
    raised, _ = interrupted(lambda: list(pp.Run("copying-small", steps=LONG)))
    assert raised.run is not None and raised.run.step > 0


def test_on_the_disk_the_same_call_goes_on() -> None:
    raised, _ = interrupted(lambda: pp.run("copying-small", steps=LONG, out="here", progress=False))
    assert raised.path is not None and raised.path.name == "here"
    stopped = pp.load("here")
    assert pp.last_run().digest == stopped.digest and raised.run is pp.last_run()
    assert stopped.outcome is None and stopped.step > 0
    assert stopped.digest == pp.Run("copying-small", steps=LONG).advance(stopped.step).digest
    interrupted(lambda: pp.run("copying-small", steps=LONG, out="here", progress=False))
    assert pp.load("here").step > stopped.step


def test_sweeps_keep_what_was_made() -> None:
    def make() -> pp.Sweep:
        return pp.sweep("copying-small", seeds=range(500), steps=20, out="many", workers=2, progress=False)

    raised, _ = interrupted(make, after=1.5)
    assert raised.path is not None and raised.path.name == "many" and raised.run is None
    runs = pp.load_sweep("many")
    assert 0 < len(runs) < 500 and runs.n_missing == 500 - len(runs)


def test_whoever_waits_for_an_executor_can_leave() -> None:
    class Never:
        """Work that nobody comes to."""

        def submit(self, function: Callable[..., Any], /, *args: Any) -> Any:
            return self

        def done(self) -> bool:
            return False

        def cancel(self) -> bool:
            cancelled.append(1)
            return True

    cancelled = list[int]()
    raised, _ = interrupted(
        lambda: pp.sweep("copying-small", seeds=[0], steps=20, out="many", executor=Never(), tasks=3, progress=False)
    )
    assert raised.path is not None and raised.path.name == "many" and len(cancelled) == 3
    assert pp.sweep("copying-small", seeds=[0], steps=20, out="many", progress=False).n_missing == 0


def test_a_replay_can_be_interrupted() -> None:
    class Slow(pp.Probe):
        columns = {"slow": "slow"}

        def measure(self, run: pp.Run) -> float:
            time.sleep(0.05 if is_slow else 0.0)
            return 0.0

    is_slow = False
    run = pp.run("copying-small", steps=599, changes={"eval.every": 1, "eval.sequences": 8}, probes=[Slow()], progress=False)
    is_slow = True
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run.at(598)
    # Nearly 90 rows are between the state that is kept and that step.
    assert time.monotonic() - began < 3.0
    assert run.step == 599


def test_the_other_threads_of_python_go_on() -> None:
    counted = []

    def count() -> None:
        until = time.monotonic() + 10.0
        while not done.is_set() and time.monotonic() < until:
            counted.append(1)
            time.sleep(0.001)

    done = threading.Event()
    thread = threading.Thread(target=count)
    thread.start()
    pp.run("copying-small", steps=200, progress=False, threads=1)
    done.set()
    thread.join()
    assert len(counted) > 5, "training holds the interpreter's lock"


def test_a_run_is_used_by_one_thread_at_a_time() -> None:
    class Asks(pp.Probe):
        columns = {"asked": "asked"}

        def measure(self, run: pp.Run) -> float:
            with pytest.raises(pp.Error, match="at work"):
                np.asarray(whole.rows)
            return float(run.step)

    probe = Asks()
    whole = pp.Run("copying-small", steps=20, probes=[probe])
    assert whole.run(progress=False).rows["asked"].tolist() == [0.0, 20.0]
