"""Branches, any step and differences: the bits of the command line."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import precipice as pp

PROGRAM = os.environ.get("PRECIPICE", str(Path(__file__).parents[3] / "target" / "release" / "precipice"))
needs_the_command_line = pytest.mark.skipif(not Path(PROGRAM).is_file(), reason="no command line here; PRECIPICE names it")

SMALL = {"eval.sequences": 64, "probes.sequences": 16}


def cli(*arguments: str) -> str:
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def parent() -> pp.Run:
    """A run that is stored, in `parent`."""
    return pp.run("copying-small", steps=60, changes=SMALL, out="parent", figures=False, progress=False)


def branched(parent: pp.Run, at: int, **changes: Any) -> pp.Run:
    return parent.at(at).branch(**changes).run(progress=False)


BRANCHES: list[tuple[int, list[str], dict[str, Any]]] = [
    # Where a row is due, where none is, where a state is kept, and at both ends.
    (40, [], {}),
    (37, ["-s", "train.clip_norm=0.1"], {"changes": {"train.clip_norm": 0.1}}),
    (32, ["-s", "train.optimizer.adam.learning_rate=0.01"], {"changes": {"train.optimizer.adam.learning_rate": 0.01}}),
    (0, ["--zero", "blocks.1.attn.W_V"], {"zero": "blocks.1.attn.W_V"}),
    (60, ["--steps", "80"], {"steps": 80}),
    (20, ["--reset", "blocks.1.attn.W_Q[0]", "--reset", "readout"], {"reset": ["blocks.1.attn.W_Q[0]", "readout"]}),
    (20, ["-s", "task.copying.n_labels=8", "--reset", "readout"],
     {"changes": {"task.copying.n_labels": 8}, "reset": "readout"}),
    (13, ["--graft", "parent:60:blocks.0"], {"graft": ("parent", 60, "blocks.0")}),
]


@needs_the_command_line
@pytest.mark.parametrize(("at", "typed", "asked"), BRANCHES, ids=[" ".join(typed) or "nothing" for _, typed, _ in BRANCHES])
def test_branches_are_those_of_the_command_line(parent: pp.Run, at: int, typed: list[str], asked: dict[str, Any]) -> None:
    told = json.loads(cli("branch", "parent", "--at", str(at), *typed, "--out", "theirs", "--quiet", "--json"))
    in_memory = pp.Run("copying-small", steps=60, changes=SMALL).run(progress=False)
    for n, origin in enumerate((parent, in_memory)):
        ours = branched(origin, at, **asked)
        theirs = pp.load("theirs")
        assert (ours.spec.hash, ours.name, ours.digest) == (theirs.spec.hash, theirs.name, told["digest"])
        assert ours.is_branch and theirs.is_branch and ours.outcome == theirs.outcome
        assert list(ours.rows) == list(theirs.rows)
        for name, column in theirs.rows.items():
            np.testing.assert_array_equal(ours.rows[name], column, err_msg=name)
        ours.save(f"ours-{n}")
        for path in Path("theirs/checkpoints").iterdir():
            assert path.read_bytes() == Path(f"ours-{n}/checkpoints", path.name).read_bytes()
        assert Path("theirs/spec.toml").read_bytes() == Path(f"ours-{n}/spec.toml").read_bytes()
        cli("verify", f"ours-{n}")
        found = pp.diff(f"ours-{n}", "theirs")
        assert found.same and found.step is None and found.tensor is None, found


@needs_the_command_line
def test_a_branch_of_the_command_line_is_a_run(parent: pp.Run) -> None:
    cli("branch", "parent", "--at", "30", "-s", "train.clip_norm=0.1", "--out", "theirs", "--quiet")
    theirs = pp.load("theirs")
    assert (theirs.step, theirs.outcome is None, theirs.rows["step"].tolist()) == (60, False, [40, 60])
    # Of its spec alone, in memory and on the disk; its parent is made again.
    made = pp.run("theirs/spec.toml", progress=False)
    assert made.digest == theirs.digest == pp.run(theirs.spec, out="again", figures=False, progress=False).digest
    np.testing.assert_array_equal(made.rows["train_loss"], theirs.rows["train_loss"])
    # Any step, from a stored state, from one in memory, and of a run that has not begun.
    for step in (30, 31, 45):
        assert theirs.at(step).digest == made.at(step).digest
        assert theirs.at(step).run(progress=False).digest == made.digest
    begun = pp.Run(theirs.spec)
    assert (begun.step, begun.outcome, begun.is_branch) == (30, None, True)
    assert begun.digest == parent.at(30).digest
    assert begun.advance(15).digest == theirs.at(45).digest
    with pytest.raises(pp.SpecError, match="at least 30, where this run begins"):
        theirs.at(29)
    # A branch of a branch.
    deeper = branched(theirs, 40, zero="readout")
    deeper.save("deeper")
    cli("verify", "deeper")
    assert theirs.figure().svg and begun.figure("attention").svg


@needs_the_command_line
def test_items_of_a_file_are_found_by_their_content() -> None:
    glyphs = Path(__file__).parents[3] / "data" / "han-glyphs.npz"
    Path("items.npz").write_bytes(glyphs.read_bytes())
    changes = {**SMALL, "task.copying.items.file": "items.npz", "train.batch_size": 8, "probes.ablations": []}
    run = pp.run("han-small", steps=12, changes=changes, progress=False)
    run.save("parent")
    cli("branch", "parent", "--at", "5", "-s", "train.clip_norm=0.1", "--out", "theirs", "--quiet")
    ours = branched(run, 5, changes={"train.clip_norm": 0.1})
    ours.save("ours")
    assert len(run.spec["task.copying.items.digest"]) == 64 and run.spec == pp.load("parent").spec
    assert (ours.spec, ours.digest) == (pp.load("theirs").spec, pp.load("theirs").digest)
    cli("verify", "ours")


def test_branches_in_sweeps_begin_again(parent: pp.Run) -> None:
    spec = parent.at(20).branch({"train.clip_norm": 0.1}).spec
    runs = pp.sweep(spec, seeds=[0], out="swept", progress=False)
    assert runs[0].kept_steps == [60]
    # Nothing is stored before the last state: the parent is made again, and a branch of that is, too.
    made = pp.run(runs[0].spec, progress=False)
    assert runs[0].at(33).digest == made.at(33).digest
    assert branched(runs[0], 40, reset="readout").digest == branched(made, 40, reset="readout").digest


@needs_the_command_line
def test_any_step_of_packed_runs() -> None:
    runs = pp.sweep("copying-small", seeds=range(2), steps=60, changes=SMALL, out="swept", progress=False)
    before = [(run.digest, run.at(37).digest, run.at(60).weights()) for run in runs]
    cli("sweep", "pack", "swept")
    assert not any((Path(path) / "manifest.json").exists() for path in runs._core.run_dirs)
    packed = pp.load_sweep("swept")
    assert len(packed) == 2 and packed.n_missing == 0
    for run, (digest, at, weights) in zip(sorted(packed, key=lambda run: run.spec["seeds.data"]), before, strict=True):
        assert (run.digest, run.at(37).digest) == (digest, at)
        for name, values in run.weights(60).items():
            np.testing.assert_array_equal(values, weights[name])
        assert branched(run, 37).digest == digest
    assert not pp.diff(packed[0], packed[1]).same


def test_branches_of_branches_in_memory(parent: pp.Run) -> None:
    branch = branched(parent, 20, changes={"train.clip_norm": 0.1})
    again = branched(branch, 40)
    assert again.digest == branch.digest
    np.testing.assert_array_equal(again.rows["train_loss"], branch.rows["train_loss"][1:])
    # One that has made no step yet is as good as any.
    begun = parent.at(20).branch({"train.clip_norm": 0.1})
    assert begun.step == 20 and len(begun.rows["step"]) == 0
    assert branched(begun, 20).digest == branch.digest
    np.testing.assert_array_equal(branched(begun, 20).rows["train_loss"], branch.rows["train_loss"])
    # From a step of a step, whose own beginning is far away.
    np.testing.assert_array_equal(branched(parent.at(40).at(40), 40).rows["train_loss"], parent.rows["train_loss"][2:])


def test_grafts_and_heads(parent: pp.Run) -> None:
    other = pp.run("copying-small", steps=60, seed=5, changes=SMALL, progress=False)
    begun = parent.at(20).branch(graft=[(other, 60, "blocks.0"), (parent, 60, "readout")], zero=["blocks.1.attn.W_Q[0]"])
    weights, there = begun.weights(), parent.weights(20)
    np.testing.assert_array_equal(weights["blocks.0.attn.W_K"], other.weights()["blocks.0.attn.W_K"])
    np.testing.assert_array_equal(weights["readout.0.weight"], parent.weights(60)["readout.0.weight"])
    np.testing.assert_array_equal(weights["blocks.1.attn.W_K"], there["blocks.1.attn.W_K"])
    assert not weights["blocks.1.attn.W_Q"].any()
    assert begun.run(progress=False).step == 60


def test_what_is_no_branch_is_said(parent: pp.Run) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"changes": {"task.copying.n_labels": 8}}, r"readout.0.weight.*name it in reset to begin it afresh"),
        ({"reset": "readut"}, "did you mean .*readout"),
        ({"zero": "blocks.1.attn.W_Q[7]"}, "heads 0 to 0"),
        ({"zero": 3}, "zero = 3"),
        ({"graft": "parent"}, "graft"),
        ({"graft": (parent, 61, "readout")}, "must be from 0 to 60"),
        ({"graft": (parent, -1, "readout")}, "graft"),
        ({"changes": 7}, "changes = 7"),
        ({"changes": {"train.steps": 10}}, "train.steps"),
        ({"steps": -1}, "steps = -1"),
    ]
    for asked, words in wrong:
        with pytest.raises(pp.SpecError, match=words):
            parent.at(20).branch(**asked)
    with pytest.raises(pp.StoreError, match="nowhere"):
        parent.branch(graft=("nowhere", 3, "readout"))


class Opposites(pp.CustomTask):
    name, n_exemplars, n_labels, d_item = "opposites", 4, 16, 32

    def draw(self, rng: np.random.Generator, n: int, set: str) -> dict[str, Any]:
        items = rng.standard_normal((n, 5, 32), np.float32)
        slots = rng.integers(4, size=n)
        items[:, 4] = -items[np.arange(n), slots]
        labels = rng.permuted(np.tile(np.arange(16), (n, 1)), axis=1)[:, :4]
        return {"items": items, "labels": labels, "answers": labels[np.arange(n), slots]}


def test_branches_on_tasks_of_ones_own_stay_in_memory() -> None:
    own = pp.run("copying-small", steps=40, changes=SMALL, task=Opposites(), progress=False)
    other = own.at(20).branch({"train.clip_norm": 0.1})
    assert other.is_branch and other.run(progress=False).digest != own.digest
    assert branched(own, 20).digest == own.digest and branched(other, 30).digest == other.digest
    built_in = pp.run("copying-small", steps=40, changes=SMALL, progress=False)
    moved = built_in.at(20).branch(task=Opposites()).run(progress=False)
    assert moved.step == 40 and moved.spec.facts["family"] == "opposites"
    for run in (other, moved):
        with pytest.raises(pp.Error, match="in memory alone"):
            run.save("own")
        assert run.figure().svg
    assert not Path("own").exists()


def test_where_runs_part(parent: pp.Run) -> None:
    twin = pp.run("copying-small", steps=60, changes={**SMALL, "train.clip_norm": 0.01}, out="twin", progress=False)
    found = pp.diff(parent, "twin", threads=1)
    assert not found.same and found.step == 1 and found.specs == {"train.clip_norm": (None, 0.01)}
    assert found.tensor in parent.weights() and repr(found) == found.verdict == found.report["verdict"]
    distances = found.distances
    assert distances["step"].tolist() == parent.kept_steps and distances["distance"].dtype == np.float64
    apart = [parent.weights(32)[name] - twin.weights(32)[name] for name in parent.weights()]
    norm = np.sqrt(sum((tensor.astype(np.float64) ** 2).sum() for tensor in apart))
    assert distances["distance"][distances["step"] == 32] == pytest.approx(norm)
    assert distances["distance"][0] == 0.0 and distances["tensor"][0] == "" and distances["tensor"][-1] in parent.weights()
    assert found.figure().svg != pp.diff("twin", parent).figure().svg
    assert pp.diff(parent, "parent").same
    with pytest.raises(pp.Error, match="twice"):
        pp.diff(parent, "parent").figure()


@needs_the_command_line
def test_differences_are_those_of_the_command_line(parent: pp.Run) -> None:
    branched(parent, 30, changes={"train.batch_size": 32}).save("branch")
    told = subprocess.run([PROGRAM, "diff", "parent", "branch", "--json"], capture_output=True, check=False, text=True)
    found = pp.diff("parent", "branch")
    said = json.loads(told.stdout)
    for side in ("a", "b"):
        assert Path(said[side].pop("run_dir")).absolute() == Path(found.report[side].pop("run_dir"))
    assert found.report == said and found.step == 31


def test_runs_in_memory_are_not_compared(parent: pp.Run) -> None:
    for a, b, field in ((parent.at(20), parent, "a"), (parent, pp.Run("copying-small"), "b"), (parent, 7, "b")):
        with pytest.raises(pp.SpecError) as raised:
            pp.diff(a, b)  # type: ignore[arg-type]
        assert raised.value.field == field
    with pytest.raises(pp.StoreError):
        pp.diff(parent, "nowhere")


def test_a_comparison_can_be_interrupted() -> None:
    class Slow(Opposites):
        def draw(self, rng: np.random.Generator, n: int, set: str) -> dict[str, Any]:
            if is_slow:
                drawn.append(set)
                time.sleep(0.02)
            return super().draw(rng, n, set)

    is_slow, drawn = False, list[str]()
    few = {"eval.sequences": 64, "eval.every": 510, "probes.enabled": False, "probes.ablations": [], "train.batch_size": 8}
    runs = []
    for name, step in (("one", 500), ("two", 501)):
        changes = {**few, "train.freeze_until": {"blocks.0": step}}
        runs += [pp.run("copying-small", steps=510, changes=changes, task=Slow(), out=name, figures=False, progress=False)]
    # States are kept at steps 256 and 510: between them both are made again.
    assert pp.diff(*runs).step == 501
    is_slow = True
    timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        pp.diff(*runs)
    timer.join()
    # All would be 2 times 245.
    assert 0 < len(drawn) < 400


def test_a_parent_that_takes_long_can_be_interrupted() -> None:
    spec = pp.Spec("copying-small", steps=2_000_000)
    parent = spec.to_dict()
    begins_late = pp.Spec({**parent, "name": "late", "branch": {"step": 1_000_000, "parent": parent}})
    for work, kind in (
        (lambda: pp.run(begins_late, progress=False), pp.Interrupted),
        (lambda: pp.run(begins_late, out="late", progress=False), pp.Interrupted),
        (lambda: pp.Run(begins_late).weights(), KeyboardInterrupt),
    ):
        timer = threading.Timer(0.7, lambda: os.kill(os.getpid(), signal.SIGINT))
        began = time.monotonic()
        timer.start()
        with pytest.raises(kind):
            work()
        timer.join()
        # A million steps take many minutes anywhere.
        assert time.monotonic() - began < 60.0
