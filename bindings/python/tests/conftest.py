"""Every test runs in an empty folder."""

from pathlib import Path

import pytest

import precipice as pp


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def made() -> pp.Run:
    """A run that jumps."""
    return pp.run("copying-small", steps=1000, seed=0, progress=False)


@pytest.fixture(scope="session")
def short() -> pp.Run:
    return pp.run("copying-small", steps=60, progress=False)
