"""How plugins are found, and what a broken one costs."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from ecef_cli.api.components import TrainingEvent
from ecef_cli.api.errors import PluginError
from ecef_cli.cli.main import run
from ecef_cli.plugin import manager as registry_module
from ecef_cli.plugin.manager import GROUP, KINDS, Registry, discover, get_registry

if TYPE_CHECKING:
    from collections.abc import Callable

TAGGER = """
from typing import ClassVar
import numpy as np
from pydantic import BaseModel
from ecef_cli.api.components import Options, Tagger

class Unfinished(Tagger):
    def available(self):
        return {}

class Whole(Unfinished):
    relations = ()
    def relate(self, lemmas):
        return np.zeros((len(lemmas), len(lemmas)), np.uint64)

class ForeignOptions(Whole):
    class Options(BaseModel):
        pass

class OptionCalledName(Whole):
    class Options(Options):
        name: str = "x"

class FailsToBuild(Whole):
    def __init__(self, options):
        raise RuntimeError("no licence\\nfile")
"""
HOOK = """
from ecef_cli.api import hookimpl

@hookimpl
def ecef_register_taggers(register):
    register({name!r}, {target!r}, summary="a test's")
"""


def hook(name: str = "mine", target: str = "taggers_of_test:Whole") -> str:
    return HOOK.format(name=name, target=target)


def lines(captured: pytest.CaptureFixture[str]) -> list[str]:
    return captured.readouterr().err.splitlines()


def test_the_built_in_plugins_load_and_come_from_the_host() -> None:
    found = Registry(p for p in discover() if p.dist and p.dist.name == "ecef-cli")
    assert found.broken == []
    assert {e.distribution for e in found.entries()} == {"ecef-cli"}
    assert {"dataset", "tagger", "text_encoder"} <= {e.kind for e in found.entries()}


def test_every_built_in_component_is_what_it_says_it_is() -> None:
    for entry in get_registry().entries():
        assert entry.load().__name__
        assert entry.summary


def test_entries_are_sorted_along_the_path_of_the_data() -> None:
    keys = [(KINDS.index(e.kind), e.name) for e in get_registry().entries()]
    assert keys == sorted(keys)


def test_a_third_party_s_component_is_found_with_its_distribution_and_version(
    install: Callable[..., None],
) -> None:
    install("other-dist", hook(), version="2.5", taggers_of_test=TAGGER)
    entry = get_registry().find("tagger", "mine")
    assert (entry.distribution, entry.version, entry.summary) == ("other-dist", "2.5", "a test's")
    assert "taggers_of_test" not in sys.modules
    assert entry.load().__name__ == "Whole"


def test_an_unknown_component_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(PluginError, match="did you mean 'conceptnet'"):
        get_registry().find("tagger", "conceptnt")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("raise RuntimeError('two\\nlines')", "RuntimeError: two lines"),
        ("import not_installed_anywhere", "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def (", "SyntaxError"),
        ("from ecef_cli.api.errors import PluginError\nraise PluginError('mine')", "mine"),
        (
            hook().replace("taggers", "tagers"),
            "unknown hook 'ecef_register_tagers' (did you mean 'ecef_register_taggers'?)",
        ),
        (
            hook().replace("ecef_register", "ecef_regsiter"),
            "unknown hook 'ecef_regsiter_taggers' (did you mean 'ecef_register_taggers'?)",
        ),
        (
            hook().replace("@hookimpl", ""),
            "ecef_register_taggers is not marked as a hook (decorate it with ecef_cli.hookimpl)",
        ),
        (
            hook().replace("@hookimpl", "").replace("taggers", "tagers"),
            "unknown hook 'ecef_register_tagers' (did you mean 'ecef_register_taggers'?)",
        ),
        (hook().replace("(register):", "(registry):"), "PluginValidationError"),
        (hook() + "    raise KeyError('late')", "KeyError: 'late'"),
        ("", "it implements no hook"),
        (hook(target="no_colon"), "the target 'no_colon' must read 'package.module:Class'"),
        (hook(name="none"), "'none' cannot be the name of a tagger"),
        (hook(name="a b"), "'a b' cannot be the name of a tagger"),
        (hook() + "    register('mine', 'a:B')", "it registers two tagger components called 'mine'"),
    ],
)
def test_a_plugin_that_fails_costs_one_line_and_nothing_else(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str], source: str, reason: str
) -> None:
    install("bad-dist", source)
    install("good-dist", hook(), taggers_of_test=TAGGER)
    found = get_registry()
    (line,) = lines(capsys)
    assert line.startswith("warning: plugin 'bad_dist_plugin' of bad-dist is left out: ")
    assert reason in line
    assert {e.distribution for e in found.entries()} == {"ecef-cli", "good-dist"}
    assert found.find("tagger", "mine").distribution == "good-dist"


def test_what_a_plugin_prints_at_import_stays_out_of_the_data(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("loud-dist", "print('hello')\n" + hook(), taggers_of_test="print('hello')\n" + TAGGER)
    get_registry().find("tagger", "mine").load()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "hello\nhello\n"


def test_two_components_of_one_name_are_an_error_that_names_both_distributions(
    install: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    install("first-dist", hook(name="same"))
    install("second-dist", hook(name="same"))
    assert run(["plugins"]) == 4
    (line,) = lines(capsys)
    assert "two tagger components are called 'same': one of first-dist, one of second-dist" in line


def test_a_third_party_cannot_take_the_name_of_a_built_in_component(install: Callable[..., None]) -> None:
    install("greedy-dist", hook(name="conceptnet"))
    with pytest.raises(PluginError, match="one of ecef-cli, one of greedy-dist"):
        get_registry()


def test_the_same_name_may_stand_for_components_of_two_kinds(install: Callable[..., None]) -> None:
    install("first-dist", hook(name="same"))
    install("second-dist", hook(name="same").replace("taggers(", "datasets("))
    assert [e.kind for e in get_registry().entries() if e.name == "same"] == ["dataset", "tagger"]


@pytest.mark.parametrize(
    ("chosen", "loaded"),
    [
        (None, {"ecef-cli", "first-dist", "second-dist"}),
        ("", {"ecef-cli"}),
        ("conceptnet", {"ecef-cli"}),
        ("first-dist", {"ecef-cli", "first-dist"}),
        ("First_Dist", {"ecef-cli", "first-dist"}),
        ("second_dist_plugin", {"ecef-cli", "second-dist"}),
        (" first-dist , second-dist ,", {"ecef-cli", "first-dist", "second-dist"}),
    ],
)
def test_ecef_plugins_chooses_among_third_parties_and_never_leaves_out_a_built_in_one(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, chosen: str | None, loaded: set[str]
) -> None:
    install("first-dist", hook(name="one"))
    install("second-dist", hook(name="two"))
    if chosen is not None:
        monkeypatch.setenv("ECEF_PLUGINS", chosen)
    found = get_registry().entries()
    assert {e.distribution for e in found} == loaded
    built_in = {"conceptnet", "huggingface", "jsonl", "meld"}
    assert built_in <= {e.name for e in found}


def test_ecef_plugins_with_an_unknown_name_is_an_error_with_the_nearest_right_one(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install("first-dist", hook())
    monkeypatch.setenv("ECEF_PLUGINS", "frist-dist")
    assert run(["plugins"]) == 4
    (line,) = lines(capsys)
    assert "'frist-dist', which is not installed (did you mean 'first-dist'?)" in line


def test_a_plugin_that_ecef_plugins_leaves_out_is_not_even_imported(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("bad-dist", "raise RuntimeError")
    monkeypatch.setenv("ECEF_PLUGINS", "")
    assert get_registry().broken == []


@pytest.mark.parametrize(("value", "code"), [("1", 4), ("true", 4), ("0", 0), ("", 0), ("no", 0)])
def test_strict_plugins_makes_a_failure_fatal(
    install: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: str,
    code: int,
) -> None:
    install("bad-dist", "raise RuntimeError('broken')")
    monkeypatch.setenv("ECEF_STRICT_PLUGINS", value)
    assert run(["plugins"]) == code
    (line,) = lines(capsys)
    assert "bad-dist" in line
    assert "RuntimeError: broken" in line


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ("taggers_of_nobody:Whole", "failed in its import: ModuleNotFoundError"),
        ("taggers_of_test:Missing", "failed in its import: AttributeError"),
        ("taggers_of_test:TAGGER.x", "failed in its import: AttributeError"),
        ("os:environ", "is not a subclass of ecef_cli.api.components.Tagger"),
        ("ecef_cli.api.components:Dataset", "is not a subclass of ecef_cli.api.components.Tagger"),
        ("taggers_of_test:Unfinished", "leaves abstract: relate, relations"),
        ("taggers_of_test:ForeignOptions", "has Options that are not a subclass of ecef_cli.api.components.Options"),
        ("taggers_of_test:OptionCalledName", "has an option called 'name'"),
    ],
)
def test_a_target_that_is_no_complete_component_is_told_when_it_is_used(
    install: Callable[..., None], target: str, problem: str
) -> None:
    install("other-dist", hook(target=target), taggers_of_test=TAGGER)
    entry = get_registry().find("tagger", "mine")
    with pytest.raises(PluginError, match=problem) as caught:
        entry.load()
    assert str(caught.value).startswith("tagger 'mine' of other-dist")
    assert "\n" not in str(caught.value)


def test_a_component_that_fails_to_build_is_the_plugin_s_fault(install: Callable[..., None]) -> None:
    from ecef_cli.recipe.model import build_component

    install("other-dist", hook(target="taggers_of_test:FailsToBuild"), taggers_of_test=TAGGER)
    with pytest.raises(PluginError, match="failed in __init__: RuntimeError: no licence file"):
        build_component("tagger", "mine", {})


def test_an_entry_point_without_a_distribution_still_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("loose", "ecef_conceptnet", GROUP)
    monkeypatch.setattr(registry_module, "entry_points", lambda **_: [point])
    (entry,) = Registry(discover()).entries()
    assert entry.distribution == "unknown distribution"


LISTENER = """
from ecef_cli.api import hookimpl

