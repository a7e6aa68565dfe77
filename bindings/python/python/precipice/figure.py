"""Figures, which show themselves in a notebook."""

from __future__ import annotations

import os

from precipice import _native

__all__ = ["Figure"]


class Figure:
    """A figure; what `Run.figure` and `Sweep.figure` give.

    >>> import precipice as pp
    >>> figure = pp.run("copying-small", steps=40, progress=False).figure("learning-curve")
    >>> figure.svg.startswith("<svg")
    True
    """

    _core: _native.Figure

    def __init__(self, native: _native.Figure) -> None:
        self._core = native

    @property
    def svg(self) -> str:
        """The page as SVG."""
        return self._core.svg

    def dark(self) -> Figure:
        """The same for dark backgrounds.

        >>> import precipice as pp
        >>> figure = pp.run("copying-small", steps=40, progress=False).figure("learning-curve")
        >>> figure.dark().svg == figure.svg
        False
        """
        return Figure(self._core.dark())

    def png(self) -> bytes:
        """The page as a PNG file, for whoever has no SVG.

        >>> import precipice as pp
        >>> pp.run("copying-small", steps=40, progress=False).figure("learning-curve").png()[1:4]
        b'PNG'
        """
        return self._core.png()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file: `.svg`, `.png` or `.pdf`. Raises Error if its name ends otherwise.

        >>> import precipice as pp
        >>> pp.run("copying-small", steps=40, progress=False).figure("learning-curve").save("curve.png")
        """
        self._core.save(os.fspath(path))

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<precipice.Figure, {len(self.svg)} bytes of SVG; save('figure.png') writes it>"
