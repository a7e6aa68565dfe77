"""Runs."""

import copy
import json
import math
import os
import pickle
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import precipice as pp


def test_it_jumps(made: pp.Run) -> None:
    assert made.outcome == "transition"
    assert made.t50 is not None and 400 < made.t50 < 900
    assert made.transition is not None and made.transition["onset_step"] < made.t50
    assert made.rows["accuracy"][0] < 0.3 < 0.9 < made.rows["accuracy"][-1]
    assert f"t50 {made.t50:.0f}" in repr(made)


def test_attention_finds_its_place(made: pp.Run) -> None:
    look = made.look(n=64)
    assert look.accuracy > 0.9
    np.testing.assert_allclose(look.attention.sum(axis=-1), 1.0, atol=1e-5)
    # Layer 2: the query looks at the label of its match.
    labels = look.attention[1, 0, :, -1, 1::2]
    assert (labels * look.batch.matches).sum(axis=1).mean() > 0.5
    assert made.look(0, n=64).accuracy < 0.5


def test_looks_at_many_sequences_are_looks_at_few(made: pp.Run) -> None:
    many, few = made.look(n=100, residuals=True), made.look(n=3, first=70, residuals=True)
    np.testing.assert_array_equal(many.outputs[70:73], few.outputs)
    np.testing.assert_array_equal(many.attention[:, :, 70:73], few.attention)
    np.testing.assert_array_equal(many.residuals[:, 70:73], few.residuals)


def test_a_batch_of_ones_own(made: pp.Run) -> None:
    look = made.look(n=8)
    again = made.look(batch=look.batch)
    np.testing.assert_array_equal(again.outputs, look.outputs)
    # Labels that are exchanged in the context are exchanged in the answer.
    batch = look.batch
    turned = pp.Batch(**{**vars(batch), "labels": np.roll(batch.labels, 1, axis=1)})
    answers = made.look(batch=turned).outputs.argmax(axis=1)
    assert (answers == np.take_along_axis(turned.labels, batch.matches.argmax(axis=1)[:, None], 1)[:, 0]).mean() > 0.7
    with pytest.raises(pp.SpecError) as raised:
        made.look(batch=pp.Batch(**{**vars(batch), "items": batch.items[:, 1:]}))
    assert raised.value.field == "items"
    for labels in (batch.labels + 1000, batch.labels + 0.5, np.full(batch.labels.shape, "a")):
        with pytest.raises(pp.SpecError, match="labels"):
            made.look(batch=pp.Batch(**{**vars(batch), "labels": labels}))
    with pytest.raises(pp.SpecError, match="batch"):
        made.look(batch=vars(batch))  # type: ignore[arg-type]


def test_the_forward_pass_in_numpy(made: pp.Run) -> None:
    look, weights = made.look(n=4, residuals=True), made.weights()
    stream = look.residuals[0].astype(np.float64)
    for layer in range(2):
        q, k, v = (stream @ weights[f"blocks.{layer}.attn.W_{name}"][0] for name in "QKV")
        scores = np.where(np.tril(np.ones((9, 9), bool)), q @ k.transpose(0, 2, 1), -np.inf)
        pattern = np.exp(scores - scores.max(-1, keepdims=True))
        pattern /= pattern.sum(-1, keepdims=True)
        np.testing.assert_allclose(look.attention[layer, 0], pattern, atol=1e-5)
        stream = stream + pattern @ v
        np.testing.assert_allclose(look.residuals[layer + 1], stream, atol=1e-4)
    readout = weights["readout.0.weight"]
    np.testing.assert_allclose(look.outputs, stream[:, -1, -readout.shape[1] :] @ readout.T, atol=1e-3)


def test_weights_are_copies(short: pp.Run) -> None:
    weights = short.weights()
    weights["blocks.0.attn.W_Q"][:] = 7.0
    assert not (short.weights()["blocks.0.attn.W_Q"] == 7.0).any()


def test_a_branch_is_another_run(short: pp.Run) -> None:
    clamp = {"layer": 0, "pattern": "previous-token"}
    branch = short.at(20).branch({"model.clamps": [clamp]}, name="clamped").run(progress=False)
    assert branch.is_branch and branch.digest != short.digest and branch.name == "clamped"
    np.testing.assert_allclose(branch.attention(n=1)[0, 0, 0, 1:], np.eye(9)[:-1], atol=1e-6)
    assert branch.rows["step"].tolist() == [20, 40, 60]
    branch.save("branch")
    assert pp.load("branch").digest == branch.digest and pp.load("branch").is_branch
    with pytest.raises(pp.SpecError, match="20, where this run begins"):
        branch.at(3)
    adam = short.branch({"train.optimizer": {"adam": {"learning_rate": 0.001}}, "train.steps": 70})
    assert adam.run(progress=False).step == 70
    for changes in ({"model.n_heads": 7}, {"train.steps": 30}, {"model.d_buffer": 5}):
        with pytest.raises(pp.SpecError):
            short.branch(changes)


