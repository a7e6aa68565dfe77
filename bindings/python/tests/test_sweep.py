"""Sweeps, and tables in the hands of others."""

import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest

import precipice as pp


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> pp.Sweep:
    grid = {"task.copying.n_labels": [8, 16], "model.scale_scores": [True, False], "model.positions": ["one-hot", "learned"]}
    out = tmp_path_factory.mktemp("sweep") / "kinds"
    return pp.sweep("copying-small", grid=grid, seeds=range(2), steps=20, out=out, progress=False)


def test_rows_keep_their_kinds(runs: pp.Sweep) -> None:
    rows = runs.rows
    assert len(runs) == 16 and runs.n_missing == 0 and runs.failed == []
    assert rows["task.copying.n_labels"].dtype == np.int64 and rows["model.scale_scores"].dtype == np.bool_
    assert set(rows["model.positions"]) == {"one-hot", "learned"} and rows["seed"].dtype == np.int64
    assert rows["final_loss"].dtype == np.float64
    curves = runs.curves()
    assert len(curves["step"]) == 32 and curves["model.scale_scores"].dtype == np.bool_


def test_tables_open_unconverted_everywhere(runs: pp.Sweep) -> None:
    for rows in (runs.rows, runs.curves(), runs[0].rows):
        kinds = {name: column.dtype.kind for name, column in rows.items()}
        n = len(rows["seed" if "seed" in rows else "step"])
        polars = pytest.importorskip("polars")
        frame = polars.DataFrame(rows)
        assert frame.height == n
        words = {"i": polars.Int64, "f": polars.Float64, "b": polars.Boolean, "O": polars.String}
        assert frame.schema == {name: words[kind] for name, kind in kinds.items()}
        pandas = pytest.importorskip("pandas")
        table = pandas.DataFrame(rows)
        assert len(table) == n and all(table[name].dtype.kind == kind for name, kind in kinds.items() if kind != "O")
        arrow = pytest.importorskip("pyarrow")
        types = {"i": arrow.int64(), "f": arrow.float64(), "b": arrow.bool_(), "O": arrow.string()}
        assert {field.name: field.type for field in arrow.table(rows).schema} == {
            name: types[kind] for name, kind in kinds.items()
        }
        duckdb = pytest.importorskip("duckdb")
        names = {"i": "BIGINT", "f": "DOUBLE", "b": "BOOLEAN", "O": "VARCHAR"}
        described = duckdb.sql("describe select * from rows").fetchall()
        assert {name: kind for name, kind, *_ in described} == {name: names[kind] for name, kind in kinds.items()}
        assert duckdb.sql("select count(*) from rows").fetchall() == [(n,)]


def test_a_sequence_of_runs(runs: pp.Sweep) -> None:
    assert [run.spec["seeds.init"] for run in runs] == runs.rows["seed"].tolist()
    assert runs[-1].digest == runs[15].digest and len(runs[2:5]) == 3
    assert runs[0].digest == pp.run(runs[0].spec, progress=False).digest
    with pytest.raises(IndexError):
        runs[16]
    point = runs.points[0]
    assert (point["n_runs"], point["n_jumped"], point["t50_median"]) == (2, 0, None)
    assert "16 runs" in repr(runs)


def test_what_is_there_is_not_made_again(runs: pp.Sweep) -> None:
    again = pp.load_sweep(runs.path)
    assert sorted(again.rows["spec_hash"]) == sorted(runs.rows["spec_hash"])
    before = {path: path.stat().st_mtime_ns for path in runs.path.glob("*/manifest.json")}
    grid = {"task.copying.n_labels": [8], "model.scale_scores": [True], "model.positions": ["one-hot"]}
    more = pp.sweep("copying-small", grid=grid, seeds=range(3), steps=20, out=runs.path, progress=False)
    assert len(more) == 3
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_fields_that_go_together_and_specs_that_are_no_files() -> None:
    grid = {"task.copying.n_exemplars,task.copying.n_labels": [[2, 8], [3, 12]]}
    spec = pp.Spec("copying-small", changes={"name": "pairs"})
    runs = pp.sweep(spec, grid=grid, seeds=[5], steps=20, progress=False)
    assert runs.rows["task.copying.n_labels"].tolist() == [8, 12]
    assert runs.path == Path("runs/sweep-pairs").absolute() and runs.figure("dependence").svg


