"""`ecef tag` with a source other than the lexicon: its options, --list-relations, --explain and --stats."""

from __future__ import annotations

import csv
import gzip
import io
import json
from typing import TYPE_CHECKING, Any

import pytest

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import read_dialogues
from ecef_cli.cli.main import run
from ecef_cli.corpus.manifest import save_prepared
from ecef_cli.plugin.manager import Entry
from ecef_cli.tagging.choice import choose_tagger
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DUMP = ("--option", "source=dump", "--option")
TURNS = [("Ann", "I fell asleep near the dog."), ("Bob", "Animals dream? My dog snores like one of those animals.")]
ROWS = [
    ("IsA", "dog", "animal", {"dataset": "/d/wordnet/3.1", "weight": 2.0}),
    ("IsA", "dog/n", "animal", {"dataset": "/d/verbosity", "weight": 0.5}),
    ("Desires", "dog", "animal", {"weight": 1.0}),
    ("Causes", "fall_asleep", "dream", {"dataset": "/d/conceptnet/4/en", "weight": 1.0}),
]


@pytest.fixture
def dialogue(tmp_path: Path) -> Path:
    path = tmp_path / "nap.jsonl"
    path.write_text("".join(json.dumps({"speaker": s, "text": t}) + "\n" for s, t in TURNS), encoding="utf-8")
    return path


