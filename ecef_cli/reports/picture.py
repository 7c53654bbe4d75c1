"""Draw pictures for print and for pages.

The same figure gives the same bytes. Words in the SVG are text, not outlines, so they can be searched, read aloud and
edited. The layout uses DejaVu Sans, which is wide: a viewer without it falls back to another sans-serif font, which
leaves gaps but no overlaps.
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
"""Resolution of a PNG, dots per inch."""

_FAMILIES = "'DejaVu Sans', Verdana, Arial, sans-serif"
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "font.family": ["DejaVu Sans"],  # part of matplotlib, so pictures are the same on every machine
    "font.size": 8,
    "grid.color": "#d0d0d0",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
    "svg.fonttype": "none",
    "svg.hashsalt": "ecef",
    "text.parse_math": False,  # a label may contain a dollar sign
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A finished picture.

    Attributes:
        name: name of its files, without suffix.
        alt: its description.
        png: PNG at 300 dpi.
        svg: the same as SVG.
    """

    name: str
    alt: str
    png: bytes
    svg: str

    def save(self, folder: Path) -> tuple[Path, Path]:
        """Write both files into a folder, create it if missing, and return their paths."""
        png, svg = folder / f"{self.name}.png", folder / f"{self.name}.svg"
        with replacing(png) as part:
            part.write_bytes(self.png)
        write_text(svg, self.svg)
        return png, svg


def drawn(name: str, alt: str, size: tuple[float, float], draw: Callable[[Figure], None]) -> Picture:
    """Return a picture.

    Args:
        name: name of its files, without suffix.
        alt: its description.
        size: width and height in inches.
        draw: function that draws on an empty figure.
    """
    png, svg = io.BytesIO(), io.StringIO()
    with mpl.rc_context():
        mpl.rcdefaults()  # ignore the user's matplotlibrc
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        # Omit the date and the version of matplotlib, which would change every file.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            figure.savefig(png, format="png", dpi=DPI, metadata={"Software": None})
            figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    if any("missing from font" in str(warning.message) for warning in caught):
        console.warn(f"{name}.png lacks characters missing from DejaVu Sans; {name}.svg has them")
    return Picture(name, alt, png.getvalue(), svg.getvalue().replace("'DejaVu Sans'", _FAMILIES))
