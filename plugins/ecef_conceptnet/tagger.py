"""Tagger `conceptnet`: ConceptNet relations between two terms."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path  # noqa: TC003 - pydantic reads it
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from ecef_cli.api.components import Options, Tagger
from ecef_cli.api.errors import UsageProblem, did_you_mean
from ecef_conceptnet.lexicon import LexiconSource, load_lexicon
from ecef_conceptnet.relations import LETTERS, RELATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from ecef_cli.api.components import Edge
    from ecef_conceptnet.source import Source


_USED_BY = {
    "assertions": ("dump",),
    "language": ("dump", "api"),
    "address": ("api",),
    "requests_per_second": ("api",),
    "expire_days": ("api",),
}
"""Options that only some sources use."""


class ConceptNetOptions(Options):
    """Options of the tagger `conceptnet`."""

    # The fields that decide which relations exist come before `relations`, which is checked against them.
    source: Literal["lexicon", "dump", "api"] = Field(
        default="lexicon",
        description="source of relations: the embedded WordNet lexicon, a dump of ConceptNet, or its web API",
    )
    assertions: Path | None = Field(
        default=None, description="the gzipped dump (dump); null for the downloaded one", validate_default=True
    )
    language: str = Field(
        default="en", pattern=r"^[a-z]{2,3}(_[a-z]+)*$", description="language of the terms (dump, api)"
    )
    relations: list[str] = Field(
        default=["IsA", "HasContext", "Causes"],
        min_length=1,
        max_length=64,
        validate_default=True,
        description="ConceptNet relations between two words; the paper's by default",
    )
    min_weight: float = Field(default=0.0, ge=0, description="edges below this weight do not count; 1 is ordinary")
    longest_term: int = Field(
        default=1, ge=1, le=5, description="maximum words per term to look up, such as 2 for fall_asleep"
    )
    address: str = Field(
        default="https://api.conceptnet.io", pattern=r"^https?://", description="address of the web API (api)"
    )
    requests_per_second: float = Field(default=1.0, gt=0, description="maximum request rate to the web API (api)")
    expire_days: float = Field(default=30.0, ge=0, description="days after which to request a cached reply again (api)")

    @field_validator(*_USED_BY)
    @classmethod
    def _used_by_source(cls, value: object, info: ValidationInfo) -> object:
        """Refuse a value that the source ignores; recipes with all options filled in hold the defaults."""
        name = str(info.field_name)
        users, source = _USED_BY[name], info.data.get("source")
        if source is not None and source not in users and value != cls.model_fields[name].default:
            raise ValueError(f"must be left out with the source {source!r} (for {' and '.join(users)} only)")
        return value

    @field_validator("relations")
    @classmethod
    def _known_once(cls, relations: list[str], info: ValidationInfo) -> list[str]:
        if not {"source", "assertions", "language"} <= set(info.data):
            return relations  # one of them is invalid, and the known relations depend on all three
        known, hint = _askable(info.data)
        wrong = [f"no relation is called {n!r} ({did_you_mean(n, known)})" for n in relations if n not in known]
        twice = [f"duplicate relation {n!r}" for n in dict.fromkeys(relations) if relations.count(n) > 1]
        if wrong or twice:
            raise ValueError("; ".join(wrong + twice) + (hint if wrong else ""))
        return relations

    def decisive(self) -> dict[str, Any]:
        """Return the options that decide the output; a dump's path or a request rate is not among them."""
        chosen: dict[str, Any] = {"relations": self.relations, "source": self.source}
        if self.source != "lexicon":
            chosen["language"] = self.language
        if self.source == "api":
            chosen["address"] = self.address
        for name in ("min_weight", "longest_term"):
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                chosen[name] = value
        return chosen


def _askable(options: Mapping[str, Any]) -> tuple[Sequence[str], str]:
    """Return the valid relations, and text to add to the error for any other."""
    if options["source"] == "lexicon":
        return load_lexicon().relations, "; the sources 'dump' and 'api' have more"
    if options["source"] == "api":
        return RELATIONS, ""
    from ecef_conceptnet.index import built_relations

    own = built_relations(options["assertions"], options["language"])
    if own is None:
        return RELATIONS, "; a dump's own relations become available once its index is built"
    return tuple(dict.fromkeys((*own, *RELATIONS))), ""


class ConceptNetTagger(Tagger):
    """Tag two words with the relations between them in ConceptNet."""

    Options = ConceptNetOptions
    options: ConceptNetOptions

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations in use."""
        return tuple(self.options.relations)

    @property
    def letters(self) -> Mapping[str, str]:
        """The letters of each relation in a printed tag."""
        return LETTERS

    @property
    def longest_term(self) -> int:
        """Maximum words per term to look up."""
        return self.options.longest_term

    @cached_property
    def source(self) -> Source:
        """Source of the relations; it is opened or built on first use."""
        options = self.options
        if options.source == "lexicon":
            return LexiconSource()
        if options.source == "dump":
            from ecef_conceptnet.index import open_index

            return open_index(options.assertions, options.language)
        from ecef_conceptnet.api import ApiSource
        from ecef_conceptnet.cache import cache_folder

        return ApiSource(
            address=options.address,
            language=options.language,
            requests_per_second=options.requests_per_second,
            expire_days=options.expire_days,
            cache=cache_folder(),
        )

    def identity(self) -> str:
        """Return the checksum of the source."""
        return self.source.checksum

    def available(self) -> Mapping[str, int]:
        """Return the number of pairs of each relation, for those of the source and those in use."""
        return {**dict.fromkeys(self.relations, 0), **self.source.relations}

    def relate(self, lemmas: Sequence[str]) -> npt.NDArray[np.uint64]:
        """Return the relations between each two of W distinct terms, as bit masks (W, W)."""
        return self.source.masks(lemmas, self.relations, min_weight=self.options.min_weight)

    def known(self, terms: Sequence[str]) -> npt.NDArray[np.bool_]:
        """Return whether the source knows each term, (W,)."""
        return self.source.known(terms)

    def edges(self, first: str, second: str) -> tuple[Edge, ...]:
        """Return the edges between two terms, in either direction, heaviest first."""
        return self.source.edges(first, second, self.relations, min_weight=self.options.min_weight)

    def download(self, progress: Callable[[int, int | None], None]) -> Path:
        """Download the official dump into the cache and return its path."""
        if self.options.source != "dump" or self.options.assertions is not None:
            raise UsageProblem(
                "only the official dump can be downloaded",
                hint="pass --option source=dump, without assertions",
            )
        from ecef_conceptnet.cache import default_dump
        from ecef_conceptnet.download import fetch_dump

        target = default_dump()
        target.parent.mkdir(parents=True, exist_ok=True)
        return fetch_dump(target, progress=progress)
