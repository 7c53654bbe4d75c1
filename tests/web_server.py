"""A web server on this machine, whose every reply a test decides, and a clock that a test moves."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass
class Time:
    """Time that passes only where somebody sleeps."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: Any) -> None:
        """Say nothing: clients that hang up are part of the tests."""


class WebServer:
    """Answers what `reply` says; `once` holds answers that come first, one a request."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.once: deque[Callable[[Handler], None]] = deque()
        self.reply: Callable[[Handler], None] = status(404)
        self.stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), type("OwnHandler", (Handler,), {"owner": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def paths(self) -> list[str]:
        return [urlsplit(asked).path for asked in self.asked]


class Handler(BaseHTTPRequestHandler):
    owner: WebServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: else the system waits for the client before the second

    def do_GET(self) -> None:
        self.owner.asked.append(self.path)
        self.owner.headers.append(dict(self.headers))
        (self.owner.once.popleft() if self.owner.once else self.owner.reply)(self)

    def log_message(self, *_: Any) -> None:
        pass


def status(
    code: int, body: bytes = b"", headers: dict[str, str] | None = None, *, stated: int | None = None
) -> Callable[[Handler], None]:
    """Answer a status; `stated` is the length that is claimed of the body."""

    def answer(handler: Handler) -> None:
        handler.send_response(code)
        for name, value in (headers or {}).items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body) if stated is None else stated))
        handler.end_headers()
        handler.wfile.write(body)
        if stated is not None:
            handler.close_connection = True

    return answer


def in_json(value: Any, code: int = 200) -> Callable[[Handler], None]:
    return status(code, json.dumps(value).encode(), {"Content-Type": "application/json"})


def hang_up(handler: Handler) -> None:
    """Close the connection without a word."""
    handler.close_connection = True


def drip(part: str) -> Callable[[Handler], None]:
    """Send the `head` or the `body` a byte at a time, without an end."""

    def answer(handler: Handler) -> None:
        start = b"HTTP/1.1 200 OK\r\n" + (b"Content-Length: 1000000\r\n\r\n" if part == "body" else b"X-Slow: ")
        with suppress(OSError):
            handler.wfile.write(start)
            while not handler.owner.stopping.wait(0.01):
                handler.wfile.write(b" ")
                handler.wfile.flush()
        handler.close_connection = True

    return answer


def edge(relation: str, start: str, end: str, weight: float = 1.0, dataset: str = "/d/wordnet/3.1") -> dict[str, Any]:
    """Return an edge as version 5.6 replies it; ends are URIs, or terms of English."""
    first, second = (uri if uri.startswith(("/", "http")) else f"/c/en/{uri}" for uri in (start, end))
    return {
        "@id": f"/a/[/r/{relation}/,{first}/,{second}/]",
        "@type": "Edge",
        "rel": {"@id": f"/r/{relation}", "@type": "Relation", "label": relation},
        "start": {"@id": first, "@type": "Node"},
        "end": {"@id": second, "@type": "Node"},
        "weight": weight,
        "dataset": dataset,
        "license": "cc:by-sa/4.0",
        "sources": [{"@id": "/s/resource/wordnet/rdf/3.1", "contributor": "/s/resource/wordnet/rdf/3.1"}],
        "surfaceText": None,
    }


def conceptnet(
    edges: list[dict[str, Any]], *, a_page: int = 20, version: str = "5.6", below: str = "", host: str = ""
) -> Callable[[Handler], None]:
    """Answer as ConceptNet's web API does, from the given edges.

    Args:
        edges: all that the service knows.
        a_page: the most edges it gives at once.
        version: 5.5 has no `@type`.
        below: the path at which the service lies.
        host: what the next page's address begins with.
    """

    def answer(handler: Handler) -> None:
        parts = urlsplit(handler.path)
        query = parse_qs(parts.query)
        node = unquote(parts.path.removeprefix(below))
        found = [e for e in edges if any(_within(e[end]["@id"], node) for end in ("start", "end"))]
        if not found:
            details = f"{node} is not a node in ConceptNet."
            in_json({"@id": node, "edges": [], "error": {"status": 404, "details": details}}, 404)(handler)
            return
        offset, limit = int(query["offset"][0]), min(int(query["limit"][0]), a_page)
        reply: dict[str, Any] = {"@id": node, "edges": found[offset : offset + limit]}
        if offset + limit < len(found) or offset:
            view = {"paginatedProperty": "edges", "@id": f"{parts.path}?offset={offset}&limit={limit}"}
            if offset + limit < len(found):
                view["nextPage"] = f"{host}{parts.path}?offset={offset + limit}&limit={limit}"
            reply["view"] = view | ({"@type": "PartialCollectionView"} if version != "5.5" else {})
        if version == "5.5":
            reply["edges"] = [_without_type(e) for e in reply["edges"]]
        in_json(reply)(handler)

    return answer


def _within(uri: str, node: str) -> bool:
    return unquote(uri) == node or unquote(uri).startswith(f"{node}/")


def _without_type(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_type(v) for k, v in value.items() if k != "@type"}
    return [_without_type(v) for v in value] if isinstance(value, list) else value
