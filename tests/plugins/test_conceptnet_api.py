"""ConceptNet's web API as a source of relations, asked of a server on this machine."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import sqlite3
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import toy_recipe
from narrow import instance
from prepared import RunEcef
from web_server import HTML, Handler, Time, WebServer, conceptnet, drip, edge, hang_up, in_json, status

from ecef_cli.api.components import Edge
from ecef_cli.api.errors import EcefError, UsageProblem
from ecef_cli.download.web import RequestLimits
from ecef_cli.recipe.model import build_component
from ecef_cli.recipe.strict_yaml import parse_yaml
from ecef_conceptnet import api
from ecef_conceptnet.api import ApiSource
from ecef_conceptnet.index import open_index
from ecef_conceptnet.tagger import ConceptNetTagger

DOG = [
    edge("IsA", "dog/n", "animal/n", 2.0),
    edge("IsA", "/c/en/dog/n/wn/animal", "pet", 1.0, "/d/conceptnet/4/en"),
    edge("CapableOf", "dog", "bark", 9.0),
    edge("RelatedTo", "bark/n", "dog", 0.5),
    edge("IsA", "dog", "/c/fr/animal"),
    edge("Synonym", "/c/fr/chien", "dog"),
    edge("ExternalURL", "dog", "http://dbpedia.org/resource/Dog"),
    edge("DerivedFrom", "dog/v", "dog/n"),
]
RELATIONS = ["IsA", "CapableOf", "RelatedTo"]

Opened = Callable[..., ApiSource]
Reply = Callable[[Handler], None]


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("ECEF_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("ECEF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def server() -> Iterator[WebServer]:
    found = WebServer()
    found.reply = conceptnet(DOG)
    yield found
    found.stop()


@pytest.fixture
def opened(server: WebServer, tmp_path: Path) -> Iterator[Opened]:
    """Opens sources on the server, all with one cache; their time passes only in sleep."""
    sources = []

    def open_source(**options: Any) -> ApiSource:
        time = options.pop("time", None) or Time()
        limits = RequestLimits(**options.pop("limits", {}), sleep=time.sleep)
        values = {"address": server.address, "language": "en", "cache": tmp_path / "cache", **options}
        sources.append(ApiSource(**values, limits=limits, clock=time.clock))
        return sources[-1]

    yield open_source
    for source in sources:
        source.close()


def holds(source: ApiSource, one: str, other: str, relations: list[str] | None = None, least: float = 0.0) -> set[str]:
    relations = relations or RELATIONS
    mask = int(source.masks([one, other], relations, min_weight=least)[0, 1])
    return {name for bit, name in enumerate(relations) if mask >> bit & 1}


# ------------------------------------------------------------------------------------------ what it says


def test_relations_hold_in_both_directions_whatever_the_sense(opened: Opened) -> None:
    source = opened()
    terms = ["animal", "bark", "cat", "dog", "pet"]
    masks = source.masks(terms, [*RELATIONS, "DerivedFrom"], min_weight=0.0)
    expected = np.zeros((5, 5), dtype=np.uint64)
    expected[0, 3] = expected[3, 0] = expected[4, 3] = expected[3, 4] = 1  # IsA
    expected[1, 3] = expected[3, 1] = 0b110  # CapableOf one way, RelatedTo the other
    assert masks.dtype == np.uint64
    assert np.array_equal(masks, expected)


def test_edges_below_the_weight_do_not_count(opened: Opened) -> None:
    source = opened()
    assert holds(source, "dog", "bark", least=0.5) == {"CapableOf", "RelatedTo"}
    assert holds(source, "dog", "bark", least=0.6) == {"CapableOf"}
    assert holds(source, "dog", "animal", least=2.5) == set()


def test_a_term_is_known_where_it_has_an_edge_in_its_language(opened: Opened, server: WebServer) -> None:
    server.reply = conceptnet([*DOG, edge("IsA", "ciao", "/c/it/ciao"), edge("DerivedFrom", "run/v", "run/n")])
    found = opened().known(["dog", "unicycle", "ciao", "run", "animal"])
    assert found.tolist() == [True, False, False, True, True]


def test_edges_can_be_cited_heaviest_first(opened: Opened) -> None:
    source = opened()
    assert source.edges("bark", "dog", RELATIONS, min_weight=0.0) == (
        Edge("CapableOf", "dog", "bark", 9.0, "/d/wordnet/3.1"),
        Edge("RelatedTo", "bark", "dog", 0.5, "/d/wordnet/3.1"),
    )
    assert source.edges("pet", "dog", RELATIONS, min_weight=0.0)[0].source == "/d/conceptnet/4/en"
    assert source.edges("dog", "bark", ["RelatedTo"], min_weight=0.6) == ()
    assert source.edges("dog", "dog", ["DerivedFrom"], min_weight=0.0) == ()


def test_the_relations_are_counted_in_the_cache(opened: Opened) -> None:
    source = opened()
    assert set(source.relations.values()) == {0}
    source.known(["dog", "bark"])
    counts = source.relations
    assert {name: count for name, count in counts.items() if count} == {"IsA": 2, "CapableOf": 1, "RelatedTo": 1}
    assert "HasContext" in counts


@pytest.mark.parametrize("version", ["5.5", "5.6"])
def test_all_pages_of_a_term_are_read(opened: Opened, server: WebServer, version: str) -> None:
    server.reply = conceptnet([edge("IsA", f"breed_{n}", "dog") for n in range(45)], a_page=20, version=version)
    source = opened()
    assert holds(source, "dog", "breed_44") == {"IsA"}
    assert server.asked[:3] == [
        "/c/en/dog?offset=0&limit=1000",
        "/c/en/dog?offset=20&limit=20",
        "/c/en/dog?offset=40&limit=20",
    ]


def test_a_service_may_lie_below_a_path(opened: Opened, server: WebServer) -> None:
    server.reply = conceptnet(DOG, a_page=2, below="/our/conceptnet")
    assert holds(opened(address=f"{server.address}/our/conceptnet/"), "dog", "bark") == {"CapableOf", "RelatedTo"}
    assert all(path.startswith("/our/conceptnet/c/en/") for path in server.paths())


def test_the_next_page_is_asked_of_the_same_server_whatever_host_it_names(opened: Opened, server: WebServer) -> None:
    server.reply = conceptnet(DOG, a_page=2, host="http://api.conceptnet.invalid")
    assert holds(opened(), "dog", "bark") == {"CapableOf", "RelatedTo"}


def test_terms_are_written_as_addresses(opened: Opened, server: WebServer) -> None:
    server.reply = conceptnet([edge("IsA", "café", "place"), edge("IsA", "don't", "verb"), edge("IsA", "50%", "half")])
    assert opened().known(["café", "don't", "50%", "a/b?c#d"]).tolist() == [True, True, True, False]
    assert server.paths()[0] == "/c/en/caf%C3%A9"
    assert server.paths()[-1] == "/c/en/a%2Fb%3Fc%23d"


def test_what_an_address_would_take_for_a_folder_is_no_term(opened: Opened, server: WebServer) -> None:
    assert not opened().known(["", ".", ".."]).any()
    assert server.asked == []


def test_a_service_may_have_moved(opened: Opened, server: WebServer) -> None:
    moved = conceptnet(DOG, below="/new")

    def answer(handler: Handler) -> None:
        where = {"Location": f"/new{handler.path}"}
        (moved if handler.path.startswith("/new/") else status(301, b"", where))(handler)

    server.reply = answer
    assert opened().known(["dog"])[0]
    asked = len(server.asked)
    again = opened()
    assert again.known(["dog"])[0]
    assert again.relations["IsA"] == 2
    assert len(server.asked) == asked


# ------------------------------------------------------------------------------------ pace and the cache


def test_requests_are_paced_and_the_cache_is_not(opened: Opened, server: WebServer) -> None:
    time = Time()
    opened(time=time, requests_per_second=0.5).known(["dog", "bark", "animal", "pet"])
    assert time.slept == [2.0, 2.0, 2.0]
    again = Time()
    asked = len(server.asked)
    opened(time=again, requests_per_second=0.5).known(["dog", "bark", "animal", "pet", "unicycle"])
    assert again.slept == []
    assert server.paths()[asked:] == ["/c/en/unicycle"]


def test_a_term_that_the_service_does_not_know_is_asked_for_once(opened: Opened, server: WebServer) -> None:
    for _ in range(2):
        assert not opened().known(["unicycle"])[0]
    assert server.paths() == ["/c/en/unicycle"]


def test_the_cache_holds_no_pickle(opened: Opened, tmp_path: Path) -> None:
    opened().known(["dog"])
    with sqlite3.connect(tmp_path / "cache" / "api.sqlite") as connection:
        (value,) = connection.execute("SELECT value FROM responses").fetchone()
    connection.close()
    assert json.loads(value)["status_code"] == 200
    with pytest.raises(pickle.UnpicklingError):
        pickle.loads(value if isinstance(value, bytes) else value.encode())  # noqa: S301


def test_caches_of_two_services_are_kept_apart(opened: Opened, server: WebServer) -> None:
    other = WebServer()
    other.reply = conceptnet([edge("IsA", "dog", "robot")])
    try:
        assert holds(opened(), "dog", "robot") == set()
        assert holds(opened(address=other.address), "dog", "robot") == {"IsA"}
    finally:
        other.stop()


def test_outdated_replies_are_asked_for_again(opened: Opened, server: WebServer) -> None:
    assert holds(opened(expire_days=0), "dog", "cat") == set()
    server.reply = conceptnet([*DOG, edge("IsA", "dog", "cat")])
    assert holds(opened(expire_days=0), "dog", "cat") == {"IsA"}


def test_outdated_replies_serve_on_where_the_service_is_down(
    opened: Opened, server: WebServer, capsys: pytest.CaptureFixture[str]
) -> None:
    before = opened(expire_days=0).masks(["dog", "bark", "pet"], RELATIONS, min_weight=0.0)
    server.reply, asked = status(502, HTML), len(server.asked)
    after = opened(expire_days=0).masks(["dog", "bark", "pet"], RELATIONS, min_weight=0.0)
    assert np.array_equal(before, after)
    assert len(server.asked) - asked == 5  # it is not waited for at every term
    assert capsys.readouterr().err.count("using outdated replies") == 1


@pytest.mark.parametrize("broken", [status(200, HTML), status(404, HTML), in_json({"edges": [{}]})])
def test_a_broken_reply_takes_nothing_out_of_the_cache(opened: Opened, server: WebServer, broken: Reply) -> None:
    opened(expire_days=0).known(["dog"])
    server.reply = broken
    assert opened(expire_days=0).known(["dog"])[0]
    server.reply = conceptnet(DOG)
    assert opened(expire_days=0).known(["dog"])[0]


def test_a_broken_cache_is_named(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "api.sqlite").write_bytes(b"no database, but long enough to be taken for one" * 100)
    with pytest.raises(EcefError, match=r"api\.sqlite: the cache of ConceptNet's replies cannot be used"):
        opened()


# -------------------------------------------------------------------------------------------- checksum


def test_the_checksum_changes_with_the_replies_and_not_with_more_of_them(opened: Opened, server: WebServer) -> None:
    first = opened(expire_days=0)
    checksum = first.checksum
    first.known(["dog"])
    assert first.checksum == checksum
    opened().known(["bark"])
    opened(expire_days=0).known(["dog"])  # asked for again, with the same answer
    assert opened().checksum == checksum
    server.reply = conceptnet([*DOG, edge("IsA", "dog", "cat")])
    french = opened(language="fr").checksum
    opened(expire_days=0).known(["dog"])
    assert opened().checksum != checksum
    assert opened(language="fr").checksum == french


def test_the_checksum_is_that_of_one_service_language_and_cache(
    opened: Opened, server: WebServer, tmp_path: Path
) -> None:
    checksums = {
        opened().checksum,
        opened(language="fr").checksum,
        opened(address=f"{server.address}/copy").checksum,
        opened(cache=tmp_path / "another").checksum,
    }
    assert len(checksums) == 4
    assert opened().checksum in checksums


# -------------------------------------------------------------------------------------------- failures


def test_a_busy_server_is_asked_again_when_it_says(opened: Opened, server: WebServer) -> None:
    server.once.extend([status(429, HTML, {"Retry-After": "7"}), status(429, b"", {"Retry-After": "0"})])
    time = Time()
    assert opened(time=time, requests_per_second=1e6).known(["dog"])[0]
    assert time.slept[0] == 7.0
    assert sum(time.slept) == pytest.approx(7.0, abs=1e-3)


def test_a_busy_server_may_name_a_date(opened: Opened, server: WebServer) -> None:
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    server.once.append(status(429, b"", {"Retry-After": when}))
    time = Time()
    assert opened(time=time).known(["dog"])[0]
    assert 50 < time.slept[0] <= 60


@pytest.mark.parametrize("stated", ["", "soon", "-5"])
def test_a_server_that_names_no_time_is_asked_again_ever_later(opened: Opened, server: WebServer, stated: str) -> None:
    server.once.extend(status(code, HTML, {"Retry-After": stated}) for code in (429, 502, 503, 504))
    time = Time()
    assert opened(time=time, requests_per_second=1e6).known(["dog"])[0]
    assert [round(seconds, 3) for seconds in time.slept] == [1.0, 2.0, 4.0, 8.0]


def test_a_server_that_wants_an_hour_is_not_waited_for(opened: Opened, server: WebServer) -> None:
    server.reply = status(429, b"", {"Retry-After": "3600"})
    time = Time()
    with pytest.raises(EcefError, match=r"answers 429 Too Many Requests and asks to wait 3600 s"):
        opened(time=time).known(["dog"])
    assert time.slept == []


@pytest.mark.parametrize("code", [502, 503])
def test_a_service_that_is_down_is_named_with_the_way_out(opened: Opened, server: WebServer, code: int) -> None:
    server.reply = status(code, HTML)
    with pytest.raises(EcefError) as caught:
        opened().known(["dog"])
    assert caught.value.exit_code == 1
    line = str(caught.value)
    assert f"ConceptNet's web API at {server.address} answers {code} " in line
    assert "`ecef tag --option source=dump --download`" in line
    assert "\n" not in line
    assert len(server.asked) == 5


def test_what_was_fetched_before_a_failure_is_kept(opened: Opened, server: WebServer) -> None:
    source = opened()
    source.known(["dog", "bark"])
    server.reply = status(502, HTML)
    with pytest.raises(EcefError):
        source.known(["dog", "bark", "pet"])
    server.reply, asked = conceptnet(DOG), len(server.asked)
    opened().known(["dog", "bark", "pet"])
    assert server.paths()[asked:] == ["/c/en/pet"]


@pytest.mark.parametrize(
    "cut", [hang_up, status(200, b'{"edges": [', stated=5000), status(502, b"<html", stated=5000)], ids=["0", "1", "2"]
)
def test_a_connection_that_is_cut_is_made_again(opened: Opened, server: WebServer, cut: Reply) -> None:
    server.once.extend([cut, cut])
    assert opened().known(["dog"])[0]
    server.reply = cut
    with pytest.raises(EcefError, match="cuts the connection, 5 times"):
        opened().known(["bark"])


@pytest.mark.parametrize("part", ["head", "body"])
def test_a_server_that_drips_is_not_waited_for_without_end(opened: Opened, server: WebServer, part: str) -> None:
    server.reply = drip(part)
    with pytest.raises(EcefError, match="does not answer in time, 2 times"):
        opened(limits={"tries": 2, "reply": 0.15}).known(["dog"])


def test_a_server_that_says_nothing_is_not_waited_for(opened: Opened, server: WebServer) -> None:
    def silent(handler: Handler) -> None:
        handler.owner.stopping.wait(20)

    server.reply = silent
    with pytest.raises(EcefError, match="does not answer in time, 2 times"):
        opened(limits={"tries": 2, "silence": 0.1}).known(["dog"])


def test_nobody_at_the_address(opened: Opened, server: WebServer) -> None:
    source = opened()
    server.stop()
    with pytest.raises(EcefError, match=r"at http://127.0.0.1:\d+ refuses the connection, 5 times"):
        source.known(["dog"])


def test_a_name_that_nobody_knows(opened: Opened) -> None:
    with pytest.raises(EcefError, match=r"http://conceptnet\.invalid cannot be resolved"):
        opened(address="http://conceptnet.invalid").known(["dog"])


def _without(*path: str) -> dict[str, Any]:
    broken = edge("IsA", "dog", "animal")
    inner = broken
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return {"edges": [edge("IsA", "dog", "pet"), broken]}


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (status(200, b""), "is empty"),
        (status(200, HTML), "is not JSON, it begins with '<html><head>"),
        (status(200, b'{"edges": [{"@id": "/a/'), "is not JSON"),
        (in_json([1, 2]), "is not a JSON object"),
        (in_json({"hello": "world"}), "the reply has no 'edges'"),
        (in_json({"edges": ["x"]}), "edge 0 is not an object"),
        (in_json(_without("@id")), "edge 1 has no '@id'"),
        (in_json(_without("rel")), "edge 1 has no 'rel'"),
        (in_json(_without("start")), "edge 1 has no 'start'"),
        (in_json(_without("end", "@id")), "end of edge 1 has no '@id'"),
        (
            in_json({"edges": [{**edge("IsA", "dog", "pet"), "weight": "heavy"}]}),
            "the weight of edge 0 is not a number",
        ),
        (in_json({"edges": [edge("IsA", "dog", "pet")], "view": {"nextPage": 3}}), "view.nextPage is not an address"),
        (in_json({"edges": DOG, "view": {"nextPage": "http://[::1"}}), "view.nextPage is not an address"),
        (in_json({"edges": [edge("IsA", "dog", "pet", 1e300)]}), "the weight of edge 0 is not a number"),
        (status(200, b"[" * 100_000), "is nested too deeply"),
        (in_json({"error": {"status": 500, "details": "disk full"}}), "answers 200 OK: disk full"),
        (in_json({"error": {"status": 400, "details": "bad node"}}, 400), "answers 400 Bad Request: bad node"),
        (in_json({"error": "out of memory"}, 500), "answers 500 Internal Server Error: out of memory"),
        (status(404, HTML), "answers 404 Not Found"),
        (status(418), "answers 418 I'm a Teapot"),
        (status(401, b"{}"), "answers 401 Unauthorized"),
    ],
)
def test_a_reply_that_is_none_is_told_and_not_kept(
    opened: Opened, server: WebServer, reply: Reply, problem: str
) -> None:
    server.reply = reply
    with pytest.raises(EcefError) as caught:
        opened().known(["dog"])
    assert problem in str(caught.value)
    assert len(server.asked) == 1
    server.reply = conceptnet(DOG)
    assert opened().known(["dog"])[0]


@pytest.mark.parametrize(
    "following",
    [
        lambda _: "/c/en/dog?offset=0&limit=1000",
        lambda handler: f"/c/en/dog?offset={len(handler.owner.asked)}&limit=1000",
    ],
    ids=["the same page", "ever new pages with the same edges"],
)
def test_pages_without_an_end_are_told(opened: Opened, server: WebServer, following: Callable[[Handler], str]) -> None:
    server.reply = lambda handler: in_json({"edges": DOG, "view": {"nextPage": following(handler)}})(handler)
    with pytest.raises(EcefError, match="an endless series of pages"):
        opened().known(["dog"])
    assert len(server.asked) <= 2


def test_new_edges_without_an_end_are_told(opened: Opened, server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_MAX_PAGES", 30)

    def endless(handler: Handler) -> None:
        number = len(handler.owner.asked)
        in_json({"edges": [edge("IsA", f"dog_{number}", "dog")], "view": {"nextPage": f"/c/en/dog?n={number}"}})(
            handler
        )

    server.reply = endless
    with pytest.raises(EcefError, match="an endless series of pages"):
        opened().known(["dog"])
    assert len(server.asked) == 30


def test_pages_that_take_too_long_are_reported(opened: Opened, server: WebServer) -> None:
    def endless(handler: Handler) -> None:
        number = len(handler.owner.asked)
        found = {"edges": [edge("IsA", f"dog_{number}", "dog")], "view": {"nextPage": f"/c/en/dog?n={number}"}}
        in_json(found)(handler)

    server.reply = endless
    with pytest.raises(EcefError, match="takes over 10 minutes for 'dog'"):
        opened(requests_per_second=0.05).known(["dog"])
    assert len(server.asked) == 31, "one request at once, then one every 20 s"


@pytest.mark.parametrize("packed", [False, True])
def test_a_reply_without_an_end_is_cut_off(opened: Opened, server: WebServer, *, packed: bool) -> None:
    body = b" " * 3_000_000
    server.reply = status(200, gzip.compress(body), {"Content-Encoding": "gzip"}) if packed else status(200, body)
    with pytest.raises(EcefError, match="sends a reply of more than 2 MiB"):
        opened(limits={"size": 2 * 2**20}).known(["dog"])
    assert len(server.asked) == 1


def test_a_redirect_to_another_host_is_not_followed(opened: Opened, server: WebServer) -> None:
    server.once.append(status(302, headers={"Location": "/c/en/dog?offset=0&limit=20"}))
    assert opened().known(["dog"])[0], "the same host"
    other = server.address.replace("127.0.0.1", "localhost")
    server.reply = status(302, headers={"Location": f"{other}/c/en/cat"})
    with pytest.raises(EcefError, match="redirects to another host, localhost"):
        opened().known(["cat"])
    assert server.paths() == ["/c/en/dog", "/c/en/dog", "/c/en/cat"]


def test_an_empty_page_is_the_last(opened: Opened, server: WebServer) -> None:
    server.once.append(in_json({"edges": DOG, "view": {"nextPage": "/c/en/dog?offset=8&limit=8"}}))
    server.reply = in_json({"edges": [], "view": {"nextPage": "/c/en/dog?offset=16&limit=8"}})
    assert opened().known(["dog"])[0]
    assert len(server.asked) == 2


@pytest.mark.parametrize("address", ["api.conceptnet.io", "ftp://conceptnet.io", "http://", "https://x.org/?a=b"])
def test_an_address_that_is_none_is_refused(opened: Opened, address: str) -> None:
    with pytest.raises(UsageProblem, match="is not the address of a web API"):
        opened(address=address)


# --------------------------------------------------------------------------------------------- offline


@pytest.mark.parametrize("name", ["ECEF_OFFLINE", "HF_HUB_OFFLINE"])
def test_offline_answers_come_from_the_cache_however_old(
    opened: Opened, server: WebServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = opened(expire_days=0).masks(["dog", "bark"], RELATIONS, min_weight=0.0)
    asked = len(server.asked)
    monkeypatch.setenv(name, "1")
    assert np.array_equal(opened().masks(["dog", "bark"], RELATIONS, min_weight=0.0), before)
    assert len(server.asked) == asked


def test_offline_what_is_missing_is_named_and_counted(
    opened: Opened, server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened().known(["dog"])
    asked = len(server.asked)
    monkeypatch.setenv("ECEF_OFFLINE", "true")
    with pytest.raises(EcefError, match=r"offline, and 4 of 5 terms are not in the cache .*: 'a', 'b', 'c', …"):
        opened().known(["a", "dog", "b", "c", "d"])
    with pytest.raises(EcefError, match=r"offline, and 1 of 1 terms are not in the cache .*: 'a' \("):
        opened().known(["a"])
    assert len(server.asked) == asked


# ------------------------------------------------------------------------------------ as ecef opens it


def test_the_tagger_asks_the_api_that_its_options_name(server: WebServer) -> None:
    options: dict[str, Any] = {
        "source": "api",
        "address": server.address,
        "requests_per_second": 1000,
        "min_weight": 1.0,
    }
    options["relations"] = ["CapableOf", "RelatedTo"]
    tagger = instance(ConceptNetTagger, build_component("tagger", "conceptnet", options))
    assert tagger.relate(["bark", "dog"]).tolist() == [[0, 1], [1, 0]]
    assert [e.relation for e in tagger.edges("bark", "dog")] == ["CapableOf"]
    assert tagger.identity() == tagger.identity()
    instance(ApiSource, tagger.source).close()


def test_the_command_line_goes_offline_with_what_was_fetched(
    server: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_ecef: RunEcef
) -> None:
    block = {"name": "conceptnet", "source": "api", "address": server.address, "requests_per_second": 1000}
    recipe = toy_recipe(tmp_path / "model", tagger={**block, "relations": ["IsA", "CapableOf"]})
    (tmp_path / "recipe.yaml").write_text(json.dumps(recipe))
    (tmp_path / "said.jsonl").write_text('{"speaker": "A", "text": "The dog will bark."}\n')
    tag = ("tag", tmp_path / "said.jsonl", "--recipe", tmp_path / "recipe.yaml")
    monkeypatch.setenv("HF_HUB_OFFLINE", "")  # --offline sets it; restored at the end
    missing = run_ecef("--offline", *tag)
    assert missing.code == 1
    assert "offline, and 2 of 2 terms are not in the cache" in missing.err
    assert server.asked == []
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    online = run_ecef(*tag)
    assert [row["relations"] for row in online.rows] == [["CapableOf"]]
    server.stop()
    assert run_ecef("--offline", *tag).out == online.out


def test_the_recipes_of_the_guide_are_right() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "how-to" / "conceptnet.md").read_text(encoding="utf-8")
    blocks = [textwrap.dedent(block) for block in re.findall(r"\n\n((?: {4}.*\n)+)", guide) if "tagger:" in block]
    tagger_blocks = [parse_yaml(block, "conceptnet.md")["tagger"] for block in blocks]
    assert [block["source"] for block in tagger_blocks] == ["api", "dump"]
    for block in tagger_blocks:
        options = build_component("tagger", block.pop("name"), block).options
        assert {name: getattr(options, name) for name in block} == block


def test_nothing_is_said_where_stderr_is_no_terminal(opened: Opened, capfd: pytest.CaptureFixture[str]) -> None:
    opened().known(["dog", "bark"])
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------ ConceptNet's own


@pytest.fixture(scope="session")
def replies(shared_data: Path) -> dict[str, list[dict[str, Any]]]:
    """The edges of the true replies, by version."""
    found: dict[str, list[dict[str, Any]]] = {"5.5": [], "5.6": []}
    for path in sorted((shared_data / "conceptnet" / "api").glob("v*.json")):
        found[f"5.{path.name[2]}"] += json.loads(path.read_bytes())["edges"]
    assert all(found.values())
    return found


def test_true_replies_are_read_as_they_stand(opened: Opened, server: WebServer, shared_data: Path) -> None:
    """Each is a page in the middle of a term's pages: the server gives it first, and then says that it was the last."""
    for path in sorted((shared_data / "conceptnet" / "api").glob("v*.json")):
        term = path.stem.rpartition("_")[2]
        server.once.append(status(200, path.read_bytes(), {"Content-Type": "application/json"}))
        server.reply = in_json({"edges": []})
        asked = len(server.asked)
        assert opened().known([term])[0]
        view = json.loads(path.read_bytes())["view"]
        assert server.asked[asked:] == [f"/c/en/{term}?offset=0&limit=1000", view["nextPage"]]


