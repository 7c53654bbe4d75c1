"""Read settings from YAML strictly, with the line of each, and override them from the command line."""

from __future__ import annotations

from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import yaml

from ecef_cli.api.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


class _StrictLoader(yaml.SafeLoader):
    """Refuse duplicate keys, of which YAML silently keeps the last, and name the line of an impossible value."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return the value of a node."""
        try:
            return super().construct_object(node, deep=deep)
        except ValueError:  # a date such as 2024-13-01, or a number of thousands of digits
            raise yaml.constructor.ConstructorError(
                None, None, f"{_brief(node.value)} is neither a number nor a date; put text in quotes", node.start_mark
            ) from None


def _brief(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


_SHOWN = 60  # characters of a value in an error
_MERGE = "tag:yaml.org,2002:merge"


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode) or key_node.tag == _MERGE:
            continue
        key = loader.construct_object(key_node)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"duplicate key {key!r}", key_node.start_mark)
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, where: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        RecipeError: the text is not YAML; names the line.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f":{mark.line + 1}" if mark else ""
        raise RecipeError(f"{where}{line}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise RecipeError(f"{where}: not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise RecipeError(f"{where}: nested too deeply") from None


def parse_value(text: str, annotation: Any, where: str) -> Any:
    """Return the value of a setting given as text: the text itself if the setting takes text, else parsed as YAML.

    YAML would read a column called `2024` or `yes`, and a checksum of digits, as a number or a truth value. The text
    may be in quotes, and `null` means None if the setting may be None.

    Args:
        text: the value as given.
        annotation: the type of the setting.
        where: its place, for errors.

    Raises:
        RecipeError: the value must be YAML, and is not.
    """
    kinds = set(_kinds(annotation))
    if not kinds or not kinds <= {str, Path, list, NoneType}:
        return parse_yaml(text, where)
    plain = text.strip(" ")
    if NoneType in kinds and plain in _NOTHING:
        return None
    if plain.startswith(("'", '"')) or (list in kinds and plain.startswith("[")):
        with suppress(yaml.YAMLError, RecursionError):
            return yaml.load(plain, Loader=yaml.BaseLoader)  # noqa: S506 - it reads all values as text
    return plain


_NOTHING = {"", "~", "null", "Null", "NULL"}


def _kinds(annotation: Any) -> Iterator[Any]:
    """Yield the types that a value of a type may have, including those of list entries."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _kinds(inner[0])
    elif origin is Literal:
        yield from map(type, inner)
    elif origin in {Union, UnionType, list}:
        yield from (list,) if origin is list else ()
        for each in inner:
            yield from _kinds(each)
    else:
        yield annotation


def read_block(path: Path, what: str, *, hint: str) -> tuple[dict[str, Any], str]:
    """Return the block of settings in a YAML file, and the file's text.

    Args:
        path: the file.
        what: name of the block, for errors.
        hint: what to do if the file holds something else.

    Raises:
        RecipeError: the file cannot be read, or is not a block of settings.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: not UTF-8: {error.reason} at byte {error.start}") from None
    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        raise RecipeError(f"{path}: {what} must be a block of settings", hint=hint)
    return values, text


def lines_of(text: str) -> dict[str, int]:
    """Return the line of each setting of a YAML text, by its path."""
    found: dict[str, int] = {}
    seen: set[yaml.Node | None] = set()  # an alias is the node that was visited at its anchor

    def visit(node: yaml.Node | None, prefix: tuple[str, ...]) -> None:
        if node in seen:
            return
        seen.add(node)
        if isinstance(node, yaml.MappingNode):
            children = [(str(key.value), key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            children = [(str(index), value, value) for index, value in enumerate(node.value)]
        else:
            return
        for name, place, child in children:
            found[".".join((*prefix, name))] = place.start_mark.line + 1
            visit(child, (*prefix, name))

    visit(yaml.compose(text, Loader=_StrictLoader), ())
    return found


def override(values: dict[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """Return `values` with `a.b=value` settings applied; the values are parsed as YAML.

    Raises:
        RecipeError: a setting has no `=`, or leads through a value that is not a block.
    """
    result = deepcopy(values)
    for setting in settings:
        path, equals, text = setting.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise RecipeError(f"--set {setting!r}: write it as a.b=value")
        target = result
        for depth, key in enumerate(keys[:-1], start=1):
            inner = target.setdefault(key, {})
            if not isinstance(inner, dict):
                raise RecipeError(f"--set {setting!r}: {'.'.join(keys[:depth])} is not a block of settings")
            target = inner
        target[keys[-1]] = parse_yaml(text, f"--set {_brief(setting)!r}")
    return result


ABSENT: Any = object()
"""Value of a missing setting."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting in which two sets of settings differ.

    Attributes:
        path: the setting, such as `a.b`.
        before: its value in the first set, or `ABSENT`.
        now: its value in the second set, or `ABSENT`.
    """

    path: str
    before: Any
    now: Any


def differing(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[Difference]:
    """Yield each setting in which two sets of settings differ; compare blocks setting by setting."""
    for key in {**before, **now}:
        path, old, new = f"{prefix}{key}", before.get(key, ABSENT), now.get(key, ABSENT)
        if all(value is ABSENT or isinstance(value, dict) for value in (old, new)):
            yield from differing({} if old is ABSENT else old, {} if new is ABSENT else new, f"{path}.")
        elif old != new:
            yield Difference(path, old, new)


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return each setting in which `now` differs from `before`, as `a.b was 1, not 2`."""
    return [
        f"{found.path} was {_printable(found.before)}, not {_printable(found.now)}" for found in differing(before, now)
    ]


def _printable(value: Any) -> Any:
    return None if value is ABSENT else value
