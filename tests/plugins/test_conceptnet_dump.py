"""The dump of ConceptNet as the tagger's source: reading, the index, and what may go wrong."""

from __future__ import annotations

import gzip
import json
import os
import resource
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from narrow import instance

from ecef_cli.api.components import Edge, Tagger
from ecef_cli.api.errors import DataError, RecipeError
from ecef_cli.recipe.model import build_component
from ecef_cli.testing import check_tagger
from ecef_conceptnet import index_build
from ecef_conceptnet.cache import cache_folder
from ecef_conceptnet.index import Index, built_relations, open_index
from ecef_conceptnet.index_build import LAYOUT
from ecef_conceptnet.relations import RELATIONS
from ecef_conceptnet.terms import relation_of, term_of

if TYPE_CHECKING:
    from collections.abc import Iterable

SMALL: list[tuple[str, str, str, dict[str, Any]]] = [
    ("IsA", "/c/en/dog/n/wn/animal", "/c/en/animal/n", {"dataset": "/d/wordnet/3.1", "weight": 2.0}),
    ("IsA", "/c/en/dog", "/c/en/animal", {"dataset": "/d/verbosity", "weight": 0.5}),
    ("RelatedTo", "/c/en/animal", "/c/en/dog", {"sources": [{"contributor": "/s/activity/x"}], "weight": 3.5}),
    ("Causes", "/c/en/fall_asleep/v", "/c/en/dream", {"weight": 1.0}),
    ("Antonym", "/c/en/dog", "/c/en/cat", {}),
    ("dbpedia/genre", "/c/en/jazz", "/c/en/music", {"dataset": "/d/dbpedia/en", "weight": 0.5}),
    ("Synonym", "/c/en/dog", "/c/de/hund", {"dataset": "/d/wiktionary/en", "weight": 1.0}),
    ("IsA", "/c/de/hund", "/c/de/tier", {"dataset": "/d/wiktionary/de", "weight": 1.0}),
    ("ExternalURL", "/c/en/dog", "http://dbpedia.org/resource/Dog", {"weight": 1.0}),
    ("DerivedFrom", "/c/en/dog/n", "/c/en/dog/v", {"weight": 1.0}),
    ("HasContext", "/c/en/café/n", "/c/en/food", {"weight": 1.0}),
]


def line(relation: str, start: str, end: str, facts: dict[str, Any]) -> bytes:
    uri = f"/a/[/r/{relation}/,{start}/,{end}/]"
    return "\t".join([uri, f"/r/{relation}", start, end, json.dumps(facts)]).encode()


def write(path: Path, rows: Iterable[bytes]) -> Path:
    path.write_bytes(gzip.compress(b"".join(row + b"\n" for row in rows), mtime=0))
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECEF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "conceptnet"


@pytest.fixture
def dump(tmp_path: Path) -> Path:
    return write(tmp_path / "small.csv.gz", (line(*row) for row in SMALL))


def tagger(dump: Path, *relations: str, **options: Any) -> Tagger:
    chosen = {"relations": list(relations)} if relations else {}
    options = {"source": "dump", "assertions": str(dump), **chosen, **options}
    return instance(Tagger, build_component("tagger", "conceptnet", options))


def left_behind(cache: Path) -> list[str]:
    return sorted(p.name for p in (cache / "index").glob("*") if p.suffix != ".lock")


# ------------------------------------------------------------------------------------------------- terms


@pytest.mark.parametrize(
    ("uri", "term"),
    [
        ("/c/en/dog", "dog"),
        ("/c/en/dog/", "dog"),
        ("/c/en/dog/n/wn/animal", "dog"),
        ("/c/en/fall_asleep", "fall_asleep"),
        ("/c/en/caf%C3%A9/n", "café"),
        ("/c/en/Paris", "paris"),
        ("/c/en/", None),
        ("/c/en", None),
        ("/c/de/hund", None),
        ("/c/enm/dogge", None),
        ("http://dbpedia.org/resource/Dog", None),
    ],
)
def test_a_term_is_a_concept_without_language_and_sense(uri: str, term: str | None) -> None:
    assert term_of(uri, "en") == term