@pytest.fixture
def dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECEF_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "dump.csv.gz"
    lines = (f"/a/x\t/r/{r}\t/c/en/{s}\t/c/en/{e}\t{json.dumps(facts)}\n" for r, s, e, facts in ROWS)
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def rows(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[dict[str, Any]]:
    assert run(list(map(str, arguments))) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_dump_gives_tags(dialogue: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "tag", dialogue, *DUMP, f"assertions={dump}")
    assert {(*r["words"], r["tag"]) for r in found} == {
        ("dog", "Animals", "0/I"),
        ("dog", "dog", "1/N"),
        ("Animals", "dog", "0/I"),
        ("dog", "animals", "0/I"),
        ("Animals", "animals", "1/N"),
    }


def test_longest_term_and_min_weight_reach_the_tagger(
    dialogue: Path, dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows(
        capsys,
        *("tag", dialogue, *DUMP, f"assertions={dump}"),
        *("--option", "longest_term=2", "--option", "min_weight=1", "--relations", "Causes,Desires,IsA"),
    )
    tags = {tuple(r["words"]): r["tag"] for r in found}
    assert tags["fell", "dream"] == tags["asleep", "dream"] == "0/C"
    assert tags["dog", "Animals"] == "0/DsI"


def test_list_relations_counts_what_the_source_holds(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, "tag", *DUMP, f"assertions={dump}", "--list-relations")
    assert found == [
        {"relation": "Causes", "letters": "C", "pairs": 1},
        {"relation": "Desires", "letters": "Ds", "pairs": 1},
        {"relation": "IsA", "letters": "I", "pairs": 1},
        {"relation": "HasContext", "letters": "H", "pairs": 0},
    ]
    found = rows(capsys, "tag", "--list-relations")
    assert found[0]["pairs"] > 100_000
    assert run(["tag", "--list-relations", "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("relation,letters,pairs\n")


def test_explain_cites_each_edge_with_direction_weight_and_source(
    dialogue: Path, dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (*DUMP, f"assertions={dump}", "--option", "longest_term=2")
    found = rows(capsys, "tag", dialogue, *options, "--explain")
    of_dogs = [r for r in found if r["words"] == ["dog", "Animals"]]
    common = {"dialogue": "nap", "words": ["dog", "Animals"], "utterances": [1, 2], "relation": "IsA"}
    assert of_dogs == [
        {**common, "start": "dog", "end": "animal", "weight": 2.0, "source": "/d/wordnet/3.1"},
        {**common, "start": "dog", "end": "animal", "weight": 0.5, "source": "/d/verbosity"},
    ]
    (asleep,) = [r for r in found if r["words"] == ["asleep", "dream"]]
    assert (asleep["start"], asleep["end"], asleep["source"]) == ("fall_asleep", "dream", "/d/conceptnet/4/en")
    assert not [r for r in found if r["words"] == ["dog", "dog"]], "what recurs needs no statement"


def test_explain_in_csv_has_one_value_a_cell(dialogue: Path, dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tag", str(dialogue), *DUMP, f"assertions={dump}", "--explain", "--format", "csv"]) == 0
    first = next(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert list(first.values()) == ["nap", "dog", "Animals", "1", "2", "IsA", "dog", "animal", "2.0", "/d/wordnet/3.1"]


def test_explain_works_with_the_lexicon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"speaker": "A", "text": "A kangaroo is a marsupial."}\n', encoding="utf-8")
    (found,) = rows(capsys, "tag", path, "--explain")
    assert (found["start"], found["relation"], found["end"]) == ("kangaroo", "IsA", "marsupial")
    assert (found["weight"], found["source"]) == (1.0, "WordNet 3.0")


@pytest.fixture
def workspace(tmp_path: Path, dialogue: Path) -> Workspace:
    found = Workspace(tmp_path / "workspace")
    save_prepared(found, "naps", Corpus(("joy",), {"test": tuple(read_dialogues(dialogue))}, ()), {})
    return found


def test_stats_say_how_far_the_source_covers_a_dataset(
    workspace: Workspace, dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = (*DUMP, f"assertions={dump}", "--relations", "IsA,Causes,Desires", "--option", "longest_term=2")
    (found,) = rows(capsys, "--workspace", workspace.root, "tag", *options, "--stats")
    # fell, asleep, dog; animals, dream, dog, snores, like, animals: all but two are known
    assert found == {
        "dataset": "naps",
        "content_words": 9,
        "known_percent": 77.78,
        "distinct": 7,
        "distinct_known_percent": 71.43,
        "pairs": 8,
        "recurrences": 2,
        "IsA": 4,
        "Causes": 2,
        "Desires": 4,
        "M=1": 4,
        "M=2": 4,
        "M=3": 0,
        "M=4": 0,
    }
    assert sum(found[f"M={entry}"] for entry in (1, 2, 3, 4)) == found["pairs"]


def test_tags_are_made_anew_where_the_dump_changed_and_only_there(
    workspace: Workspace, dump: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--workspace", workspace.root, "tag", *DUMP)
    rows(capsys, *options, f"assertions={dump}")
    moved = dump.rename(dump.with_name("moved.csv.gz"))
    assert run(list(map(str, (*options, f"assertions={moved}")))) == 0
    assert "nothing to do" in capsys.readouterr().err
    moved.write_bytes(gzip.compress(b"/a/x\t/r/IsA\t/c/en/dog\t/c/en/dream\t{}\n"))
    assert run(list(map(str, (*options, f"assertions={moved}")))) == 0
    assert "tagged test" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--list-relations", "--stats"], 2, "three commands"),
        (["FILE", "--list-relations"], 2, "source alone"),
        (["FILE", "--stats"], 2, "prepared datasets"),
        (["--explain"], 2, "needs FILE"),
        (["FILE", "--option", "source=dumb"], 2, "did you mean 'dump'"),
        (["FILE", "--option", "assertions=x.gz"], 2, "must be left out with the source 'lexicon' (for dump only)"),
        (["FILE", "--option", "language=de"], 2, "must be left out with the source 'lexicon' (for dump and api only)"),
        (["FILE", *DUMP, "assertions=x.gz"], 3, "no such dump"),
        (["FILE", "--option", "longest_term=9"], 2, "less than or equal to 5"),
        (["FILE", "--relations", "Isa", "--option", "source=api"], 2, "did you mean 'IsA'"),
        (["FILE", "--relations", "IsA", "--option", "relations=[IsA]"], 2, "give one of them"),
        (["FILE", "--option", "min_wait=2"], 2, "min_wait: no such setting (did you mean 'min_weight'?)"),
        (["FILE", "--option", "min_weight"], 2, "write it as key=value"),
        (["FILE", "--download"], 2, "only the official dump can be downloaded"),
    ],
)
def test_what_does_not_go_together_is_said(
    dialogue: Path,
    dump: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    assert run(["tag", *(str(dialogue) if a == "FILE" else a for a in arguments)]) == code
    assert message in capsys.readouterr().err


TAGGER = """
from ecef_cli.api import hookimpl
@hookimpl
def ecef_register_taggers(register):
    register("other", "ecef_conceptnet.tagger:ConceptNetTagger")
"""


def test_of_several_taggers_the_built_in_one_is_the_default(
    dialogue: Path, install: Callable[..., None], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("other-dist", TAGGER)
    assert choose_tagger(name=None, relations=None, history=None, recipe=None).name == "conceptnet"
    monkeypatch.setattr(Entry, "built_in", False)
    assert run(["tag", str(dialogue)]) == 2
    said = "ecef: 2 taggers are installed, and none is named (choose one with --tagger: conceptnet, other)\n"
    assert capsys.readouterr().err == said
    assert run(["tag", str(dialogue), "--tagger", "other"]) == 0


def test_download_fetches_the_dump_first_and_then_goes_on(
    dump: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(target: Path, *, progress: Callable[[int, int | None], None]) -> Path:
        progress(10, None)
        progress(20, 20)
        target.write_bytes(dump.read_bytes())
        return target

    monkeypatch.setattr("ecef_conceptnet.download.fetch_dump", fetch)
    options = ("--workspace", str(tmp_path / "none"), "tag", "--option", "source=dump", "--download")
    assert run(list(options)) == 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "conceptnet-assertions-5.7.0.csv.gz: downloaded in" in said.err
    found = rows(capsys, *options, "--list-relations")
    assert {"relation": "IsA", "letters": "I", "pairs": 1} in found


def test_download_is_for_the_official_dump_alone(dump: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tag", *DUMP, f"assertions={dump}", "--download"]) == 2
    assert "without assertions" in capsys.readouterr().err