heard = []

@hookimpl
def ecef_training_event(event):
    heard.append(event)
    if event.kind == "epoch":
        raise ValueError("out of disk\\nspace")
"""


def event(kind: Literal["started", "step", "epoch", "finished"]) -> TrainingEvent:
    return TrainingEvent(kind, "run", Path("runs/run"), 3, {"loss": 1.0})


def test_a_plugin_that_listens_hears_of_trainings_until_it_fails(install: Callable[..., None]) -> None:
    install("quiet-one", hook(), taggers_of_test=TAGGER)
    install("listener", LISTENER)
    registry = get_registry()
    assert registry.broken == []
    assert registry.tell(event("step")) == []
    (problem,) = registry.tell(event("epoch"))
    assert problem == (
        "listener:listener_plugin raised in ecef_training_event; disabled for this run: ValueError: out of disk space"
    )
    assert registry.tell(event("finished")) == []
    assert [e.kind for e in sys.modules["listener"].heard] == ["step", "epoch"]


def test_a_listener_with_other_parameters_is_left_out(install: Callable[..., None]) -> None:
    install("listener", LISTENER.replace("(event)", "(event, run)"))
    (broken,) = get_registry().broken
    assert "run" in str(broken)


def test_a_misspelt_listener_is_named(install: Callable[..., None]) -> None:
    install("listener", LISTENER.replace("training_event", "training_events"))
    (broken,) = get_registry().broken
    assert "unknown hook 'ecef_training_events' (did you mean 'ecef_training_event'?)" in str(broken)