def test_relations_keep_the_namespace_of_dbpedia() -> None:
    assert [relation_of(u) for u in ("/r/IsA", "/r/dbpedia/genre", "/r/IsA/")] == ["IsA", "dbpedia/genre", "IsA"]


# ----------------------------------------------------------------------------------------------- look-up


def test_relations_of_the_dump_hold_in_both_directions(dump: Path) -> None:
    table = tagger(dump, "IsA", "RelatedTo", "Antonym").relate(["cat", "dog", "unheard", "animal"])
    assert table.tolist() == [[0, 4, 0, 0], [4, 0, 0, 3], [0, 0, 0, 0], [0, 3, 0, 0]]


def test_the_tagger_keeps_the_contract_on_a_dump(dump: Path) -> None:
    check_tagger(tagger(dump, "IsA", "Antonym", "HasContext"), lemmas=["dog", "animal", "cat", "café", "food"])


def test_senses_fold_into_one_term_and_a_term_is_not_related_to_itself(dump: Path) -> None:
    chosen = tagger(dump, "DerivedFrom", "IsA")
    assert chosen.edges("dog", "dog") == ()
    assert chosen.relate(["dog"]).tolist() == [[0]]
    assert chosen.available()["DerivedFrom"] == 0


def test_only_edges_within_the_language_count(dump: Path) -> None:
    assert tagger(dump, "IsA").known(["dog", "hund", "tier", "animal", "fall_asleep", "dogs"]).tolist() == [
        *(True, False, False, True, True, False)
    ]
    german = tagger(dump, "IsA", language="de")
    assert german.known(["hund", "dog"]).tolist() == [True, False]
    assert german.relate(["hund", "tier"])[0, 1] == 1


def test_every_relation_is_counted_by_its_pairs_of_terms(dump: Path) -> None:
    found = tagger(dump).available()
    assert {r: n for r, n in found.items() if n} == {
        "IsA": 1,
        "RelatedTo": 1,
        "Causes": 1,
        "Antonym": 1,
        "dbpedia/genre": 1,
        "HasContext": 1,
    }


@pytest.mark.parametrize(("least", "bits"), [(0.0, 3), (2.0, 3), (2.1, 2), (3.5, 2), (3.6, 0)])
def test_edges_below_the_weight_do_not_count(dump: Path, least: float, bits: int) -> None:
    chosen = tagger(dump, "IsA", "RelatedTo", min_weight=least)
    assert chosen.relate(["dog", "animal"])[0, 1] == bits
    assert all(edge.weight >= least for edge in chosen.edges("dog", "animal"))


def test_edges_can_be_cited_with_direction_weight_and_source(dump: Path) -> None:
    expected = (
        Edge("RelatedTo", "animal", "dog", 3.5, "/s/activity/x"),
        Edge("IsA", "dog", "animal", 2.0, "/d/wordnet/3.1"),
        Edge("IsA", "dog", "animal", 0.5, "/d/verbosity"),
    )
    chosen = tagger(dump, "IsA", "RelatedTo")
    assert chosen.edges("dog", "animal") == expected
    assert chosen.edges("animal", "dog") == expected
    assert tagger(dump, "IsA").edges("animal", "dog") == expected[1:]
    assert chosen.edges("dog", "unheard") == ()


def test_an_edge_without_facts_weighs_one_and_names_no_source(dump: Path) -> None:
    assert tagger(dump, "Antonym").edges("cat", "dog") == (Edge("Antonym", "dog", "cat", 1.0, ""),)


