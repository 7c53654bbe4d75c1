"""Turn pydantic's errors in a recipe into lines that a user can act on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from ecef_cli.api.errors import did_you_mean, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pydantic import ValidationError

# Pydantic puts the branch of a union or the class of a validator into a path; recipes have no such keys.
_BRANCHES = {"Block", "function-before"}


def explain(
    error: ValidationError, model: type[BaseModel], prefix: tuple[str, ...], *, whole: str = "recipe"
) -> Iterable[tuple[str, str]]:
    """Yield each problem as the dotted path of its setting and a description.

    Args:
        error: the error that the model raised.
        model: the model, whose fields are the valid words.
        prefix: the path of the block that was validated.
        whole: the path of a problem with several settings at once, if there is no prefix.
    """
    for item in error.errors(include_url=False):
        loc = [part for part in item["loc"] if part not in _BRANCHES]
        path = ".".join(str(part) for part in (*prefix, *loc)) or whole
        found = "" if isinstance(item["input"], dict | list) else f", not {item['input']!r}"
        if item["type"] == "extra_forbidden":
            wrong = f"no such setting ({did_you_mean(str(loc[-1]), _keys(model, loc[:-1]))})"
        elif item["type"] == "missing":
            wrong = "is missing"
        elif item["type"] == "model_type":
            named = item["ctx"]["class_name"] == "Block" and isinstance(item["input"], str)
            wrong = f"write it as {{name: {item['input']}}}" if named else f"must be a block of settings{found}"
        else:
            message = item["msg"].removeprefix("Value error, ")
            wrong = f"{message[:1].lower()}{message[1:]}{found}{_nearest_choice(item)}"
        yield path, wrong


def located(path: str, wrong: str, places: Mapping[str, str]) -> str:
    """Return a problem as one line, with the place of its setting or of the block around it.

    Args:
        path: the setting's path.
        wrong: the problem.
        places: `file:line` by path.
    """
    around = path
    while around and around not in places:
        around = around.rpartition(".")[0]
    return f"{places[around]}: {path}: {wrong}" if around else f"{path}: {wrong}"


def _nearest_choice(item: Mapping[str, Any]) -> str:
    if item["type"] != "literal_error" or not isinstance(item["input"], str):
        return ""
    choices = [part.strip("' ") for part in str(item["ctx"]["expected"]).replace(" or ", ",").split(",")]
    close = nearest(item["input"], choices)
    return f" (did you mean {close!r}?)" if close else ""


def _keys(model: type[BaseModel], path: Sequence[int | str]) -> Iterable[str]:
    for key in path:
        found = inner_model(model, str(key))
        if found is None:
            return ()
        model = found
    return tuple(model.model_fields)


def inner_model(model: type[BaseModel], name: str) -> type[BaseModel] | None:
    """Return the model that a field of a model holds, or None if it holds a plain value."""
    field = model.model_fields.get(name)
    if field is None:
        return None
    inner = (t for t in (field.annotation, *get_args(field.annotation)) if isinstance(t, type))
    return next((t for t in inner if issubclass(t, BaseModel)), None)
