"""The package itself: light, complete, described."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import precipice as pp


def public() -> list[tuple[str, Any]]:
    found = []
    for module in (pp, pp.theory, pp.export, pp.errors):
        found += [(f"{module.__name__}.{name}", getattr(module, name)) for name in module.__all__]
    for name, thing in list(found):
        if inspect.isclass(thing):
            methods = ((method, getattr(thing, method)) for method in vars(thing) if not method.startswith("_"))
            found += [(f"{name}.{method}", value) for method, value in methods if inspect.isfunction(value)]
    return [(name, thing) for name, thing in found if inspect.isclass(thing) or inspect.isfunction(thing)]


@pytest.mark.parametrize(("name", "thing"), public(), ids=[name for name, _ in public()])
def test_every_public_name_has_an_example(name: str, thing: Any) -> None:
    text = thing.__doc__ or ""
    assert text.strip(), name
    # What is a field of another thing, or to be written by others, is shown there; exports need other packages.
    shown_elsewhere = ("Evaluation", "Flow", "Landscape", ".draw", ".measure", ".batch", ".label_vectors", ".to_")
    assert ">>>" in text or any(part in name for part in shown_elsewhere), f"{name} has no example"


def test_every_public_name_is_in_the_document() -> None:
    document = Path(__file__).parents[3] / "docs" / "python.md"
    if not document.is_file():
        pytest.skip("only the package is here")
    text = document.read_text()
    for name in pp.__all__:
        assert f"`{name}" in text or f".{name}" in text or name.startswith("__"), name


def test_it_brings_little_with_it() -> None:
    # Seconds depend on the machine; what is imported does not.
    code = "import sys, numpy; before = set(sys.modules); import precipice; print(*sorted(set(sys.modules) - before))"
    brought = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    heavy = {"pandas", "polars", "torch", "matplotlib", "tqdm", "IPython", "asyncio"}
    assert not heavy & {name.split(".")[0] for name in brought}
    assert sum(not name.startswith("precipice") for name in brought) < 40, brought