def test_events(short: pp.Run) -> None:
    events = list(pp.Run("copying-small", steps=60))
    assert [event.kind for event in events] == ["row"] * 4 + ["finished"]
    assert events[-1].row["loss"] == short.rows["loss"][-1]
    run = pp.Run("copying-small", steps=60)
    for event in run:
        if event.step == 20:
            break
    assert run.outcome is None and run.step == 20
    assert run.run(progress=False).digest == short.digest


def test_diverged() -> None:
    changes = {"train.optimizer": {"sgd": {"learning_rate": 1e9}}}
    run = pp.run("copying-small", steps=200, changes=changes, progress=False)
    assert run.outcome == "diverged" and run.step < 200


def test_directories(short: pp.Run) -> None:
    assert not list(Path().iterdir()), "a run in memory leaves nothing behind"
    first = pp.run("copying-small", steps=60, out="here", progress=False)
    assert first.path is not None and first.path.name == "here" and (first.path / "figures").is_dir()
    again = pp.run("copying-small", steps=60, out="here", progress=False)
    assert again.digest == first.digest == short.digest
    with pytest.raises(pp.StoreError, match="only train.steps may differ"):
        pp.run("copying-small", steps=60, seed=1, out="here", progress=False)
    longer = pp.run("copying-small", steps=80, out="here", figures=False, progress=False)
    assert longer.at(60).digest == short.digest, "a finished run is made longer, not anew"
    own = pp.run("copying-small", steps=20, out=True, figures=False, progress=False)
    assert own.path is not None and own.path.parent.name == "runs"
    assert pp.load("latest").digest == own.digest
    with pytest.raises(pp.SpecError):
        pp.run("copying-small", force=True, progress=False)


def test_a_damaged_byte_is_named() -> None:
    pp.run("copying-small", steps=20, out="here", figures=False, progress=False)
    log = Path("here/log.jsonl")
    log.write_bytes(log.read_bytes().replace(b'"loss"', b'"lass"', 1))
    with pytest.raises(pp.StoreError, match="log.jsonl"):
        pp.load("here")


def test_saving_replaces_nothing(short: pp.Run) -> None:
    short.save("saved")
    loaded = pp.load("saved")
    assert (loaded.digest, loaded.outcome, loaded.kept_steps) == (short.digest, short.outcome, short.kept_steps)
    with pytest.raises(pp.StoreError, match="holds this run already"):
        short.save("saved")
    with pytest.raises(pp.Error, match="on the disk"):
        loaded.save("elsewhere")
    half = pp.Run("copying-small", steps=60).advance(30)
    half.save("half")
    with pytest.raises(pp.Error, match="checkpoints"):
        short.at(30).save("a-half-without-its-past")
    assert pp.run("copying-small", steps=60, out="half", figures=False, progress=False).digest == short.digest


def test_a_loaded_run_that_is_unfinished_goes_on_in_memory(short: pp.Run) -> None:
    pp.Run("copying-small", steps=60).advance(30).save("half")
    loaded = pp.load("half")
    assert loaded.outcome is None and loaded.step == 30
    assert loaded.run(progress=False).digest == short.digest
    assert pp.load("half").outcome is None


def test_a_run_that_has_not_begun() -> None:
    run = pp.Run("copying-small", steps=20)
    assert run.figure().svg and run.figure("attention").svg
    pp.Run("copying-small", steps=20).save("begun")
    assert pp.load("begun").step == 0
    assert pp.run("copying-small", steps=20, out="begun", figures=False, progress=False).step == 20


