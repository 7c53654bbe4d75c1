"""An error that nobody foresaw is told as the plugin's in whose code it arose, and as ecef's own elsewhere."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from prepared import Prepare

from ecef_cli.cli.main import _run
from ecef_cli.plugin.boundary import blamed
from ecef_cli.recipe.model import build_component

pytest_plugins = ["prepared"]

HOOKS = """
from ecef_cli.api import hookimpl

@hookimpl
def ecef_register_datasets(register):
    register("calls", "calls_reader:Calls")

@hookimpl
def ecef_register_taggers(register):
    register("table", "calls_parts:Table")

@hookimpl
def ecef_register_fusions(register):
    register("gate", "calls_parts:Gate")
"""
READER = """
import json, sys
from ecef_cli.api.components import Corpus, Dataset
from ecef_cli.corpus.scan import each_file
from ecef_cli.workspace import read_json

class Calls(Dataset):
    def read(self, sources):
        return parsed(sources)

    def download(self, place):
        raise ConnectionRefusedError(111, "Connection refused")

    def identity(self):
        return open("no-such-weights").read()

def parsed(sources):
    {body}

def look(path):
    raise KeyError(str(path))
"""
PARTS = """
from torch import nn
from ecef_cli.api.components import Fusion, Tagger

class Table(Tagger):
    @property
    def relations(self):
        return self.names
    def available(self):
        return {}
    def relate(self, lemmas):
        return self.table[tuple(lemmas)]

class Gate(Fusion):
    def build(self, width):
        return Module()

class Module(nn.Module):
    def forward(self, inputs):
        return inputs.nothing
"""
Install = Callable[[str], None]


@pytest.fixture
def calls(install: Callable[..., None]) -> Install:
    """Install a distribution with a reader that has a certain body, a tagger and a fusion."""
    return lambda body: install("calls-dist", HOOKS, calls_reader=READER.format(body=body), calls_parts=PARTS)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return {}['utterance']", "KeyError: 'utterance'"),
        ("return json.loads('[\\n]]')", "JSONDecodeError: Extra data: line 2 column 2 (char 3)"),
        ("return sources[0].no_such_thing", "AttributeError: 'PosixPath' object has no attribute 'no_such_thing'"),
        ("return Corpus(labels=())", "TypeError: Corpus.__init__() missing 2 required"),
        ("raise EOFError('cut off')", "EOFError: cut off"),
        ("sys.exit(0)", "SystemExit: 0"),
        ("return each_file(sources, look, 'reading')", "KeyError: "),
    ],
)
def test_what_a_reader_raises_is_one_line_that_names_it(prepare: Prepare, calls: Install, body: str, said: str) -> None:
    calls(body)
    done = prepare("calls", "--source", "x")
    assert (done.code, done.out) == (4, "")
    assert re.match(r"ecef: calls_reader\.py:(18|21): dataset 'calls' of calls-dist failed in (read|look): ", done.err)
    assert said in done.err
    assert done.err.endswith(" (`ecef -v …` shows the traceback, for the authors of calls-dist)\n")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("body", ["return {}['utterance']", "sys.exit(0)"])
def test_verbose_shows_where_in_the_reader(
    work: Path, calls: Install, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    calls(body)
    assert _run(["-v", "--workspace", str(work), "prepare", "calls", "--source", "x"]) == 4
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert body in err
    assert err.splitlines()[-1].startswith("ecef: calls_reader.py:18: ")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise KeyboardInterrupt", 130, "interrupted"),
        ("raise MemoryError('no room')", 1, "MemoryError: no room"),
        ("return read_json(3)", 1, "AttributeError: 'int' object has no attribute 'read_text'"),
        (f"raise OSError({errno.ENOSPC}, 'No space left on device', 'a.flac')", 1, "No space left on device"),
    ],
)
def test_what_is_no_plugin_s_fault_is_not_laid_at_its_door(
    prepare: Prepare, calls: Install, body: str, code: int, said: str
) -> None:
    calls(body)
    done = prepare("calls", "--source", "x")
    assert done.code == code
    assert said in done.err
    assert "calls-dist" not in done.err


def test_a_reader_that_returns_nothing_is_named(prepare: Prepare, calls: Install) -> None:
    calls("return None")
    done = prepare("calls", "--source", "x")
    assert done.code == 4
    assert "dataset 'calls' of calls-dist breaks its contract: it must return a Corpus, not NoneType" in done.err


def test_what_the_system_refuses_a_reader_is_not_the_workspace_s_fault(prepare: Prepare, calls: Install) -> None:
    calls(
        "from ecef_cli.api.dialogue import Dialogue, Utterance; "
        "said = Utterance('x', 'A', 'd', 1, emotion='calm'); "
        "return Corpus(('calm',), {'train': (Dialogue('d', (said,)),)}, ())"
    )
    for given, method, error in (
        (["--download"], "download", "ConnectionRefusedError"),
        (["--source", "x"], "identity", "FileNotFoundError"),
    ):
        done = prepare("calls", *given)
        assert done.code == 4
        assert f"dataset 'calls' of calls-dist failed in {method}: {error}: " in done.err


def raised(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which one is the matter of the test
        call()
    return caught.value


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: build_component("tagger", "table", {}).relate(["glad"]),
            "tagger 'table' of calls-dist failed in relate",
        ),
        (lambda: build_component("tagger", "table", {}).relations, "tagger 'table' of calls-dist failed in relations"),
        (lambda: build_component("fusion", "gate", {}).build(3)(None), "a plugin of calls-dist failed in forward"),
    ],
)
def test_a_component_is_named_by_its_method_and_a_module_by_its_distribution(
    calls: Install, call: Callable[[], object], said: str
) -> None:
    calls("pass")
    found = blamed(raised(call))
    assert found is not None
    assert found.problem.startswith(f"{said}: AttributeError: ")
    assert (found.where or "").startswith("calls_parts.py:")


def test_ecef_s_own_errors_are_nobody_else_s(calls: Install) -> None:
    calls("pass")
    build_component("tagger", "table", {})
    assert blamed(raised(lambda: {}["x"])) is None