def test_wrong_sweeps() -> None:
    wrong = [
        ({"grid": {"train.stps": [1]}}, "train.stps"),
        ({"grid": {"train.steps": []}}, "train.steps"),
        ({"grid": {"seeds.data": [1]}}, "seeds.data"),
        ({"grid": {"train.steps": [None]}}, "train.steps"),
        ({"grid": {"train.batch_size": "16"}}, "train.batch_size"),
        ({"seeds": [0, 0]}, "seeds"),
        ({"seeds": [-1]}, "seeds"),
        ({"seeds": []}, "seeds"),
        ({"workers": 0}, "workers"),
        ({"steps": -3}, "steps"),
        ({"fast": True}, None),
        ({"spec": "nothing"}, None),
    ]
    for arguments, field in wrong:
        with pytest.raises(pp.SpecError) as raised:
            pp.sweep(**{"spec": "copying-small", "progress": False, **arguments})  # type: ignore[arg-type]
        assert raised.value.field == field, (arguments, raised.value)
    one = pp.sweep('name = "typed"', seeds=[0], steps=5, changes={"eval.sequences": 64}, progress=False)
    assert one.path.name == "sweep-typed" and pp.sweep(one[0].path, seeds=[1], steps=5, progress=False)[0].step == 5
    with pytest.raises(pp.SpecError) as raised:
        pp.sweep(pp.Spec("copying-small"), grid={"train.batch_size": [0]}, progress=False)
    assert "/tmp" not in str(raised.value)
    with pytest.raises(FileNotFoundError):
        pp.load_sweep("nowhere")
    with pytest.raises(pp.SpecError, match="ensemble"):
        pp.sweep("copying-small", seeds=[0], steps=20, out="one", progress=False).figure("ensembles")


class Submitted:
    """Work that is done where it is handed over."""

    def __init__(self, function: Callable[..., object], *args: object) -> None:
        self.error: Exception | None = None
        try:
            self.value = function(*args)
        except Exception as e:
            self.error = e

    def done(self) -> bool:
        return True

    def result(self) -> object:
        if self.error is not None:
            raise self.error
        return self.value


class Here:
    """The least that an executor is."""

    def submit(self, function: Callable[..., object], /, *args: object) -> Submitted:
        return Submitted(*pickle.loads(pickle.dumps((function, *args))))


def test_other_processes_share_the_work(tmp_path: Path) -> None:
    grid = {"task.copying.n_labels": (n for n in (8, 16))}
    spec = pp.Spec("copying-small", changes={"eval.sequences": 64, "probes.enabled": False, "probes.ablations": []})
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        shared = pp.sweep(spec, grid=grid, seeds=range(3), steps=20, out=tmp_path / "a", executor=executor, tasks=2)
    alone = pp.sweep(spec, grid={"task.copying.n_labels": [8, 16]}, seeds=range(3), steps=20, out=tmp_path / "b")
    assert len(shared) == 6 and shared.n_missing == 0 and not shared.failed
    for name, column in alone.rows.items():
        np.testing.assert_array_equal(column, shared.rows[name])
    assert [run.digest for run in shared] == [run.digest for run in alone]


def test_any_executor_will_do(tmp_path: Path) -> None:
    made = pp.sweep("copying-small", seeds=range(2), steps=5, out=tmp_path / "a", executor=Here(), progress=True)
    assert len(made) == 2
    # A folder of that name is a run here as it is in the worker.
    again = pp.sweep(made[0].path, seeds=range(1), steps=5, out=tmp_path / "c", executor=Here(), progress=False)
    assert again[0].digest == made[0].digest
    with ThreadPoolExecutor(2) as executor:
        threads = pp.sweep("copying-small", seeds=range(2), steps=5, out=tmp_path / "d", executor=executor, progress=False)
    assert [run.digest for run in threads] == [run.digest for run in made]
    with pytest.raises(pp.SpecError, match="executor"):
        pp.sweep("copying-small", seeds=range(2), steps=5, out=tmp_path / "b", executor=3)  # type: ignore[arg-type]


def test_workers_that_fail(tmp_path: Path) -> None:
    class Failing(Here):
        n_left = 1

        def submit(self, function: Callable[..., object], /, *args: object) -> Submitted:
            if self.n_left > 0:
                self.n_left -= 1
                return Submitted(int, "no number")
            return super().submit(function, *args)

    assert len(pp.sweep("copying-small", seeds=range(2), steps=5, out=tmp_path / "a", executor=Failing(), tasks=2)) == 2
    with pytest.raises(ValueError, match="no number"):
        pp.sweep("copying-small", seeds=range(2), steps=5, out=tmp_path / "b", executor=Failing(), tasks=1)
