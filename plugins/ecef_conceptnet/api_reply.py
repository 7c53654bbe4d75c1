"""Replies of the web API, versions 5.5 (without `@type`) to 5.8."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from sys import intern
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ecef_cli.api.components import Edge
from ecef_conceptnet.dump import source_of
from ecef_conceptnet.terms import relation_of, term_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


_LARGEST = 1e6  # weight of an edge; ConceptNet's own are below 100


class ReplyError(ValueError):
    """Reply that is not in the form of the API; the text says where."""


class StatedError(ReplyError):
    """Well-formed reply that states an error."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a term's edges.

    Attributes:
        edges: the edges with both ends in the language, in the page's order, by their URI.
        ids: the URIs of all edges of the page.
        following: address of the next page, as the server states it, or None.
    """

    edges: Mapping[str, Edge]
    ids: frozenset[str]
    following: str | None

    @classmethod
    def parse(cls, body: bytes, language: str) -> Page:
        """Return the page in a reply's body.

        Raises:
            StatedError: the reply states an error.
            ReplyError: the reply is not a page of edges.
        """
        reply = _json(body)
        if "error" in reply:
            raise StatedError(stated_error(reply) or "an error without details")
        entries = _get(reply, "edges", list, "the reply")
        view = reply.get("view") or {}
        following = view.get("nextPage") if isinstance(view, dict) else None
        if following is not None and not _is_address(following):
            raise ReplyError("view.nextPage is not an address")
        edges, ids = {}, set()
        for number, entry in enumerate(entries):
            where = f"edge {number}"
            if not isinstance(entry, dict):
                raise ReplyError(f"{where} is not an object")
            uri = _get(entry, "@id", str, where)
            ids.add(uri)
            edge = _edge(entry, where, language)
            if edge is not None:
                edges[uri] = edge
        return cls(edges, frozenset(ids), following)


def _is_address(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(urlsplit(value).path)
    except ValueError:
        return False


def is_unknown_term(body: bytes) -> bool:
    """Return whether the body of a 404 reply comes from the API itself, which does not know the term."""
    try:
        return "error" in _json(body)
    except ReplyError:
        return False


def stated_error(reply: Mapping[str, Any]) -> str:
    """Return the details of a reply's `error` in one line."""
    error = reply.get("error")
    details = error.get("details") or error.get("message") if isinstance(error, dict) else error
    return " ".join(str(details or "").split())[:200]


def _edge(entry: dict[str, Any], where: str, language: str) -> Edge | None:
    relation = _get(_get(entry, "rel", dict, where), "@id", str, f"rel of {where}")
    ends = [_get(_get(entry, end, dict, where), "@id", str, f"{end} of {where}") for end in ("start", "end")]
    weight = entry.get("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not abs(weight) <= _LARGEST:
        raise ReplyError(f"the weight of {where} is not a number")
    start, end = (term_of(uri, language) for uri in ends)
    if start is None or end is None:
        return None
    # Many edges share these strings: keep one copy of each.
    return Edge(intern(relation_of(relation)), intern(start), intern(end), rounded(weight), intern(source_of(entry)))


def rounded(weight: float) -> float:
    """Return a weight in single precision, as in the index of the dump."""
    return float(struct.unpack("<f", struct.pack("<f", weight))[0])


def _json(body: bytes) -> dict[str, Any]:
    try:
        reply = json.loads(body)
    except RecursionError:
        raise ReplyError("is nested too deeply") from None
    except ValueError:
        start = " ".join(body[:60].decode("utf-8", "replace").split())
        raise ReplyError(f"is not JSON, it begins with {start!r}" if start else "is empty") from None
    if not isinstance(reply, dict):
        raise ReplyError("is not a JSON object")
    return reply


def _get(entry: Mapping[str, Any], key: str, kind: type[Any], where: str) -> Any:
    value = entry.get(key)
    if not isinstance(value, kind):
        raise ReplyError(f"{where} has no {key!r}")
    return value


def heaviest_first(edges: Iterable[Edge]) -> tuple[Edge, ...]:
    """Return edges in a fixed order, the heaviest first."""
    return tuple(sorted(edges, key=lambda e: (-e.weight, e.relation, e.start, e.end, e.source)))