def test_paths(short: pp.Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for call in (
        lambda: short.save(""),
        lambda: pp.run("copying-small", steps=20, out="", progress=False),
        lambda: pp.load(""),
        lambda: pp.sweep("copying-small", steps=20, seeds=[0], out="", progress=False),
        lambda: pp.load_sweep(""),
    ):
        with pytest.raises(pp.SpecError):
            call()
    assert not list(Path().iterdir())
    made = pp.run("copying-small", steps=60, out="a folder/ünder", figures=False, progress=False)
    swept = pp.sweep("copying-small", steps=20, seeds=[0], out="swept", progress=False)
    Path("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert made.weights(20).keys() == short.weights().keys() and swept[0].look(n=1).outputs.size


def test_a_run_from_the_middle_says_how_fast_it_was(short: pp.Run) -> None:
    short.at(40).run(progress=False).save("middle")
    manifest = json.loads(Path("middle/manifest.json").read_text())
    assert manifest["steps_per_s"] * manifest["seconds"] == pytest.approx(20, rel=0.01)


def test_many_runs_share_their_threads() -> None:
    runs = [pp.Run("copying-small", steps=20, threads=2) for _ in range(50)]
    assert runs[0].advance().step == 1
    if Path("/proc/self/task").is_dir():
        assert len(list(Path("/proc/self/task").iterdir())) < 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore")
def test_a_run_goes_on_in_a_child(short: pp.Run) -> None:
    run = pp.Run("copying-small", steps=60, threads=2).advance(3)
    expected = short.at(8).digest
    child = os.fork()
    if child == 0:
        os._exit(0 if run.advance(5).digest == expected else 1)
    for _ in range(300):
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            break
        time.sleep(0.1)
    else:
        os.kill(child, 9)
        pytest.fail("the child hangs")
    assert os.waitstatus_to_exitcode(status) == 0


def test_copies() -> None:
    spec = pp.Spec("copying-small", seed=3)
    assert pickle.loads(pickle.dumps(spec)) == copy.deepcopy(spec) == spec
    stopped = pickle.loads(pickle.dumps(pp.Interrupted("stopped", run=pp.Run(spec), path=Path("x"))))
    assert (str(stopped), stopped.run, stopped.path) == ("stopped", None, Path("x"))


def test_figures(short: pp.Run) -> None:
    figure = short.figure("attention", steps=[0, 60], heads=[(1, 0)])
    assert figure._repr_svg_() == figure.svg and figure.svg != figure.dark().svg
    assert figure.png().startswith(b"\x89PNG")
    for name in ("a.svg", "a.png", "a.pdf"):
        figure.save(name)
        assert Path(name).stat().st_size > 1000
    with pytest.raises(pp.Error, match="svg"):
        figure.save("a.gif")
    with pytest.raises(pp.SpecError, match="learning-curve"):
        short.figure("learning")
    with pytest.raises(pp.SpecError, match="steps = 7"):
        short.figure("attention", steps=[7])
    with pytest.raises(pp.Error):
        short.figure("contexts")
    # Of runs that begin in the middle, too.
    assert short.at(20).figure("attention").svg and short.at(20).branch({}).figure().svg


def test_foretelling(made: pp.Run) -> None:
    told = made.foretell()
    assert told["t50"] == pytest.approx(made.t50)
    assert {formula["formula"] for formula in told["formulas"]} == {"three", "label_attention"}
    with pytest.raises(pp.Error):
        pp.run("regression", steps=5, progress=False).foretell()


def test_columns_have_their_kinds() -> None:
    # Every kind of number stays what it is: a warning would be an error here.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = pp.run("copying-small", steps=20, progress=False)
    assert all(column.dtype == np.float64 for name, column in run.rows.items() if name not in ("step", "sequences"))
    assert math.isnan(run.rows["train_loss"][0])


def test_wrong_arguments() -> None:
    wrong = [
        ({"spec": "copyin"}, None),
        ({"seed": -1}, "seed"),
        ({"steps": 0.5}, "steps"),
        ({"steps": True}, "steps"),
        ({"seed": 1 << 64}, "seed"),
        ({"threads": 0}, "threads"),
        ({"arithmetic": "fast"}, "arithmetic"),
        ({"changes": {"train.stepps": 1}}, "train.stepps"),
        ({"changes": {"train.steps": None}}, "train.steps"),
        ({"changes": {"train.clip_norm": math.nan}}, "train.clip_norm"),
        ({"changes": {"train.clip_norm": [{"a": None}]}}, "train.clip_norm"),
        ({"changes": 5}, "changes"),
        ({"task": "copying"}, "task"),
        ({"probes": [1]}, "probes"),
    ]
    for arguments, field in wrong:
        with pytest.raises(pp.SpecError) as raised:
            pp.Run(**{"spec": "copying-small", **arguments})  # type: ignore[arg-type]
        assert raised.value.field == field, raised.value
    run = pp.Run("copying-small")
    for call in (
        lambda: run.at(1),
        lambda: run.at(-1),
        lambda: run.advance(-1),
        lambda: run.look(n=0),
        lambda: run.look(n=1 << 23),
        lambda: run.look(set="ic"),
        lambda: run.attention(5),
        lambda: run.weights(step=5),
    ):
        with pytest.raises(pp.SpecError):
            call()
    with pytest.raises(pp.StoreError):
        pp.load("nowhere")
    with pytest.raises(TypeError):
        pp.Run(7)  # type: ignore[arg-type]
