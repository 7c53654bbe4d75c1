"""Label sets: the emotions to distinguish, and their names in corpora."""

from __future__ import annotations

import re
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from ecef_cli.api.errors import RecipeError, did_you_mean
from ecef_cli.recipe.problems import explain, located
from ecef_cli.recipe.strict_yaml import lines_of, parse_yaml, read_block

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.api.dialogue import Utterance

FILE = Path(__file__).with_name("label_sets.yaml")
"""The sets that come with ecef."""

_MIN_LABELS = 2
_SUFFIXES = {".yaml", ".yml"}
_Text = Annotated[str, Field(min_length=1)]


def _names(value: object) -> object:
    return [] if value is None else [value] if isinstance(value, str) else value


def _quoted(emotions: object) -> object:
    for label in emotions if isinstance(emotions, dict) else ():
        if not isinstance(label, str):
            raise ValueError(f"a label that YAML reads as {label!r} must be in quotes")  # noqa: TRY004 - pydantic's
    return emotions


def _file_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError("use letters, digits, '.', '_' and '-'")
    return name


class LabelSet(BaseModel):
    """A set of labels, each with its other names in corpora; names are matched without regard to case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, AfterValidator(_file_name)] = "custom"
    summary: str = ""
    column: _Text | None = Field(
        None, description="key of a row whose value decides the label if it is one of the names; else the emotion does"
    )
    emotions: Annotated[dict[_Text, Annotated[list[_Text], BeforeValidator(_names)]], BeforeValidator(_quoted)] = Field(
        description="the labels in order, each with its other names"
    )

    @field_validator("emotions")
    @classmethod
    def _unambiguous(cls, emotions: dict[str, list[str]]) -> dict[str, list[str]]:
        if len(emotions) < _MIN_LABELS:
            raise ValueError("give at least two labels")
        homes: dict[str, str] = {}
        for label, names in emotions.items():
            for name in (label, *names):
                first = homes.setdefault(_folded(name), label)
                if first != label:
                    raise ValueError(f"{name!r} names both {first!r} and {label!r}")
        return emotions

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in order."""
        return tuple(self.emotions)

    def to_yaml(self) -> str:
        """Return the set as YAML, in the form used in a recipe or a file."""
        values = self.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=10**6)

    def label(self, name: object) -> str | None:
        """Return the label with this name in a corpus, or None if the set has none."""
        return self._known.get(_folded(name)) if isinstance(name, str) else None

    def label_of(self, utterance: Utterance) -> str | None:
        """Return the label of the value of `column` in an utterance's row, or else of its gold emotion."""
        stated = None if self.column is None else self.label(utterance.row.get(self.column))
        return stated or self.label(utterance.emotion)

    @cached_property
    def _known(self) -> Mapping[str, str]:
        return {_folded(name): label for label, names in self.emotions.items() for name in (label, *names)}


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())


@cache
def label_sets() -> Mapping[str, LabelSet]:
    """Return the sets that come with ecef, by name."""
    values = parse_yaml(FILE.read_text(encoding="utf-8"), str(FILE))
    return {name: LabelSet.model_validate({"name": name, **found}) for name, found in values.items()}


def read_label_set(name_or_path: str) -> LabelSet:
    """Return a set by its name, or from a YAML file, which may hold a whole set or the labels alone.

    Raises:
        RecipeError: the set is unknown or invalid; lists all problems.
    """
    path = Path(name_or_path)
    if path.suffix not in _SUFFIXES and len(path.parts) == 1:
        known = label_sets()
        if name_or_path not in known:
            hint = f"{did_you_mean(name_or_path, known)}; or give a YAML file"
            raise RecipeError(f"no label set is called {name_or_path!r}", hint=hint)
        return known[name_or_path]
    values, text = read_block(path, "a label set", hint="write one label per line, such as `happy: [joy, excited]`")
    stated, below, above = _stated(values)
    stated.setdefault("name", re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("._-") or "custom")
    try:
        found = LabelSet.model_validate(stated)
    except ValidationError as error:
        places = {f"{above}{key.removeprefix(below)}": f"{path}:{line}" for key, line in lines_of(text).items()}
        problems = tuple(located(key, wrong, places) for key, wrong in explain(error, LabelSet, ()))
        raise RecipeError(f"label set {path}", problems=problems) from None
    if label_sets().get(found.name, found) != found:
        hint = "give it another `name`"
        raise RecipeError(f"{path}: {found.name} is the name of a different set that comes with ecef", hint=hint)
    return found


def _stated(values: Mapping[str, Any]) -> tuple[dict[str, Any], str, str]:
    """Return the set of a file, the prefix of its keys in the file only, and the prefix in the result only.

    The file may hold the labels alone, a set, or a set below the recipe's key `labels`.
    """
    inner = values.get("labels")
    if len(values) == 1 and isinstance(inner, dict) and isinstance(inner.get("emotions"), dict):
        return dict(inner), "labels.", ""
    if isinstance(values.get("emotions"), dict):
        return dict(values), "", ""
    return {"emotions": values}, "", "emotions."


def find_set(value: object) -> object:
    """Return the set for a name or a file in a recipe; return other values unchanged, for `LabelSet` to check."""
    if not isinstance(value, str):
        return value
    known = label_sets()
    if value in known:
        return known[value]
    if Path(value).suffix in _SUFFIXES:
        try:
            return read_label_set(value)
        except RecipeError as error:
            raise ValueError("; ".join([error.problem, *error.problems])) from None
    expected = " or ".join(map(repr, known))
    wrong = "must be {expected}, a YAML file, or a set written out"
    raise PydanticCustomError("literal_error", wrong, {"expected": expected})
