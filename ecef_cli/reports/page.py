"""Render self-contained HTML pages, readable without JavaScript."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ecef_cli.api.errors import UsageProblem
from ecef_cli.console import DIRECTIONS
from ecef_cli.reports.colours import PALETTE, channels, ink

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

LONGEST_TEXT = 2_000
"""Maximum characters of an utterance on a page."""

LONGEST_NAME = 80
"""Maximum characters of a name or an id on a page."""

# Control characters are errors in HTML: show their pictures, and replace non-characters and overrides of the direction.
_CONTROL = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n\r"}
_CONTROL |= {0x7F: 0x2421} | dict.fromkeys((*range(0x80, 0xA0), *DIRECTIONS), 0xFFFD)


def render(template: str, **values: Any) -> str:
    """Return a page.

    All values are escaped. The page's Content-Security-Policy allows no loading, and only its own script, identified by
    its hash.

    Args:
        template: name of a template of this package.
        values: variables of the template.
    """
    environment = _environment()
    script = _source("script.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data:; "
        "media-src data:; base-uri 'none'; form-action 'none'"
    )
    own = {"script": Markup(script), "style": Markup(_source("style.css"))}  # noqa: S704 - files of this package
    return environment.get_template(template).render(policy=policy, colours=_colours(), **own, **values)


def visible(text: object) -> str:
    """Return a text without control characters, shortened for a page."""
    shown = str(text).encode("utf-8", "surrogateescape").decode("utf-8", "replace").translate(_CONTROL)
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[:LONGEST_TEXT]}…"


def brief(text: object) -> str:
    """Return a name or an id, shortened for a page."""
    shown = visible(text)
    return shown if len(shown) <= LONGEST_NAME else f"{shown[:LONGEST_NAME]}…"


def label_class(label: str, labels: Sequence[str]) -> str:
    """Return the style class of an emotion; `ex` if it is not among the labels."""
    return f"e{labels.index(label) % len(PALETTE)}" if label in labels else "ex"


def check_target(path: Path, *, option: str, source: Path | None = None) -> None:
    """Check, before any work, that a page can be written to a path; create a missing folder.

    Args:
        path: the path of the page.
        option: the option that gives it.
        source: the input file, which must differ.

    Raises:
        UsageProblem: the page cannot be written there.
    """
    problem = None
    if path.is_dir():
        problem = f"{path} is a folder"
    elif source is not None and source.exists() and path.exists() and path.samefile(source):
        problem = f"{path} is the input file"
    else:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            problem = f"{path} cannot be written: {error.strerror}"
    if problem:
        raise UsageProblem(f"{option}: {problem}", hint="pass another file, such as report.html")


def _colours() -> list[tuple[str, str]]:
    return [(code, ink(*channels(code))) for code in PALETTE]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("ecef_cli.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["brief"] = brief
    return environment


def _source(name: str) -> str:
    loader = _environment().loader
    assert loader is not None  # noqa: S101 - set above
    return loader.get_source(_environment(), name)[0]
