"""Reads pages as a browser's parser would, as far as tests ask; and rows that try to break them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "br", "img", "input", "hr", "col", "base", "source"}

HOSTILE = [
    "<script>window.owned = 1</script>",
    "</style></title><script>window.owned = 1</script>",
    '"><img src="PLACE/quote" onerror="window.owned = 1">',
    "'';!--\"<XSS>=&{()}",
    "javascript:window.owned=1",
    "\u202eright to left\u202c \u200fmarks \u2066 here",
    "مرحبا، أنا سعيد جدا بهذا اليوم",
    "W" * 1500,
    "👩‍👩‍👧‍👦🎉 great 🎉 day",
    "{{ 7 * 7 }} {% raw %} ${7 * 7}",
    "a bell \x07 and \x1b[31mred and \x00",
    "two\nlines\tand   spaces",
    "<!-- &amp; ]]> &#x3c;b&#x3e; -->",
    "</p></li></ol></section><h1>moved</h1>",
    "<svg onload=window.owned=1><style>@import 'PLACE/style';</style>",
    "x" * 9000,
]
"""Texts that a page must show as they are, and do nothing of."""


@dataclass
class Element:
    """An element: its tag, attributes, what stands in it, and the element around it."""

    tag: str
    attributes: dict[str, str]
    around: Element | None
    inside: list[Element | str] = field(default_factory=list)

    def all(self) -> Iterator[Element]:
        for child in self.inside:
            if isinstance(child, Element):
                yield child
                yield from child.all()

    def find(self, tag: str = "", **attributes: str) -> list[Element]:
        """Return the elements inside of a tag, whose classes or other attributes are these."""
        return [e for e in self.all() if (not tag or e.tag == tag) and all(e.has(k, v) for k, v in attributes.items())]

    def has(self, key: str, value: str) -> bool:
        found = self.attributes.get(key.rstrip("_").replace("_", "-"), "")
        return value in found.split() if key == "class_" else found == value

    def text(self, *, without: str = "") -> str:
        """Return the text inside, but for elements of the class `without`."""
        parts = [
            child if isinstance(child, str) else child.text(without=without)
            for child in self.inside
            if isinstance(child, str) or not (without and child.has("class_", without))
        ]
        return "".join(parts)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {}, None)
        self._open = self.root

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"<{tag}> has an attribute twice: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs}, self._open)
        self._open.inside.append(element)
        if tag not in VOID:
            self._open = element

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.tag, f"</{tag}> closes <{self._open.tag}>"
        assert self._open.around is not None
        self._open = self._open.around

    def handle_data(self, data: str) -> None:
        self._open.inside.append(data)


def read_page(html: str) -> Element:
    """Return a page; fails where an element is not closed in its turn."""
    parser = _Parser()
    parser.feed(html)
    parser.close()
    assert parser._open is parser.root, f"<{parser._open.tag}> is never closed"
    return parser.root


def check_page(page: Element) -> None:
    """Check what holds for every page: it loads nothing, runs its own script alone, and can be read aloud."""
    import base64
    import hashlib

    (script,) = page.find("script")
    (policy,) = [m.attributes["content"] for m in page.find("meta") if m.has("http_equiv", "Content-Security-Policy")]
    digest = base64.b64encode(hashlib.sha256(script.text().encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none';")
    assert not any(word in policy for word in ("http", "*", "'self'", "unsafe-eval"))
    (html,) = page.find("html")
    assert html.attributes["lang"] == "en"
    for element in page.all():
        assert element.tag not in {"img", "link", "iframe", "object", "embed", "base", "XSS"}
        assert not any(name.startswith("on") for name in element.attributes)
        # matplotlib puts the shades of a colour bar into a picture of its own, inside the SVG.
        own = "data:image/png;base64," if element.tag == "image" else "data:audio/mpeg;base64,"
        for name in ("src", "href", "xlink:href", "data", "action", "srcset"):
            assert element.attributes.get(name, "#").startswith(("#", own))
    assert not any(word in page.find("style")[0].text() for word in ("url(", "@import", "expression"))
    ids = [e.attributes["id"] for e in page.all() if "id" in e.attributes]
    assert len(ids) == len(set(ids))
    named = [
        e.attributes[key].split()
        for e in page.all()
        for key in ("aria-labelledby", "aria-describedby")
        if key in e.attributes
    ]
    linked = [[e.attributes["href"][1:]] for e in page.find("a")]
    assert {name for names in [*named, *linked] for name in names} <= set(ids)
    assert len(page.find("h1")) == len(page.find("main")) == len(page.find("title")) == 1
    levels = [int(e.tag[1]) for e in page.all() if e.tag in {"h1", "h2", "h3", "h4"}]
    assert all(after <= before + 1 for before, after in pairwise(levels))
