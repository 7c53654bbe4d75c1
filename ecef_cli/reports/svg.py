"""Embed pictures in a page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from ecef_cli.reports.picture import Picture

_TAG = re.compile(r"<[^>]*>")
_NAMES = re.compile(r'(\bid="|url\(#|href="#)')
_APART = re.compile(r"\s*<metadata>.*?</metadata>|\s*<style\b.*?</style>", re.DOTALL)


def inline(picture: Picture, number: int) -> Markup:
    """Return a picture as an element of a page, with its description.

    Ids get a prefix, because matplotlib uses the same ids in every picture. Its style rules, which would apply to the
    whole page, are removed; the page's class `plot` replaces them.

    Args:
        picture: the picture; matplotlib has escaped the labels in its SVG.
        number: number of the picture in the page.
    """
    body = _APART.sub("", picture.svg[picture.svg.index("<svg") :])
    body = _TAG.sub(lambda tag: _NAMES.sub(rf"\g<1>p{number}-", tag.group()), body)
    head = f'<svg class="plot" role="img" aria-label="{escape(picture.alt)}"'
    return Markup(head + body.removeprefix("<svg"))  # noqa: S704 - user text is escaped
