"""JSON schema of recipes, with the options of the installed components."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from ecef_cli import console
from ecef_cli.api.errors import PluginError
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe.model import BLOCKS, Recipe

if TYPE_CHECKING:
    from pydantic import BaseModel

    from ecef_cli.plugin.manager import Entry

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema() -> dict[str, Any]:
    """Return the JSON schema of a recipe.

    Each installed component is one branch of its block, identified by its `name`. A component that cannot be loaded
    gets a warning, and its options are not checked.
    """
    options = {entry: _options(entry) for kind in BLOCKS.values() for entry in get_registry().entries(kind)}
    models: list[type[BaseModel]] = [Recipe, *(o for o in options.values() if o is not None)]
    references, definitions = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template="#/$defs/{model}"
    )
    defined: dict[str, Any] = definitions["$defs"]

    def definition(model: type[BaseModel]) -> dict[str, Any]:
        found: dict[str, Any] = defined[references[model, "validation"]["$ref"].rpartition("/")[2]]
        return deepcopy(found)

    schema = definition(Recipe)
    for key, kind in BLOCKS.items():
        branches = [
            _branch(entry, None if found is None else definition(found))
            for entry, found in options.items()
            if entry.kind == kind
        ]
        described = {k: v for k, v in schema["properties"][key].items() if k in {"description", "title"}}
        optional = _allows_none(schema["properties"][key])
        schema["properties"][key] = described | {"anyOf": branches + [{"enum": ["none", None]}] * optional}
    return {"$schema": DIALECT, **schema, "$defs": _used(schema, defined)}


def _options(entry: Entry) -> type[BaseModel] | None:
    try:
        return entry.load().Options
    except PluginError as error:
        console.warn(str(error))
        return None


def _branch(entry: Entry, options: dict[str, Any] | None) -> dict[str, Any]:
    found = options or {"type": "object", "properties": {}, "additionalProperties": True}
    return found | {
        "title": entry.name,
        "description": entry.summary,
        "properties": {"name": {"const": entry.name}, **found.get("properties", {})},
        "required": ["name", *found.get("required", [])],
    }


def _allows_none(schema: dict[str, Any]) -> bool:
    return {"type": "null"} in schema.get("anyOf", [])


def _used(schema: Any, defined: dict[str, Any]) -> dict[str, Any]:
    """Return the definitions that a schema refers to, directly or through one another."""
    found: dict[str, Any] = {}
    waiting = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
            name = str(node.get("$ref", "")).rpartition("/")[2]
            if name in defined and name not in found:
                found[name] = defined[name]
                waiting.append(defined[name])
    return dict(sorted(found.items()))
