"""`ecef prepare --option`: what is text stays text, whatever YAML would take it for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from prepared import Command
from pydantic import Field

from ecef_cli.api.errors import RecipeError
from ecef_cli.cli.main import run as run_cli
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.recipe.strict_yaml import parse_value
from ecef_cli.workspace import Workspace

Name = Annotated[str, Field(min_length=1)]


@pytest.mark.parametrize(
    "text", ["2024", "1e5", "0x10", "yes", "2024-05-01", "No. #2", "a: b", "[x", "#", "%", "-", "|"]
)
@pytest.mark.parametrize("kind", [str, Name | None, Path])
def test_text_is_taken_as_it_stands(text: str, kind: Any) -> None:
    assert parse_value(text, kind, "here") == text
    assert parse_value(f" {text} ", kind, "here") == text


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("null", Name | None, None),
        ("~", str | None, None),
        ("", str | None, None),
        ("null", str, "null"),
        ("'null'", str | None, "null"),
        ('"a\\tb"', str, "a\tb"),
        ("'a", str, "'a"),
        ("\t", str | None, "\t"),
        ("on", Literal["on", "off"], "on"),
        ("1", list[Name] | None, "1"),
        ("[yes, 1, 'a, b']", list[Name] | None, ["yes", "1", "a, b"]),
        ("yes", bool, True),
        ("2024", int | str, 2024),
        ("[1, 2]", list[int], [1, 2]),
        ("{a: yes}", dict[str, str], {"a": True}),
        ("07", None, 7),
    ],
)
def test_what_is_no_text_is_read_as_yaml(text: str, kind: Any, value: object) -> None:
    assert parse_value(text, kind, "here") == value


def test_what_is_neither_is_told() -> None:
    with pytest.raises(RecipeError, match="here:1: not YAML"):
        parse_value("[1", float, "here")


@pytest.fixture
def prepare(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(reader: str, *options: str, **given: str) -> tuple[int, str]:
        arguments = [part for option in options for part in ("--option", option)]
        arguments += [part for name, value in given.items() for part in (f"--{name}", value)]
        code = run_cli(["--workspace", str(tmp_path / "work"), "prepare", reader, *arguments])
        return code, capsys.readouterr().err

    return run


def test_columns_may_be_called_as_numbers_and_truth_values(prepare: Command, tmp_path: Path) -> None:
    table = tmp_path / "train.csv"
    table.write_text("2024,no,yes,1e3\nHello there.,Ana,joy,a\nLeave me.,Bo,anger,a\n", encoding="utf-8")
    options = ("text=2024", "speaker=no", "emotion=yes", "dialogue=1e3")
    code, said = prepare("csv", *options, source=str(table))
    assert code == 0, said
    [dialogue] = load_prepared(Workspace(tmp_path / "work"), "csv").splits["train"]
    assert [(u.text, u.speaker, u.emotion) for u in dialogue.utterances] == [
        ("Hello there.", "Ana", "joy"),
        ("Leave me.", "Bo", "anger"),
    ]
    stated = json.loads((tmp_path / "work" / "csv" / "dataset.json").read_text(encoding="utf-8"))["options"]
    assert stated["text"] == "2024"
    assert stated["emotion"] == "yes"
    assert prepare("csv", *options, source=str(table))[0] == 0


@pytest.mark.parametrize("given", ["labels=0,1", "labels=[0, 1]", "labels=['0', '1']"])
def test_labels_may_be_numbers(prepare: Command, tmp_path: Path, given: str) -> None:
    table = tmp_path / "train.csv"
    table.write_text("text,speaker,emotion\nHello there.,Ana,0\nLeave me.,Bo,1\n", encoding="utf-8")
    code, said = prepare("csv", given, source=str(table))
    assert code == 0, said
    assert load_prepared(Workspace(tmp_path / "work"), "csv").labels == ("0", "1")


@pytest.mark.parametrize("digits", ["1" * 64, "1e" + "1" * 62])
def test_a_checksum_of_digits_is_a_checksum(prepare: Command, tmp_path: Path, digits: str) -> None:
    code, said = prepare("meld", f"archive_sha256={digits}", source=str(tmp_path / "none.csv"))
    assert code == 3
    assert said == f"ecef: {tmp_path / 'none.csv'}: no such file or folder\n"
    code, said = prepare("meld", f"archive_sha256={digits[1:]}", source=str(tmp_path / "none.csv"))
    assert code == 2
    assert f"archive_sha256: string should match pattern '^[0-9a-fA-F]{{64}}$', not '{digits[1:]}'" in said


def test_the_terms_of_the_data_are_kept_and_a_dataset_that_lacks_them_is_written_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "train.jsonl"
    source.write_text(json.dumps({"speaker": "A", "text": "Hello.", "emotion": "joy"}) + "\n", encoding="utf-8")
    work = tmp_path / "work"
    command = ["--workspace", str(work), "prepare", "jsonl", "--source", str(source)]
    assert run_cli([*command, "--option", "licence=CC BY 4.0"]) == 0
    stated = work / "jsonl" / "dataset.json"
    facts = json.loads(stated.read_text(encoding="utf-8"))
    assert load_prepared(Workspace(work), "jsonl").licence == facts["licence"] == "CC BY 4.0"
    del facts["licence"]  # as an earlier version wrote it
    stated.write_text(json.dumps(facts), encoding="utf-8")
    assert load_prepared(Workspace(work), "jsonl").licence == ""
    assert run_cli([*command, "--option", "licence=CC BY 4.0"]) == 0
    assert load_prepared(Workspace(work), "jsonl").licence == "CC BY 4.0"
    assert run_cli([*command, "--option", "licence=MIT"]) == 2
    assert "its option licence was CC BY 4.0, not MIT" in capsys.readouterr().err
