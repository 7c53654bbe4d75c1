"""`ecef tag`, through the command line."""

from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import read_dialogues
from ecef_cli.cli.main import run
from ecef_cli.corpus.manifest import save_prepared
from ecef_cli.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path

TURNS = [
    ("Joey", "What a scene! There was a kangaroo, it was such a surprise."),
    ("Rachel", "A marsupial, Joey? Were you asleep?"),
    ("Joey", "I was asleep, and then the kangaroo kicked me!"),
]


def write(path: Path, turns: list[tuple[str, str]]) -> Path:
    path.write_text("".join(json.dumps({"speaker": s, "text": t}) + "\n" for s, t in turns), encoding="utf-8")
    return path


@pytest.fixture
def dialogue(tmp_path: Path) -> Path:
    return write(tmp_path / "zoo.jsonl", TURNS)


def rows(capsys: pytest.CaptureFixture[str], *arguments: str | Path | int) -> list[dict[str, Any]]:
    assert run(["tag", *map(str, arguments)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_papers_dialogue_gives_one_row_a_tagged_pair(dialogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, dialogue)
    kangaroos = [r for r in found if r["words"] == ["kangaroo", "kangaroo"]]
    assert kangaroos == [
        {
            "dialogue": "zoo",
            "words": ["kangaroo", "kangaroo"],
            "positions": [1, 7],
            "utterances": [1, 3],
            "recurrence": 1,
            "relations": [],
            "tag": "1/N",
            "importance": 1,
        }
    ]
    kinds = {tuple(r["words"]): (r["tag"], r["relations"]) for r in found}
    assert kinds["kangaroo", "marsupial"] == ("0/I", ["IsA"])
    assert kinds["marsupial", "kangaroo"] == ("0/I", ["IsA"])
    assert kinds["asleep", "asleep"] == ("1/N", [])
    assert len(found) == 4


def test_the_figure_is_an_upper_triangle_with_the_words_at_the_top_and_right(
    dialogue: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert run(["tag", str(dialogue), "--format", "table"]) == 0
    title, header, _, *lines = capsys.readouterr().out.splitlines()
    words = ["scene", "kangaroo", "surprise", "marsupial", "asleep", "asleep", "kangaroo", "kicked"]
    assert title == "dialogue zoo"
    assert header.split() == words
    assert [line.split()[-1] for line in lines] == words
    cells = [line.split()[:-1] for line in lines]
    assert [len(row) for row in cells] == list(range(len(words), 0, -1))
    assert all(row[0] == "0/N" for row in cells), "the diagonal"
    assert cells[1] == ["0/N", "0/N", "0/I", "0/N", "0/N", "1/N", "0/N"]


def test_csv_has_one_value_a_cell(dialogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tag", str(dialogue), "--format", "csv"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.startswith("dialogue,earlier_word,later_word,earlier_position,later_position,")
    assert "zoo,kangaroo,marsupial,1,3,1,2,0,IsA,0/I,1" in lines


def test_nothing_tagged_still_has_a_header_in_csv(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tag", str(write(tmp_path / "a.jsonl", [("A", "kangaroo")])), "--format", "csv"]) == 0
    assert capsys.readouterr().out.startswith("dialogue,earlier_word")


@pytest.mark.parametrize("text", ["the", "..."])
def test_a_dialogue_without_content_words_has_an_empty_figure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    assert run(["tag", str(write(tmp_path / "a.jsonl", [("A", text)])), "--format", "table"]) == 0
    assert "no content words" in capsys.readouterr().out


def test_a_dash_reads_stdin(
    dialogue: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(dialogue.read_bytes())))
    found = rows(capsys, "-")
    assert {r["dialogue"] for r in found} == {"stdin"}
    assert len(found) == 4


def test_relations_can_be_chosen(dialogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys, dialogue, "--relations", "Synonym, MannerOf")
    assert {name for r in found for name in r["relations"]} <= {"Synonym", "MannerOf"}
    assert {r["tag"] for r in found} == {"1/N"}


def test_several_relations_of_a_pair_stand_in_one_tag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.jsonl", [("A", "kill"), ("B", "murder")])
    (found,) = rows(capsys, path, "--relations", "Synonym,MannerOf,DerivedFrom,IsA")
    assert found["tag"] == "0/M"
    (found,) = rows(capsys, write(path, [("A", "surprise"), ("B", "shock")]), "--relations", "IsA,MannerOf")
    assert (found["tag"], found["importance"]) == ("0/IM", 2)


def test_words_further_apart_than_the_history_are_not_paired(
    dialogue: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = rows(capsys, dialogue, "--history", 2)
    assert not [r for r in found if r["utterances"] == [1, 3]]
    assert [r for r in found if r["utterances"] == [2, 3]]


@pytest.mark.parametrize("speaker", ["Rachel", "Kangaroo", "Asleep Scene"])
def test_later_utterances_change_no_earlier_row(
    dialogue: Path, capsys: pytest.CaptureFixture[str], speaker: str
) -> None:
    before = rows(capsys, dialogue)
    later = [(speaker, "A kangaroo? Joey, I was asleep! Scene, surprise, Rachel."), ("Marsupial", "Music")]
    after = rows(capsys, write(dialogue, TURNS + later))
    assert [r for r in after if r["utterances"][1] <= 3] == before
    shorter = rows(capsys, write(dialogue, TURNS[:2]))
    assert shorter == [r for r in before if r["utterances"][1] <= 2]


def test_names_of_those_who_have_spoken_are_no_content_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    turns = [("Ann", "Joey Joey"), ("Joey", "Joey kangaroo"), ("Ann", "Joey kangaroo")]
    found = rows(capsys, write(tmp_path / "a.jsonl", turns))
    assert [(r["words"], r["utterances"]) for r in found] == [
        (["Joey", "Joey"], [1, 1]),
        (["kangaroo", "kangaroo"], [2, 3]),
    ]


def test_a_figure_that_is_too_wide_shows_the_words_in_a_pair_and_else_the_pairs(
    dialogue: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    widths, said = {}, {}
    for columns in (4000, 70, 20):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert run(["tag", str(dialogue), "--format", "table"]) == 0
        widths[columns], said[columns] = capsys.readouterr()
    assert "kicked" in widths[4000]
    assert said[4000] == ""
    assert "kicked" not in widths[70]
    assert max(map(len, widths[70].splitlines())) <= 70
    assert "shows only paired words, to fit 70 columns" in said[70]
    assert widths[20].splitlines()[1].split()[:2] == ["tag", "word"]
    assert "wider than 20 columns" in said[20]


def test_a_long_dialogue_is_shown_by_its_last_window(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "4000")
    turns = [("A", f"kangaroo number{i} scene") for i in range(30)]
    assert run(["tag", str(write(tmp_path / "a.jsonl", turns)), "--format", "table", "--history", "3"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].split()[1::3] == ["number27", "number28", "number29"]
    assert "the last 3 of 30 utterances" in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"speaker": "A", "text": "fine"}\n{"speaker": \n', "bad.jsonl:2: not JSON"),
        ("", "bad.jsonl: the file is empty"),
        ('{"speaker": "A"}\n', "bad.jsonl:1: the key 'text' is missing"),
    ],
)
def test_broken_files_are_named_with_the_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, message: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text(content)
    assert run(["tag", str(path)]) == 3
    assert message in capsys.readouterr().err


def test_a_missing_file_is_an_error_of_the_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tag", str(tmp_path / "none.jsonl")]) == 3
    assert "none.jsonl: cannot be read" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["tag", "predict"])
def test_a_folder_instead_of_a_file_is_wrong_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run([command, str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "said"), [((), "recurs or is related"), (("--explain",), "words is related")])
def test_a_dialogue_without_a_tagged_pair_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], said: str
) -> None:
    assert run(["tag", str(write(tmp_path / "a.jsonl", [("A", "kangaroo scene")])), *options]) == 0
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err.count("no pair of content words") == 1
    assert said in found.err


def test_an_unknown_relation_names_the_nearest(dialogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tag", str(dialogue), "--relations", "IsA,HasContxt"]) == 2
    assert "no relation is called 'HasContxt' (did you mean 'HasContext'?)" in capsys.readouterr().err


@pytest.mark.parametrize("relations", ["", ",", "IsA,IsA"])
def test_no_relations_or_one_twice_is_a_wrong_option(
    dialogue: Path, relations: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tag", str(dialogue), "--relations", relations]) == 2
    assert "relations" in capsys.readouterr().err


def test_an_unknown_tagger_names_the_nearest(dialogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tag", str(dialogue), "--tagger", "concepnet"]) == 2
    assert "did you mean 'conceptnet'?" in capsys.readouterr().err


def test_a_file_does_not_go_with_options_of_datasets(dialogue: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tag", str(dialogue), "--dataset", "meld"]) == 2
    assert "--dataset" in capsys.readouterr().err


def test_a_workspace_without_data_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--workspace", str(tmp_path), "tag"]) == 3
    assert "ecef prepare" in capsys.readouterr().err


@pytest.fixture
def workspace(tmp_path: Path, dialogue: Path) -> Workspace:
    found = Workspace(tmp_path / "work")
    for name in ("one", "two"):
        save_prepared(found, name, Corpus((), {"train": read_dialogues(dialogue)}, ()), {})
    return found


def test_every_prepared_dataset_is_tagged_and_counted(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    found = rows_of(workspace, capsys)
    assert found == [
        {
            "dataset": name,
            "dialogues": 1,
            "content_words": 8,
            "pairs": 4,
            "recurrences": 2,
            "IsA": 2,
            "HasContext": 0,
            "Causes": 0,
        }
        for name in ("one", "two")
    ]
    assert len(list(workspace.root.glob("*/tags/*/index.json"))) == 2


def rows_of(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], *arguments: str | Path | int
) -> list[dict[str, Any]]:
    assert run(["--workspace", str(workspace.root), "tag", *map(str, arguments)]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_datasets_can_be_chosen(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert [r["dataset"] for r in rows_of(workspace, capsys, "--dataset", "two")] == ["two"]
    assert not (workspace.dataset("one") / "tags").exists()


def test_the_second_run_makes_nothing(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    rows_of(workspace, capsys)
    assert run(["--workspace", str(workspace.root), "tag"]) == 0
    assert capsys.readouterr().err.count("nothing to do") == 2


def test_a_recipe_gives_tagger_history_and_dataset(
    workspace: Workspace, dialogue: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\ndataset: two\ntasks: [erc]\nhistory: 2\n"
        "tagger: {name: conceptnet, relations: [Synonym]}\ntext_encoder: {name: huggingface, model: none}\n"
    )
    (found,) = rows_of(workspace, capsys, "--recipe", str(recipe))
    assert (found["dataset"], found["pairs"], found["Synonym"]) == ("two", 1, 0)
    (index,) = workspace.root.glob("two/tags/*/index.json")
    facts = json.loads(index.read_text())["facts"]
    assert (facts["history"], facts["options"]) == (2, {"relations": ["Synonym"], "source": "lexicon"})
    assert not [r for r in rows(capsys, dialogue, "--recipe", recipe) if r["utterances"] == [1, 3]]


def test_a_recipe_without_a_tagger_has_nothing_to_tag(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "name: r\ndataset: two\ntasks: [erc]\ntagger: none\ntext_encoder: {name: huggingface, model: none}\n"
    )
    assert run(["--workspace", str(workspace.root), "tag", "--recipe", str(recipe)]) == 2
    assert "recipe r has no tagger" in capsys.readouterr().err
