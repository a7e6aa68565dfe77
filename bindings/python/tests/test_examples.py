"""The example of every docstring does what it shows."""

import doctest
import importlib
import pkgutil

import pytest

import precipice

MODULES = ["precipice", *(f"precipice.{module.name}" for module in pkgutil.iter_modules(precipice.__path__))]


@pytest.mark.parametrize("name", [name for name in MODULES if not name.endswith("_native")])
def test_examples(name: str) -> None:
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert failed == 0
