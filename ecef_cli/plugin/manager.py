"""Find plugins through entry points and their components through hooks; import a component on first use."""

from __future__ import annotations

import os
import re
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import TYPE_CHECKING

import pluggy

from ecef_cli.api.errors import PluginError, UsageProblem, described, did_you_mean
from ecef_cli.plugin import hookspecs
from ecef_cli.plugin.boundary import calling

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ecef_cli.api.components import Component, TrainingEvent

GROUP = "ecef"
HOST = "ecef-cli"
KINDS = (
    "transcript",
    "transcriber",
    "dataset",
    "tagger",
    "text_encoder",
    "audio_encoder",
    "prosody_encoder",
    "fusion",
    "cue",
)
HOOKS = tuple(f"ecef_register_{kind}s" for kind in KINDS)
EVENTS = "ecef_training_event"
"""The hook for training events."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_RESERVED = "none"  # in a recipe it means no component
_TARGET = re.compile(r"\w+(\.\w+)*:\w+(\.\w+)*")


@dataclass(frozen=True, slots=True)
class Entry:
    """A registered component, not imported yet."""

    kind: str
    name: str
    target: str
    summary: str
    distribution: str
    version: str

    @property
    def built_in(self) -> bool:
        """Whether the component comes with ecef."""
        return _normal(self.distribution) == HOST

    def load(self) -> type[Component]:
        """Return the component's class.

        Raises:
            PluginError: the import fails, or the target is not a complete component of this kind.
        """
        module, _, attribute = self.target.partition(":")
        hint = f"reinstall or update {self.distribution}"
        with calling(str(self), "its import", hint=hint), redirect_stdout(sys.stderr):
            found = attrgetter(attribute)(import_module(module))
        flaw = _flaw(found, self.kind)
        if flaw:
            raise PluginError(f"{self}: {self.target} {flaw}", hint=f"tell the authors of {self.distribution}")
        component: type[Component] = found
        return component

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r} of {self.distribution}"


def _flaw(found: object, kind: str) -> str | None:
    """Return the reason why an object is not a component class of a kind, or None if it is."""
    from inspect import isabstract

    from ecef_cli.api.components import KINDS as CLASSES
    from ecef_cli.api.components import Options

    base = CLASSES[kind]
    if not (isinstance(found, type) and issubclass(found, base)):
        return f"is not a subclass of ecef_cli.api.components.{base.__name__}"
    if isabstract(found):
        return "leaves abstract: " + ", ".join(sorted(found.__abstractmethods__))
    if not (isinstance(found.Options, type) and issubclass(found.Options, Options)):
        return "has Options that are not a subclass of ecef_cli.api.components.Options"
    if "name" in found.Options.model_fields:
        return "has an option called 'name', which in a recipe is the component's own name"
    return None


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that failed to load."""

    plugin: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"plugin {self.plugin!r} of {self.distribution} is left out: {self.reason}"


