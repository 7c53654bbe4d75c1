"""Colours that are distinguishable with any colour vision, and readable text on them."""

from __future__ import annotations

PALETTE = (
    "#999999",
    "#E69F00",
    "#56B4E9",
    "#0072B2",
    "#F0E442",
    "#009E73",
    "#D55E00",
    "#CC79A7",
)
"""Okabe and Ito's colours, with grey instead of black, for readable black text."""

_LINEAR = 0.04045  # value of a channel up to which sRGB is linear


def colour(number: int) -> str:
    """Return the colour of an emotion by its number; colours repeat, so always print the word too."""
    return PALETTE[number % len(PALETTE)]


def ink(red: float, green: float, blue: float) -> str:
    """Return `black` or `white`, whichever is more readable on a colour; the contrast is at least 4.5:1.

    Args:
        red: channel of the colour in sRGB, 0 to 1, like the other two.
        green: see above.
        blue: see above.
    """
    return "white" if contrast(red, green, blue, of=1.0) > contrast(red, green, blue, of=0.0) else "black"


def contrast(red: float, green: float, blue: float, *, of: float) -> float:
    """Return the contrast ratio (WCAG 2) between a colour and a grey.

    Args:
        red: channel of the colour in sRGB, 0 to 1, like the other two.
        green: see above.
        blue: see above.
        of: luminance of the grey; 0 is black, 1 is white.
    """
    linear = [c / 12.92 if c <= _LINEAR else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    darker, lighter = sorted((luminance, of))
    return (lighter + 0.05) / (darker + 0.05)


def channels(code: str) -> tuple[float, float, float]:
    """Return red, green and blue, 0 to 1, of a colour written as `#rrggbb`."""
    red, green, blue = bytes.fromhex(code.removeprefix("#"))
    return red / 255, green / 255, blue / 255