# --------------------------------------------------------------------------------------------- relations


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relations": ["Isa"]}, "did you mean 'IsA'"),
        ({"relations": ["dbpedia/gender"]}, "did you mean 'dbpedia/genre'"),
        ({"source": "lexicon"}, "assertions: must be left out with the source 'lexicon' (for dump only)"),
        ({"address": "https://x"}, "address: must be left out with the source 'dump' (for api only)"),
        ({"language": "EN"}, "language"),
        ({"longest_term": 6}, "less than or equal to 5"),
        ({"min_weight": -1}, "greater than or equal to 0"),
    ],
)
def test_wrong_options_say_what_would_be_right(dump: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        tagger(dump, **options)
    assert message in str(error.value)


def test_a_lexicon_does_not_know_what_only_the_dump_has() -> None:
    with pytest.raises(RecipeError, match="the sources 'dump' and 'api' have more"):
        build_component("tagger", "conceptnet", {"relations": ["UsedFor"]})


def test_a_dumps_own_relations_may_be_asked_for_once_it_is_indexed(tmp_path: Path) -> None:
    own = write(tmp_path / "own.csv.gz", [line("Befriends", "/c/en/dog", "/c/en/man", {})])
    with pytest.raises(RecipeError, match="once its index is built"):
        tagger(own, "Befriends")
    assert built_relations(own, "en") is None
    assert tagger(own).available()["Befriends"] == 1
    assert built_relations(own, "en") == ("Befriends",)
    assert tagger(own, "Befriends").relate(["dog", "man"])[0, 1] == 1
    with pytest.raises(RecipeError, match="did you mean 'Befriends'"):
        tagger(own, "Befriend")


def test_nothing_is_built_before_something_is_asked(dump: Path, cache: Path) -> None:
    chosen = tagger(dump)
    assert chosen.relations == ("IsA", "HasContext", "Causes")
    assert not cache.exists()
    assert chosen.identity()
    assert (cache / "index").is_dir()


def test_stored_tags_depend_on_what_decides_them(dump: Path) -> None:
    lexicon = build_component("tagger", "conceptnet", {"relations": ["IsA"]})
    assert lexicon.options.decisive() == {"relations": ["IsA"], "source": "lexicon"}
    assert tagger(dump, "IsA", longest_term=2).options.decisive() == {
        "relations": ["IsA"],
        "source": "dump",
        "language": "en",
        "longest_term": 2,
    }


# ------------------------------------------------------------------------------------------- the index


def only_index(cache: Path) -> Path:
    (found,) = (cache / "index").glob("*-en-*.sqlite")
    return found


def test_a_rebuilt_index_is_the_same_bit_by_bit(
    dump: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tagger(dump).identity()
    kept = only_index(cache).read_bytes()
    other = tmp_path / "elsewhere.csv.gz"
    dump.rename(other)
    monkeypatch.setenv("ECEF_CACHE", str(tmp_path / "second"))
    assert tagger(other).identity() == first
    assert only_index(tmp_path / "second" / "conceptnet").read_bytes() == kept


def test_the_identity_depends_on_the_dump_and_the_language(dump: Path, tmp_path: Path) -> None:
    fewer = write(tmp_path / "fewer.csv.gz", (line(*row) for row in SMALL[1:]))
    assert len({tagger(dump).identity(), tagger(dump, language="de").identity(), tagger(fewer).identity()}) == 3


def test_pieces_of_any_size_give_the_same_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = write(tmp_path / "many.csv.gz", (random_line(n) for n in range(3000)))
    whole = tagger(many, *RELATIONS)
    terms = [f"term_{n}" for n in range(220)]
    table = whole.relate(terms)
    counts = whole.available()
    monkeypatch.setenv("ECEF_CACHE", str(tmp_path / "second"))
    monkeypatch.setattr("ecef_conceptnet.dump._ROWS", 70)
    monkeypatch.setattr("ecef_conceptnet.dump._CHUNK", 1000)
    monkeypatch.setattr(index_build, "_ROWS", 30)
    pieces = tagger(many, *RELATIONS)
    np.testing.assert_array_equal(pieces.relate(terms), table)
    assert pieces.available() == counts
    for one, two in np.argwhere(table)[:100]:
        assert pieces.edges(terms[one], terms[two]) == whole.edges(terms[one], terms[two])


def random_line(seed: int) -> bytes:
    chance = np.random.default_rng(seed)
    one, two = chance.integers(0, 200, size=2)
    relation = RELATIONS[chance.integers(len(RELATIONS))]
    sense = ["", "/n", "/v/wn/act"][chance.integers(3)]
    facts = {"dataset": f"/d/{chance.integers(5)}", "weight": float(chance.integers(1, 9)) / 2}
    return line(relation, f"/c/en/term_{one}{sense}", f"/c/en/term_{two}", facts)


def test_tables_hold_what_the_lines_say_one_by_one(tmp_path: Path) -> None:
    rows = [random_line(n) for n in range(3000)]
    chosen = tagger(write(tmp_path / "many.csv.gz", rows), *RELATIONS[:40], min_weight=2.0)
    terms = [f"term_{n}" for n in range(0, 220, 2)]
    expected = np.zeros((len(terms), len(terms)), dtype=np.uint64)
    for row in rows:
        _, relation, start, end, facts = row.decode().split("\t")
        one, two, name = term_of(start, "en"), term_of(end, "en"), relation_of(relation)
        heavy = json.loads(facts)["weight"] >= 2.0
        if one in terms and two in terms and one != two and name in chosen.relations and heavy:
            i, j = terms.index(one), terms.index(two)
            expected[i, j] |= np.uint64(1 << chosen.relations.index(name))
            expected[j, i] = expected[i, j]
    assert expected.any()
    np.testing.assert_array_equal(chosen.relate(terms), expected)
    for i, j in np.argwhere(expected)[:50]:
        names = {edge.relation for edge in chosen.edges(terms[i], terms[j])}
        assert sum(1 << chosen.relations.index(name) for name in names) == expected[i, j]


def test_a_changed_dump_is_indexed_anew(dump: Path) -> None:
    assert not tagger(dump, "UsedFor").relate(["dog", "guard"]).any()
    write(dump, [line("UsedFor", "/c/en/dog", "/c/en/guard", {})])
    assert tagger(dump, "UsedFor").relate(["dog", "guard"]).any()


@pytest.mark.parametrize("damage", ["missing", "empty", "half", "page", "no database", "other layout"])
def test_an_index_that_cannot_be_opened_is_built_anew(dump: Path, cache: Path, damage: str) -> None:
    first = tagger(dump).identity()
    path = only_index(cache)
    whole = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "other layout":
        with closing(sqlite3.connect(path)) as database:
            database.execute(f"PRAGMA user_version = {LAYOUT + 1}")
    else:
        damaged = {"half": whole[: len(whole) // 2], "page": whole[:-4096], "no database": b"?" * len(whole)}
        path.write_bytes(damaged.get(damage, b""))
    assert tagger(dump).identity() == first
    assert path.read_bytes() == whole


@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_an_index_that_is_damaged_inside_names_the_file_and_the_cure(larger: Path, cache: Path, byte: bytes) -> None:
    terms = [f"thing_{n}" for n in range(0, 30_000, 100)]
    assert tagger(larger).known(terms).all()
    path = only_index(cache)
    whole = path.read_bytes()
    path.write_bytes(whole[:40_000] + byte * (len(whole) - 40_000))
    chosen = tagger(larger)
    for ask in (
        lambda: chosen.known(terms),
        lambda: chosen.relate(terms),
        lambda: [chosen.edges(term, terms[0]) for term in terms],
    ):
        with pytest.raises(DataError, match="cannot be read") as error:
            ask()
        assert error.value.where == str(path)
        assert f"`rm '{path}'`" in str(error.value)
        assert "\n" not in str(error.value)
    path.unlink()
    assert tagger(larger).known(terms).all()


def test_an_edge_of_a_relation_without_a_name_is_damage(dump: Path, cache: Path) -> None:
    tagger(dump).identity()
    with closing(sqlite3.connect(only_index(cache))) as database, database:
        database.execute("UPDATE edge SET relation = 99")
    with pytest.raises(DataError, match="relation 99 has no name"):
        tagger(dump).relate(["dog", "animal"])


def test_an_opened_index_cannot_be_written(dump: Path) -> None:
    index = open_index(dump, "en")
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        index._database.execute("DELETE FROM edge")


def test_an_index_in_a_cache_that_cannot_be_written_serves(dump: Path, cache: Path) -> None:
    first = tagger(dump).identity()
    for note in (cache / "index").glob("*.json"):
        note.unlink()
    (cache / "index").chmod(0o555)
    try:
        assert tagger(dump).identity() == first
    finally:
        (cache / "index").chmod(0o755)


# ----------------------------------------------------------------------------------------- broken input

GOOD = [line(*row) for row in SMALL]


@pytest.mark.parametrize(
    ("rows", "place", "message"),
    [
        ([*GOOD, b"/a/x\t/r/IsA\t/c/en/dog\t/c/en/animal"], 12, "4 columns, not five"),
        ([*GOOD, b"", *GOOD], 12, "1 columns, not five"),
        ([GOOD[0], b'/a/x\t/r/IsA\t/c/en/a\t/c/en/b\t{"weight": 1.0'], 2, "column five is not JSON"),
        ([GOOD[0], b'/a/x\t/r/IsA\t/c/en/a\t/c/en/b\t{bad "weight": 1.0}'], 2, "column five is not JSON"),
        ([GOOD[0], b"/a/x\t/r/IsA\t/c/en/a\t/c/en/b\t[1]"], 2, "JSON but not an object"),
        ([GOOD[0], b'/a/x\t/r/IsA\t/c/en/a\t/c/en/b\t{"weight": "much"}'], 2, "the weight is not a number"),
        ([GOOD[0], b'/a/x\t/r/IsA\t/c/en/a\t/c/en/b\t{"weight": 1e999}'], 2, "the weight is not a number"),
        ([GOOD[0], b"/a/x\t/r/IsA\t/c/en/a\t/c/en/b\t" + b"[" * 100_000], 2, "nested too deeply"),
        ([GOOD[0], b"/a/x\tIsA\t/c/en/a\t/c/en/b\t{}"], 2, "is not a relation"),
        ([GOOD[0], b"/a/x\t/r/IsA\t/c/en/\t/c/en/b\t{}"], 2, "has no name"),
        ([GOOD[0], GOOD[1], b"/a/x\t/r/IsA\t/c/en/caf\xe9\t/c/en/b\t{}"], 3, "0xe9 is not UTF-8"),
    ],
)
def test_a_broken_line_is_named_and_leaves_nothing(
    tmp_path: Path, cache: Path, rows: list[bytes], place: int, message: str
) -> None:
    broken = write(tmp_path / "broken.csv.gz", rows)
    with pytest.raises(DataError) as error:
        tagger(broken).relate(["dog"])
    assert message in error.value.problem
    assert error.value.where == f"{broken}:{place}"
    assert left_behind(cache) == []


def test_a_dump_that_is_cut_off_says_so(dump: Path, tmp_path: Path, cache: Path) -> None:
    cut = tmp_path / "cut.csv.gz"
    cut.write_bytes(dump.read_bytes()[:-20])
    with pytest.raises(DataError, match="cut off"):
        tagger(cut).identity()
    assert left_behind(cache) == []


def test_gzip_data_with_a_flipped_bit_is_broken(dump: Path, tmp_path: Path, cache: Path) -> None:
    content = bytearray(dump.read_bytes())
    content[len(content) // 2] ^= 4
    (tmp_path / "flipped.csv.gz").write_bytes(content)
    with pytest.raises(DataError):
        tagger(tmp_path / "flipped.csv.gz").identity()
    assert left_behind(cache) == []


@pytest.mark.parametrize("content", [b"", b"plain text\n", b"<html>503</html>" * 1000])
def test_what_is_not_gzipped_says_so(tmp_path: Path, cache: Path, content: bytes) -> None:
    (tmp_path / "page.csv.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"not gzipped|no edge"):
        tagger(tmp_path / "page.csv.gz").identity()
    assert left_behind(cache) == []


def test_a_dump_without_an_edge_of_the_language_says_so(dump: Path, cache: Path) -> None:
    with pytest.raises(DataError, match="no edge of the dump joins two terms of the language 'fr'"):
        tagger(dump, language="fr").identity()
    assert left_behind(cache) == []


def test_a_missing_dump_names_the_way_to_get_it(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(DataError, match="--download"):
        tagger(tmp_path / "none.csv.gz").identity()
    with pytest.raises(DataError, match=r"conceptnet-assertions-5\.7\.0\.csv\.gz"):
        build_component("tagger", "conceptnet", {"source": "dump"}).identity()
    assert not cache.exists()


def test_a_last_line_without_a_line_break_and_windows_line_breaks_count(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv.gz"
    path.write_bytes(gzip.compress(b"\r\n".join(GOOD[:4]) + b"\r\n" + GOOD[4]))
    assert tagger(path, "IsA", "Antonym").relate(["dog", "cat"])[0, 1] == 2


def test_a_dump_of_several_gzip_members_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "two.csv.gz"
    path.write_bytes(gzip.compress(GOOD[0] + b"\n") + gzip.compress(GOOD[4] + b"\n"))
    assert tagger(path, "IsA", "Antonym").known(["dog", "cat"]).all()


# ------------------------------------------------------------------------------------------- processes

ASK = """
import sys
from ecef_cli.recipe.model import build_component
from ecef_cli.api.errors import EcefError
try:
    options = {"source": "dump", "assertions": sys.argv[1]}
    print(build_component("tagger", "conceptnet", options).identity())
except EcefError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


@pytest.fixture
def larger(tmp_path: Path) -> Path:
    rows = (line("IsA", f"/c/en/thing_{n}", f"/c/en/thing_{n // 7}", {"weight": 1.0}) for n in range(30_000))
    return write(tmp_path / "larger.csv.gz", rows)


def ask(dump: Path, before: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", before + ASK, dump], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_processes_that_build_at_once_get_one_index(larger: Path, cache: Path) -> None:
    started = [ask(larger) for _ in range(3)]
    said = [process.communicate(timeout=60) for process in started]
    assert {process.returncode for process in started} == {0}, said
    assert len({out for out, _ in said}) == 1
    assert said[0][0].strip() == tagger(larger).identity()
    assert [name for name in left_behind(cache) if not name.endswith(".json")] == [only_index(cache).name]


KILL = """
import os, signal
# A shell that starts the tests in the background has them ignore the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)
from ecef_conceptnet import index_build
index_build.{step} = lambda *_: os.kill(os.getpid(), signal.{name})
"""


@pytest.mark.parametrize("step", ["_number_terms", "_add_edges", "_add_facts"])
def test_a_build_that_is_killed_leaves_no_index_and_the_next_one_cleans_up(
    larger: Path, cache: Path, step: str
) -> None:
    process = ask(larger, KILL.format(step=step, name="SIGKILL"))
    process.communicate(timeout=60)
    assert process.returncode == -9
    assert built_relations(larger, "en") is None
    assert not list((cache / "index").glob("*-en-*.sqlite"))
    assert tagger(larger, "IsA").relate(["thing_8", "thing_1"]).any()
    assert not list((cache / "index").glob(".*.part"))


def test_an_interrupted_build_leaves_nothing(larger: Path, cache: Path) -> None:
    process = ask(larger, KILL.format(step="_add_edges", name="SIGINT"))
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert left_behind(cache) == []


def test_a_full_disk_is_an_error_in_words(larger: Path, cache: Path) -> None:
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, {resource.RLIM_INFINITY}))\n"
    process = ask(larger, limit)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "DataError" in said
    assert "cannot be written" in said
    assert "ECEF_CACHE" in said
    assert left_behind(cache) == []
    assert tagger(larger).identity()


def test_a_cache_that_is_no_folder_is_an_error_in_words(dump: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="cannot be written"):
        tagger(dump).identity()


def test_the_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == Path(os.environ["ECEF_CACHE"]) / "conceptnet"
    monkeypatch.delenv("ECEF_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder().name == "conceptnet"
    assert cache_folder().parent.name == "ecef"


# ------------------------------------------------------------------------------------------- real edges


def test_the_real_subset_says_what_its_lines_say(shared_data: Path) -> None:
    real = shared_data / "conceptnet" / "assertions-subset.csv.gz"
    chosen = tagger(real, "IsA", "RelatedTo", "Causes")
    index = open_index(real, "en")
    assert isinstance(index, Index)
    assert index.lines == 156_585
    joined = set()
    with gzip.open(real, "rt", encoding="utf-8") as stream:
        for row in stream:
            _, relation, start, end, _ = row.split("\t")
            one, two = term_of(start, "en"), term_of(end, "en")
            if one and two and one != two and relation_of(relation) == "IsA":
                joined.add(frozenset((one, two)))
    assert chosen.available()["IsA"] == len(joined)
    words = ["dog", "animal", "cat", "person", "sleep", "dream", "music", "art", "color", "red", "run", "exercise"]
    table = chosen.relate(words)
    for i, one in enumerate(words):
        for j, two in enumerate(words):
            assert bool(table[i, j] & np.uint64(1)) == (frozenset((one, two)) in joined)
    assert not set(index.relations) - set(RELATIONS)
