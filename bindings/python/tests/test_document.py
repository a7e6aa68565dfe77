"""What the documents show is what happens."""

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(not (ROOT / "README.md").is_file(), reason="only the package is here")
@pytest.mark.parametrize(("name", "least"), [("docs/python.md", 30), ("README.md", 4)])
def test_a_document(name: str, least: int) -> None:
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, n = doctest.testfile(str(ROOT / name), module_relative=False, optionflags=options)
    assert failed == 0 and n >= least
