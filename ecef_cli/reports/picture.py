"""Pictures for print and for pages.

A picture is the same bytes each time. Words in its SVG are text and not outlines: they can be searched, read aloud and
edited. They are laid out in DejaVu Sans, which is wide, so that another sans-serif font, where a viewer lacks that one,
leaves gaps and no overlaps.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ecef_cli import console
from ecef_cli.workspace import replacing, write_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DPI = 300
"""Dots an inch of a PNG."""

_FAMILIES = "'DejaVu Sans', Verdana, Arial, sans-serif"
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "font.family": ["DejaVu Sans"],  # comes with matplotlib, so that a picture is the same on every machine
    "font.size": 8,
    "grid.color": "#d0d0d0",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "svg.fonttype": "none",
    "svg.hashsalt": "ecef",
    "text.parse_math": False,  # a label may hold a dollar sign
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture, drawn.

    Attributes:
        name: of its files, without suffix.
        alt: what it shows, in words.
        png: at 300 dpi.
        svg: the same in vectors.
    """

    name: str
    alt: str
    png: bytes
    svg: str

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Write both files into a folder, which is made where it is missing, and return their paths."""
        png, svg = folder / f"{self.name}.png", folder / f"{self.name}.svg"
        with replacing(png) as part:
            part.write_bytes(self.png)
        write_text(svg, self.svg)
        return png, svg


def drawn(name: str, alt: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> Picture:
    """Return a picture.

    Args:
        name: of its files, without suffix.
        alt: what it shows, in words.
        size: width and height in inches.
        draw: draws on an empty figure.
    """
    png, svg = io.BytesIO(), io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()  # not what this user's matplotlibrc says
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        # The date and the version of matplotlib would make every file another one.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
            figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    if any("missing from font" in str(warning.message) for warning in caught):
        console.warn(f"{name}.png lacks letters that DejaVu Sans does not have; {name}.svg shows them")
    return Picture(name, alt, png.getvalue(), svg.getvalue().replace("'DejaVu Sans'", _FAMILIES))
