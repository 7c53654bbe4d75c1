"""`ecef plugins` as a user meets it."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest

from ecef_cli.cli.main import run
from ecef_cli.plugin.manager import KINDS, get_registry

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _built_in_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ECEF_PLUGINS", "")
    get_registry.cache_clear()
    yield
    get_registry.cache_clear()


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, str]]:
    assert run(["plugins", *arguments]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_pipe_gets_one_row_a_component(capsys: pytest.CaptureFixture[str]) -> None:
    found = rows(capsys)
    assert {"kind", "name", "distribution", "version", "summary"} == set(found[0])
    assert ("tagger", "conceptnet") in {(row["kind"], row["name"]) for row in found}
    assert len(found) == len(get_registry().entries())


def test_kind_leaves_the_other_kinds_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert {row["kind"] for row in rows(capsys, "--kind", "dataset")} == {"dataset"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_may_be_asked_for_also_where_nothing_is_installed(
    capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    assert len(rows(capsys, "--kind", kind)) == len(get_registry().entries(kind))


def test_the_formats_hold_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    expected = rows(capsys)
    run(["plugins", "--format", "json"])
    assert json.loads(capsys.readouterr().out) == expected
    run(["plugins", "--format", "csv"])
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out))) == expected
    run(["plugins", "--format", "table"])
    table = capsys.readouterr().out
    assert all(row["name"] in table and row["summary"] in table for row in expected)
