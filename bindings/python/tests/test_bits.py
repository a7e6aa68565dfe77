"""Same spec, same bits: as the command line, for any threads, through any step."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import precipice as pp

PROGRAM = os.environ.get("PRECIPICE", str(Path(__file__).parents[3] / "target" / "release" / "precipice"))
SPECS = [("copying-small", 1600), ("copying", 200), ("regression", 300), ("minimal-head", 300), ("relation-order", 100)]


@pytest.mark.skipif(not Path(PROGRAM).is_file(), reason="no command line here; PRECIPICE names it")
@pytest.mark.parametrize(("spec", "steps"), SPECS)
def test_digests_and_rows_are_those_of_the_command_line(spec: str, steps: int) -> None:
    command = [PROGRAM, "run", spec, "--steps", str(steps), "--seed", "3", "--out", "cli", "--quiet", "--json"]
    told = json.loads(subprocess.run(command, capture_output=True, check=False, text=True).stdout)
    run = pp.run(spec, steps=steps, seed=3, progress=False)
    assert run.digest == told["digest"]
    stored = pp.load("cli").rows
    assert list(stored) == list(run.rows)
    for name, column in run.rows.items():
        np.testing.assert_array_equal(column, stored[name], err_msg=name)


@pytest.mark.skipif(not Path(PROGRAM).is_file(), reason="no command line here; PRECIPICE names it")
def test_what_is_saved_is_verified(short: pp.Run) -> None:
    short.save("saved")
    pp.run("copying-small", steps=40, out="written", progress=False)
    short.at(30).run(progress=False).save("from-the-middle")
    for folder in ("saved", "written", "from-the-middle"):
        assert subprocess.run([PROGRAM, "verify", folder], capture_output=True, check=False).returncode == 0, folder


def test_threads_do_not_matter(short: pp.Run) -> None:
    for threads in (1, 2, 5):
        assert pp.run("copying-small", steps=60, threads=threads, progress=False).digest == short.digest


def test_steps_one_by_one_are_the_run(short: pp.Run) -> None:
    run = pp.Run("copying-small", steps=60)
    while run.outcome is None:
        run.advance(7)
        # What is due at a step is done with it.
        assert run.rows["step"][-1] == min(run.step - run.step % 20, 60)
    assert run.digest == short.digest
    np.testing.assert_array_equal(run.rows["loss"], short.rows["loss"])


def test_any_step_is_reached_and_gone_on_from(short: pp.Run) -> None:
    walked = pp.Run("copying-small", steps=60).advance(37)
    there = short.at(37)
    assert (there.step, there.digest) == (37, walked.digest)
    assert there.rows["step"].tolist() == [0, 20]
    assert there.run(progress=False).digest == short.digest
    np.testing.assert_array_equal(there.rows["train_loss"], short.rows["train_loss"])
    # And from there to earlier ones of its own.
    assert there.at(40).digest == short.at(40).digest


def test_any_step_of_a_stored_run(short: pp.Run) -> None:
    stored = pp.run("copying-small", steps=60, out="stored", figures=False, progress=False)
    assert stored.digest == short.digest
    assert stored.at(37).digest == short.at(37).digest
    runs = pp.sweep("copying-small", seeds=[0], steps=60, out="swept", progress=False)
    assert runs[0].kept_steps == [60]
    assert runs[0].at(37).digest == short.at(37).digest


def test_an_empty_branch_is_its_parent(short: pp.Run) -> None:
    branch = short.at(20).branch({}).run(progress=False)
    assert branch.digest == short.digest and branch.spec != short.spec
    for name, column in branch.rows.items():
        np.testing.assert_array_equal(column, short.rows[name][1:], err_msg=name)


def test_arithmetics_differ_and_stay(short: pp.Run) -> None:
    portable = pp.run("copying-small", steps=60, arithmetic="portable", progress=False)
    assert portable.arithmetic == "portable"
    assert portable.at(10).arithmetic == "portable"
    assert (portable.digest == short.digest) == (short.arithmetic == "portable")
