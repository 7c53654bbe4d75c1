"""The reference says what the program does."""

from __future__ import annotations

import inspect
import re
import runpy
from pathlib import Path

import pytest

from ecef_cli.api.components import KINDS as CLASSES
from ecef_cli.api.components import Register
from ecef_cli.cli.main import COMMANDS
from ecef_cli.plugin import hookspecs
from ecef_cli.plugin.manager import EVENTS, HOOKS, KINDS
from ecef_cli.recipe.model import Recipe
from ecef_cli.recipe.strict_yaml import parse_yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REGENERATE = "run `python tests/generators/generate_cli_reference.py`"


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def test_the_reference_of_the_command_line_is_the_live_help() -> None:
    live = runpy.run_path(str(ROOT / "tests" / "generators" / "generate_cli_reference.py"))["reference"]()
    written = page("reference/cli.md")
    differing = [
        section.partition("\n")[0] or "the head" for section in live.split("\n## ") if section.strip() not in written
    ]
    assert written == live, f"docs/reference/cli.md differs in {differing}; {REGENERATE}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_its_section_and_help_of_its_own(name: str) -> None:
    (section,) = [s for s in page("reference/cli.md").split("\n## ") if s.startswith(f"`ecef {name}`")]
    assert f"Usage: ecef {name}" in section


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_in_the_reference_with_its_parameters(hook: str) -> None:
    parameters = inspect.signature(getattr(hookspecs, hook)).parameters
    (row,) = [line for line in page("reference/hooks.md").splitlines() if line.startswith(f"| `{hook}` |")]
    assert all(f"`{name}`" in row.split("|")[2] for name in parameters)
    kind = KINDS[HOOKS.index(hook)]
    assert f"ecef_cli.api.components.{CLASSES[kind].__name__}`" in row


def test_the_hooks_are_those_of_the_host() -> None:
    specified = {name for name in dir(hookspecs) if name.startswith("ecef_")}
    assert specified == {*HOOKS, EVENTS}
    assert set(re.findall(r"ecef_(?:register|training)_\w+", page("reference/hooks.md"))) == specified
    assert tuple(CLASSES) == KINDS


def test_the_parameters_of_register_are_in_the_reference() -> None:
    parameters = [*inspect.signature(Register.__call__).parameters][1:]
    table = page("reference/hooks.md").partition("## `register(")[2]
    assert all(f"| `{name}` |" in table for name in parameters)


def test_what_the_reference_says_is_required_in_a_recipe_is_required() -> None:
    required = [name for name, field in Recipe.model_fields.items() if field.is_required()]
    (sentence,) = re.findall(r"Required are ([^.]*)\.", page("reference/recipes.md"))
    assert re.findall(r"`(\w+)`", sentence) == required


def test_the_recipe_in_the_reference_is_right() -> None:
    from ecef_cli.recipe.model import check_recipe

    text = page("reference/recipes.md").partition("## Shape\n")[2].partition("\nRequired are")[0]
    assert check_recipe(parse_yaml(text, "recipes.md"), where="recipes.md").name == "my-run"


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.md")), ids=lambda path: path.name)
def test_links_between_pages_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
