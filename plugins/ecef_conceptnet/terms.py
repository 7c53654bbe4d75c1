"""Parse terms and relations from ConceptNet's URIs."""

from __future__ import annotations

from functools import cache
from urllib.parse import unquote


def term_of(uri: str, language: str) -> str | None:
    """Return the term of a concept, without language and sense: `/c/en/dog/n/wn/animal` is `dog`.

    Args:
        uri: a concept; escapes such as `%C3%A9` are decoded.
        language: the language's code, such as `en`.

    Returns:
        The term, or None if the URI is not a concept of the language.
    """
    head = f"/c/{language}/"
    if not uri.startswith(head):
        return None
    term = uri[len(head) :].partition("/")[0]
    return (unquote(term) if "%" in term else term).lower() or None


@cache
def relation_of(uri: str) -> str:
    """Return the name of a relation: `/r/IsA` is `IsA`, `/r/dbpedia/language` is `dbpedia/language`."""
    return uri.removeprefix("/r/").strip("/")