class Registry:
    """Components of all plugins that loaded.

    Args:
        points: the entry points to load, already filtered.

    Raises:
        PluginError: components of two distributions share a kind and a name.
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._manager = pluggy.PluginManager("ecef")
        self._manager.add_hookspecs(hookspecs)
        self._entries: dict[tuple[str, str], Entry] = {}
        self._deaf: set[object] = set()
        self.broken: list[Broken] = []
        for point in points:
            for entry in self._announced(point):
                self._add(entry)

    def _announced(self, point: EntryPoint) -> tuple[Entry, ...]:
        """Return the components that a plugin registers; if it fails, none, and add the plugin to `broken`."""
        distribution, version = _origin(point)
        name = f"{distribution}:{point.name}"
        try:
            # Output of a loading plugin must not mix with a command's data.
            with redirect_stdout(sys.stderr):
                plugin = point.load()
                self._check_hooks(plugin)
                self._manager.register(plugin, name=name)
                return tuple(e for kind in KINDS for e in self._ask(plugin, kind, distribution, version))
        except (Exception, SystemExit) as error:  # noqa: BLE001 - third-party code may raise anything
            if self._manager.has_plugin(name):
                self._manager.unregister(name=name)
            self.broken.append(Broken(point.name, distribution, described(error)))
            return ()

    def _check_hooks(self, plugin: object) -> None:
        implemented = set()
        for name in dir(plugin):
            marks = self._manager.parse_hookimpl_opts(plugin, name)
            hook = (marks.get("specname") or name) if marks else name
            if not marks and not name.startswith(("ecef_register_", "ecef_training_")):
                continue
            if hook not in (*HOOKS, EVENTS):
                raise PluginError(f"unknown hook {hook!r}", hint=did_you_mean(hook, (*HOOKS, EVENTS)))
            if not marks:
                raise PluginError(f"{name} is not marked as a hook", hint="decorate it with ecef_cli.hookimpl")
            implemented.add(hook)
        if not implemented:
            raise PluginError("it implements no hook", hint="does its entry point name the right module?")

    def _ask(self, plugin: object, kind: str, distribution: str, version: str) -> tuple[Entry, ...]:
        found: dict[str, Entry] = {}

        def register(name: str, target: str, *, summary: str = "") -> None:
            if not _NAME.fullmatch(name) or name == _RESERVED:
                raise PluginError(f"{name!r} cannot be the name of a {kind}")
            if not _TARGET.fullmatch(target):
                raise PluginError(f"{kind} {name!r}: the target {target!r} must read 'package.module:Class'")
            if name in found:
                raise PluginError(f"it registers two {kind} components called {name!r}")
            found[name] = Entry(kind, name, target, " ".join(summary.split()), distribution, version)

        self._call(plugin, f"ecef_register_{kind}s", register=register)
        return tuple(found.values())

    def _call(self, plugin: object, hook: str, **given: object) -> None:
        """Call a hook of one plugin alone."""
        others = [p for p in self._manager.get_plugins() if p is not plugin]
        self._manager.subset_hook_caller(hook, others)(**given)

    def tell(self, event: TrainingEvent) -> list[str]:
        """Send an event to all plugins with the hook; disable those that fail and return their problems."""
        problems = []
        for name, plugin in self._manager.list_name_plugin():
            if plugin is None or plugin in self._deaf or not hasattr(plugin, EVENTS):
                continue
            try:
                with redirect_stdout(sys.stderr):
                    self._call(plugin, EVENTS, event=event)
            except Exception as error:  # noqa: BLE001 - third-party code may raise anything
                self._deaf.add(plugin)
                problems.append(f"{name} raised in {EVENTS}; disabled for this run: {described(error)}")
        return problems

    def _add(self, entry: Entry) -> None:
        other = self._entries.setdefault((entry.kind, entry.name), entry)
        if other is not entry:
            raise PluginError(
                f"two {entry.kind} components are called {entry.name!r}: "
                f"one of {other.distribution}, one of {entry.distribution}",
                hint="uninstall one, or choose with ECEF_PLUGINS",
            )

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """Return the components of one kind, or of all, sorted by kind and name."""
        found = [e for e in self._entries.values() if kind in {None, e.kind}]
        return tuple(sorted(found, key=lambda e: (KINDS.index(e.kind), e.name)))

    def find(self, kind: str, name: str) -> Entry:
        """Return a component.

        Raises:
            PluginError: no plugin registered it.
        """
        try:
            return self._entries[kind, name]
        except KeyError:
            hint = did_you_mean(name, [e.name for e in self.entries(kind)])
            raise PluginError(f"no {kind} is called {name!r}", hint=hint) from None

    def chosen(self, kind: str, name: str, *, noun: str | None = None) -> Entry:
        """Return a component that the user named in a command.

        Args:
            kind: its kind.
            name: its name.
            noun: the word for its kind in an error; by default the kind.

        Raises:
            UsageProblem: no plugin registered it.
            PluginError: no plugin registered it, but one that failed to load may provide it.
        """
        names = [e.name for e in self.entries(kind)]
        if name not in names and not self.broken:
            raise UsageProblem(f"no {noun or kind} is called {name!r}", hint=did_you_mean(name, names))
        return self.find(kind, name)


def _origin(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown distribution", "")


def _normal(distribution: str) -> str:
    """Return the normalised name of a distribution, as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).casefold()


def _names(point: EntryPoint) -> set[str]:
    return {point.name, _normal(_origin(point)[0])}


def discover() -> tuple[EntryPoint, ...]:
    """Return the entry points that `ECEF_PLUGINS` lets through, the built-in ones first.

    `ECEF_PLUGINS` holds comma-separated names of plugins or distributions. Built-in plugins are always included.

    Raises:
        PluginError: `ECEF_PLUGINS` names a plugin that is not installed.
    """
    points = sorted(entry_points(group=GROUP), key=lambda p: (_normal(_origin(p)[0]) != HOST, _origin(p)[0], p.name))
    chosen = os.environ.get("ECEF_PLUGINS")
    if chosen is None:
        return tuple(points)
    known = set().union(*map(_names, points))
    wanted = [part.strip() for part in chosen.split(",") if part.strip()]
    for name in wanted:
        if not {name, _normal(name)} & known:
            raise PluginError(f"ECEF_PLUGINS names {name!r}, which is not installed", hint=did_you_mean(name, known))
    allowed = {HOST, *wanted, *map(_normal, wanted)}
    return tuple(p for p in points if _names(p) & allowed)


@cache
def get_registry() -> Registry:
    """Return the registry of this process; the first call loads the plugins.

    Raises:
        PluginError: two components share a name, or a plugin failed and `ECEF_STRICT_PLUGINS` is set.
    """
    from ecef_cli import console

    registry = Registry(discover())
    strict = os.environ.get("ECEF_STRICT_PLUGINS", "").casefold() not in {"", "0", "false", "no"}
    if registry.broken and strict:
        raise PluginError("; ".join(map(str, registry.broken)), hint="unset ECEF_STRICT_PLUGINS to skip them")
    for broken in registry.broken:
        console.warn(str(broken))
    return registry
