"""Whatever a component raises becomes one line that names the component."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from handmade import BOTH, SHAPE
from prepared import Prepare

from ecef_cli.api.components import Fusion, Options, Tagger
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.api.errors import DataError, PluginError
from ecef_cli.cli.main import run
from ecef_cli.network.audio import AudioStream
from ecef_cli.network.model import EcefNetwork, TextStream
from ecef_cli.network.modules import built
from ecef_cli.plugin.boundary import calling
from ecef_cli.recipe.model import build_component
from ecef_cli.recipe.sections import Audio, Masking, Network
from ecef_cli.samples.batches import collate
from ecef_cli.tagging.choice import TaggerChoice, list_relations
from ecef_cli.tagging.pairs import tag_utterances

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
        return self.table
    def relate(self, lemmas):
        return self.table[tuple(lemmas)]

class Gate(Fusion):
    def build(self, width):
        return Module() if width else "no module"

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
        ("return read_json(3)", "AttributeError: 'int' object has no attribute 'read_text'"),
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
    assert re.match(r"ecef: \w+\.py:\d+: dataset 'calls' of calls-dist failed in collect: ", done.err)
    assert said in done.err
    assert done.err.endswith(" (`ecef -v …` shows the traceback, for its authors)\n")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("body", ["return {}['utterance']", "sys.exit(0)"])
def test_verbose_shows_where_in_the_reader(
    work: Path, calls: Install, capsys: pytest.CaptureFixture[str], body: str
) -> None:
    calls(body)
    assert run(["-v", "--workspace", str(work), "prepare", "calls", "--source", "x"]) == 4
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert body in err
    assert err.splitlines()[-1].startswith("ecef: calls_reader.py:18: ")


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("raise KeyboardInterrupt", 130, "interrupted"),
        ("raise MemoryError('no room')", 1, "MemoryError: no room"),
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


def network(fusion: Fusion) -> EcefNetwork:
    settings = Network(width=16, heads=4, layers=1)
    audio = AudioStream(SHAPE.width, 4, settings, audio=Audio(), masking=Masking(), prosody=None)
    text = TextStream(3, 4, settings, top=None, kwrt=False)
    fused = built(fusion, "build", settings.width)
    return EcefNetwork(settings, tasks=["erc"], labels=2, text=text, audio=audio, fusion=fused)


def table() -> Tagger:
    return cast("Tagger", build_component("tagger", "table", {}))


def gate() -> Fusion:
    return cast("Fusion", build_component("fusion", "gate", {}))


TALK = Dialogue("d", (Utterance("glad rain", "A", "d", 1),))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: tag_utterances(TALK.utterances, table(), 8),
            "tagger 'table' of calls-dist failed in relate: ",
        ),
        (
            lambda: list_relations(TaggerChoice("table", table(), 8, None)),
            "tagger 'table' of calls-dist failed in ",
        ),
        (
            lambda: built(gate(), "build", 0),
            "fusion 'gate' of calls-dist breaks its contract: ",
        ),
        (
            lambda: network(gate())(collate([BOTH], SHAPE)),
            "fusion 'gate' of calls-dist failed in forward: AttributeError: 'FusionInput' object has no",
        ),
    ],
)
def test_a_component_and_the_modules_that_it_built_are_named(
    calls: Install, call: Callable[[], object], said: str
) -> None:
    calls("pass")
    with pytest.raises(PluginError) as caught:
        call()
    assert caught.value.problem.startswith(said)
    assert "contract" in said or str(caught.value.where).startswith("calls_parts.py:")


def test_a_component_that_no_plugin_registered_is_named_by_its_class() -> None:
    class Fails(Tagger):
        relations = ("IsA",)

        def available(self) -> Mapping[str, int]:
            return {}

        def relate(self, lemmas: Sequence[str]) -> Any:
            raise ValueError("what is\nthis?")

    with pytest.raises(
        PluginError, match=r"^test_boundary\.py:\d+: Fails failed in relate: ValueError: what is this\? "
    ):
        tag_utterances(TALK.utterances, Fails(Options()), 8)


@pytest.mark.parametrize("error", [DataError("broken"), KeyboardInterrupt(), BrokenPipeError(), MemoryError()])
def test_what_is_no_fault_of_a_component_passes_unchanged(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, calling("tagger 'x' of y", "relate"):
        raise error
    assert caught.value is error