@pytest.mark.parametrize("version", ["5.5", "5.6"])
def test_the_api_and_a_dump_of_the_same_edges_give_the_same_tags(
    opened: Opened, server: WebServer, replies: dict[str, list[dict[str, Any]]], tmp_path: Path, version: str
) -> None:
    edges = replies[version]
    dump = tmp_path / "dump.csv.gz"
    with gzip.open(dump, "wt", encoding="utf-8") as stream:
        for e in edges:
            facts = {name: e[name] for name in ("dataset", "license", "sources", "weight") if name in e}
            ends = e["rel"]["@id"], e["start"]["@id"], e["end"]["@id"]
            stream.write("\t".join([e["@id"], *ends, json.dumps(facts, ensure_ascii=False)]) + "\n")
    server.reply = conceptnet(edges, a_page=20, version=version)
    nodes = sorted({e[end]["@id"] for e in edges for end in ("start", "end")})
    terms = list(dict.fromkeys(uri.split("/")[3] for uri in nodes if uri.startswith("/c/en/")))
    relations = sorted({e["rel"]["@id"].removeprefix("/r/") for e in edges})
    first, second = opened(), open_index(dump, "en")

    assert np.array_equal(first.known([*terms, "no_such_term"]), second.known([*terms, "no_such_term"]))
    for least in (0.0, 1.0, 1.341, 2.0, 3.0):
        masks = first.masks(terms, relations, min_weight=least)
        assert np.array_equal(masks, second.masks(terms, relations, min_weight=least))
    masks = first.masks(terms, relations, min_weight=0.0)
    pairs = np.argwhere(np.triu(masks))
    assert len(pairs) > 50
    for one, other in pairs:
        asked = terms[one], terms[other], relations
        assert first.edges(*asked, min_weight=0.0) == second.edges(*asked, min_weight=0.0)
    pairs_of = {name: count for name, count in first.relations.items() if count}
    assert pairs_of == {name: count for name, count in second.relations.items() if count}
