"""Finds plugins through entry points and their components through hooks; imports a component when it is used."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

import pluggy

from ecef_cli import hookspecs
from ecef_cli.errors import PluginError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ecef_cli.components import Component

GROUP = "ecef"
HOST = "ecef-cli"
KINDS = ("dataset", "tagger", "text_encoder", "audio_encoder", "prosody_encoder", "fusion")


@dataclass(frozen=True, slots=True)
class Entry:
    """A component that a plugin registered and that is not imported yet."""

    kind: str
    name: str
    target: str
    summary: str
    distribution: str
    version: str

    def load(self) -> type[Component]:
        """Return the component's class.

        Raises:
            PluginError: the import fails, or what it gives is no component of this kind.
        """
        from ecef_cli.components import KINDS as CLASSES

        module, _, attribute = self.target.partition(":")
        label = f"{self.kind} {self.name!r} of {self.distribution}"
        try:
            found = getattr(import_module(module), attribute)
        except Exception as error:
            raise PluginError(
                f"{label} cannot be loaded: {type(error).__name__}: {_one_line(error)}",
                hint=f"reinstall or update {self.distribution}",
            ) from error
        if not (isinstance(found, type) and issubclass(found, CLASSES[self.kind])):
            raise PluginError(f"{label}: {self.target} is no {CLASSES[self.kind].__name__}")
        return found


@dataclass(frozen=True, slots=True)
class Broken:
    """A plugin that failed to load."""

    plugin: str
    distribution: str
    reason: str

    def __str__(self) -> str:
        return f"plugin {self.plugin!r} of {self.distribution} is left out: {self.reason}"


class Registry:
    """The components of all plugins that loaded.

    Args:
        points: the entry points to load, already filtered.

    Raises:
        PluginError: two components of one kind share a name.
    """

    def __init__(self, points: Iterable[EntryPoint]) -> None:
        self._manager = pluggy.PluginManager("ecef")
        self._manager.add_hookspecs(hookspecs)
        self._entries: dict[tuple[str, str], Entry] = {}
        self.broken: list[Broken] = []
        for point in points:
            self._load(point)

    def _load(self, point: EntryPoint) -> None:
        distribution, version = _origin(point)
        before = dict(self._entries)
        try:
            plugin = point.load()
            self._manager.register(plugin, name=f"{distribution}:{point.name}")
            self._manager.check_pending()
            for kind in KINDS:
                self._ask(plugin, kind, distribution, version)
        except PluginError:
            raise
        except Exception as error:  # noqa: BLE001 - a third party's code may raise anything
            self._entries = before
            self._forget(f"{distribution}:{point.name}")
            self.broken.append(Broken(point.name, distribution, f"{type(error).__name__}: {_one_line(error)}"))

    def _forget(self, name: str) -> None:
        if self._manager.has_plugin(name):
            self._manager.unregister(name=name)

    def _ask(self, plugin: object, kind: str, distribution: str, version: str) -> None:
        def register(name: str, target: str, *, summary: str = "") -> None:
            if not name or ":" not in target:
                raise ValueError(f"register({name!r}, {target!r}): the target must read 'package.module:Class'")
            entry = Entry(kind, name, target, summary, distribution, version)
            other = self._entries.setdefault((kind, name), entry)
            if other is not entry:
                raise PluginError(
                    f"two {kind} components are called {name!r}: one of {other.distribution}, one of {distribution}",
                    hint="uninstall one, or choose with ECEF_PLUGINS",
                )

        caller = self._manager.subset_hook_caller(
            f"ecef_register_{kind}s", [p for p in self._manager.get_plugins() if p is not plugin]
        )
        caller(register=register)

    def entries(self, kind: str | None = None) -> tuple[Entry, ...]:
        """Return the components, of one kind or of all, by kind and name."""
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


def _origin(point: EntryPoint) -> tuple[str, str]:
    return (point.dist.name, point.dist.version) if point.dist else ("unknown distribution", "")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _wanted() -> Callable[[EntryPoint], bool]:
    chosen = os.environ.get("ECEF_PLUGINS")
    if chosen is None:
        return lambda _: True
    names = {part.strip() for part in chosen.split(",") if part.strip()}
    return lambda point: _origin(point)[0] == HOST or bool({point.name, _origin(point)[0]} & names)


def discover() -> tuple[EntryPoint, ...]:
    """Return the entry points that `ECEF_PLUGINS` lets through, the built-in ones first.

    Raises:
        PluginError: `ECEF_PLUGINS` names a plugin that is not installed.
    """
    points = sorted(entry_points(group=GROUP), key=lambda p: (_origin(p)[0] != HOST, _origin(p)[0], p.name))
    known = {name for p in points for name in (p.name, _origin(p)[0])}
    for name in os.environ.get("ECEF_PLUGINS", "").split(","):
        if name.strip() and name.strip() not in known:
            raise PluginError(
                f"ECEF_PLUGINS names {name.strip()!r}, which is not installed", hint=did_you_mean(name.strip(), known)
            )
    return tuple(filter(_wanted(), points))


@cache
def get_registry() -> Registry:
    """Return the registry of this process; loads the plugins at the first call.

    Raises:
        PluginError: two components share a name, or a plugin failed and `ECEF_STRICT_PLUGINS` is set.
    """
    from ecef_cli import output

    registry = Registry(discover())
    if registry.broken and os.environ.get("ECEF_STRICT_PLUGINS", "") not in {"", "0"}:
        raise PluginError("; ".join(map(str, registry.broken)), hint="unset ECEF_STRICT_PLUGINS to go on without")
    for broken in registry.broken:
        output.warn(str(broken))
    return registry
