"""The notebooks of docs/notebooks: what is committed was run in order, and runs anew."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed; the tests of notebooks need it")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed; the tests of notebooks need it")

FOLDER = Path(__file__).parents[3] / "docs" / "notebooks"
NAMES = ["essay", "your-own-network", "a-thousand-seeds", "when-will-it-jump"]
NEEDS = {
    "essay": ["matplotlib"],
    "your-own-network": ["matplotlib", "torch"],
    "a-thousand-seeds": ["matplotlib", "polars"],
    "when-will-it-jump": ["matplotlib", "polars"],
}
LARGEST = 1_000_000
"""Bytes of a notebook with its outputs."""

# What others raise: Jupyter and its sockets, which this test only starts.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore::{category}:{module}")
    for category in ("DeprecationWarning", "PendingDeprecationWarning", "FutureWarning", "UserWarning", "RuntimeWarning")
    for module in (r"jupyter_client(\.|$)", r"jupyter_core(\.|$)", r"nbclient(\.|$)", r"nbformat(\.|$)", r"zmq(\.|$)")
]


def _read(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _texts(output: Any) -> list[str]:
    """All that an output says in words: pictures in base64 are none."""
    if output.output_type == "stream":
        return [output.text]
    if output.output_type == "error":
        return [output.ename, output.evalue, *output.traceback]
    return [text for kind, text in output.data.items() if isinstance(text, str) and kind not in ("image/png", "image/jpeg")]


def test_all_are_tested() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_committed_outputs(name: str) -> None:
    assert (FOLDER / f"{name}.ipynb").stat().st_size <= LARGEST
    notebook = _read(name)
    assert notebook.metadata.kernelspec.name == "python3"
    cells = _code(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "cells out of order"
    outputs = [output for cell in cells for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs), "no figure"
    for output in outputs:
        assert output.output_type != "error"
        assert output.get("name") != "stderr"
        for text in _texts(output):
            assert "/tmp/" not in text
            assert "Warning" not in text


@pytest.mark.parametrize("name", NAMES)
def test_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in NEEDS[name]:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed; {name}.ipynb needs it")
    monkeypatch.setenv("PRECIPICE_SEEDS", "8")
    # The python3 of another environment may be found before this one's.
    monkeypatch.setenv("JUPYTER_PREFER_ENV_PATH", "1")
    monkeypatch.setenv("JUPYTER_PATH", str(Path(sys.prefix) / "share" / "jupyter"))
    notebook = _read(name)
    folder = tmp_path / "empty"
    folder.mkdir()
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources=resources, allow_errors=True)
    client.execute()
    for i, cell in enumerate(_code(notebook)):
        for output in cell.outputs:
            said = "\n".join(_texts(output))
            assert output.output_type != "error", f"cell {i + 1} of {name}:\n{cell.source}\n{said}"
    assert list(folder.iterdir()) == [], "something was left behind"
