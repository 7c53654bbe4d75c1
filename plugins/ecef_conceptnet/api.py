"""ConceptNet's web API as a source of relations: one request per term, cached on disk."""

from __future__ import annotations

import hashlib
import sys
import time
from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import numpy as np
from tqdm import tqdm

from ecef_cli.api.download import RequestLimits
from ecef_cli.api.errors import EcefError
from ecef_conceptnet.api_cache import OFFICIAL, WAY_OUT, NotCachedError, Replies
from ecef_conceptnet.api_reply import heaviest_first, rounded
from ecef_conceptnet.pacing import Pace
from ecef_conceptnet.relations import RELATIONS
from ecef_conceptnet.source import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from ecef_cli.api.components import Edge

    Neighbours = Mapping[str, tuple[Edge, ...]]
    """The edges of a term, by the term at the other end."""

_PAGE_SIZE = 1000  # edges; the server may return fewer
_MAX_PAGES = 500  # per term
_LONGEST = 600.0  # seconds for the pages of a term
_SLOW = 1.0  # seconds of work after which a progress bar appears
_PATH_PARTS = frozenset({"", ".", ".."})  # not terms; they have a meaning of their own in an address


class ApiSource(Source):
    """Relations from the web API. Close it after use.

    Every reply is stored in an SQLite file in `cache`, so that an interrupted run resumes, and `ecef --offline` works
    from the file alone. An outdated reply is requested again, and still used if the service is down.

    Args:
        address: base address of the service.
        language: the language's code; both ends of an edge must be in it.
        requests_per_second: limit of requests to the service; replies from the cache do not count.
        expire_days: days after which a reply is outdated.
        cache: the folder of the file `api.sqlite`.
        limits: attempts and time limits of requests.
        clock: returns monotonic seconds.

    Raises:
        UsageProblem: the address is invalid.
        EcefError: the cache cannot be used.
    """

    def __init__(
        self,
        *,
        address: str = OFFICIAL,
        language: str = "en",
        requests_per_second: float = 1.0,
        expire_days: float = 30.0,
        cache: Path,
        limits: RequestLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._language, self._clock = language, clock
        limits = limits or RequestLimits()
        self._replies = Replies(
            address=address,
            language=language,
            pace=Pace(requests_per_second, clock, limits.sleep),
            expire_days=expire_days,
            cache=cache,
            limits=limits,
        )
        self._held: dict[str, Neighbours] = {}

    def close(self) -> None:
        """Close the connections and the cache."""
        self._replies.close()

    @cached_property
    def checksum(self) -> str:
        """Checksum of the source, as far as a service can have one.

        It covers the address, the language and the cache's edition: a random number that is drawn for a new cache, and
        again if a reply differs from the one that it replaces. Replies for new terms do not change it, so tags stay
        valid while the cache grows. It is computed on first access.
        """
        facts = ("api", self._replies.address, self._language, self._replies.edition())
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    @property
    def relations(self) -> Mapping[str, int]:
        """ConceptNet's relations, with the number of pairs of terms in the cache; the service has no counts."""
        pairs = {
            (edge.relation, *sorted((edge.start, edge.end)))
            for page in self._replies.cached_pages()
            for edge in page.edges.values()
            if edge.start != edge.end
        }
        counts = Counter(relation for relation, *_ in pairs)
        return {name: counts[name] for name in sorted({*RELATIONS, *counts})}

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return (W,) whether each term has an edge within the language."""
        self._load(terms)
        return np.fromiter((bool(self._held[term]) for term in terms), dtype=np.bool_, count=len(terms))

    def masks(self, terms: Sequence[str], relations: Sequence[str], *, min_weight: float) -> npt.NDArray[np.uint64]:
        """Return the relations between each two of W distinct terms, as masks (W, W)."""
        self._load(terms)
        numbers = {term: number for number, term in enumerate(terms)}
        least = rounded(min_weight)
        bits = {relation: 1 << bit for bit, relation in enumerate(relations)}
        table = np.zeros((len(terms), len(terms)), dtype=np.uint64)
        for term, row in numbers.items():
            neighbours = self._held[term]
            for other in (neighbours.keys() & numbers.keys()) - {term}:
                mask = 0
                for edge in neighbours[other]:
                    if edge.weight >= least:
                        mask |= bits.get(edge.relation, 0)
                column = numbers[other]
                table[row, column] |= np.uint64(mask)
                table[column, row] |= np.uint64(mask)
        return table

    def edges(self, first: str, second: str, relations: Sequence[str], *, min_weight: float) -> tuple[Edge, ...]:
        """Return the edges between two terms, in either direction, heaviest first."""
        if first == second:
            return ()
        self._load([first, second])
        least, wanted = rounded(min_weight), set(relations)
        # If the service truncates pages, an edge may be in the pages of one term only.
        found = {*self._held[first].get(second, ()), *self._held[second].get(first, ())}
        return heaviest_first(e for e in found if e.relation in wanted and e.weight >= least)

    # ------------------------------------------------------------------------------------------ terms

    def _load(self, terms: Sequence[str]) -> None:
        """Load the neighbours of terms.

        Raises:
            EcefError: the service is down, or terms are missing in the cache in offline mode.
        """
        new = [term for term in dict.fromkeys(terms) if term not in self._held]
        if not new:
            return
        missing = []
        with tqdm(
            total=len(new), desc="ConceptNet", unit=" terms", delay=_SLOW, disable=None, file=sys.stderr, leave=False
        ) as bar:
            for term in new:
                try:
                    self._held[term] = self._neighbours(term)
                except NotCachedError:
                    missing.append(term)
                bar.update()
        if missing:
            raise EcefError(
                f"offline, and {len(missing)} of {len(new)} terms are not in the cache {self._replies.file}: "
                f"{', '.join(map(repr, missing[:3]))}{', …' if len(missing) > len(missing[:3]) else ''}",
                hint=f"run the command once without --offline, or {WAY_OUT}",
            )

    def _neighbours(self, term: str) -> Neighbours:
        if term in _PATH_PARTS:
            return {}
        found: dict[str, list[Edge]] = {}
        for edge in self._edges(term):
            if term in {edge.start, edge.end}:
                found.setdefault(edge.end if edge.start == term else edge.start, []).append(edge)
        return {other: tuple(edges) for other, edges in found.items()}

    def _edges(self, term: str) -> Iterator[Edge]:
        path = f"/c/{self._language}/{quote(term, safe='')}?offset=0&limit={_PAGE_SIZE}"
        seen: set[str] = set()
        end = self._clock() + _LONGEST
        for _ in range(_MAX_PAGES):
            if self._clock() >= end:
                raise EcefError(
                    f"{self._replies.address} takes over {_LONGEST / 60:.0f} minutes for {term!r}", hint=WAY_OUT
                )
            page = self._replies.page(path)
            yield from page.edges.values()
            following = page.following if page.ids else None
            if not following:
                return
            if page.ids <= seen:
                break
            seen |= page.ids
            path = self._within(following)
        raise EcefError(f"{self._replies.address} returns an endless series of pages for {term!r}", hint=WAY_OUT)

    def _within(self, following: str) -> str:
        """Return the next page's path below the base address, without the host that the server states."""
        parts = urlsplit(following)
        path = parts.path.removeprefix(urlsplit(self._replies.address).path)
        return f"/{path.lstrip('/')}" + (f"?{parts.query}" if parts.query else "")
