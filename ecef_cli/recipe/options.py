"""Parse component options from KEY=VALUE and validate them with the component's own model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ecef_cli.api.errors import RecipeError
from ecef_cli.plugin.boundary import calling
from ecef_cli.recipe.problems import explain
from ecef_cli.recipe.strict_yaml import parse_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ecef_cli.api.components import Component, Options
    from ecef_cli.plugin.manager import Entry


def check_options(
    entry: Entry, values: Mapping[str, Any], prefix: tuple[str, ...] = ()
) -> tuple[Options | None, list[tuple[str, str]]]:
    """Return the validated options of a component, or None and all problems with their paths.

    Args:
        entry: the component.
        values: the options as written.
        prefix: the path of their block.

    Raises:
        PluginError: the component cannot be loaded, or its option model raises.
    """
    model = entry.load().Options
    with calling(str(entry), "Options"):
        try:
            return model.model_validate(dict(values)), []
        except ValidationError as error:
            return None, list(explain(error, model, prefix, whole=""))


def create(entry: Entry, options: Options, *, weights: bool = True) -> Component:
    """Build a component from validated options; without `weights`, call its `without_weights`.

    Raises:
        PluginError: the component cannot be loaded or built.
    """
    found = entry.load()
    with calling(str(entry), "__init__"):
        component = found(options) if weights else found.without_weights(options)
        component.origin = str(entry)
        return component


def parse_options(options: Iterable[str], model: type[Options]) -> dict[str, Any]:
    """Parse options of the form `key=value`; a value is YAML, unless the option takes text.

    Args:
        options: the options.
        model: the option model, with names and types.

    Raises:
        RecipeError: an option has no `=`, no key or no value, or is a duplicate.
    """
    values: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        key = key.strip()
        if not equals or not key:
            raise RecipeError(f"--option {option!r}: write it as key=value")
        if key in values:
            raise RecipeError(f"--option {option!r}: duplicate key {key!r}")
        if not text.strip(" "):
            raise RecipeError(f"--option {option!r}: {key} has no value", hint="leave it out, or write null for none")
        known = model.model_fields.get(key)
        values[key] = parse_value(text, known.annotation if known else None, f"--option {option!r}")
    return values
