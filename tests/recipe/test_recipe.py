"""Recipes: reading, checking, overriding, their schema and their template."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from narrow import present

from ecef_cli.api.components import Options
from ecef_cli.api.errors import PluginError, RecipeError
from ecef_cli.plugin.manager import get_registry
from ecef_cli.recipe import shipped
from ecef_cli.recipe.labels import LabelSet
from ecef_cli.recipe.model import BLOCKS, Recipe, check_recipe, load_recipe
from ecef_cli.recipe.schema import recipe_schema
from ecef_cli.recipe.shipped import find_recipe, list_recipes, recipe_names
from ecef_cli.recipe.strict_yaml import override, parse_yaml
from ecef_cli.recipe.template import commented

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

SMALL = """\
name: small
dataset: meld
tasks: [erc]
tagger: {name: conceptnet}
text_encoder:
  name: huggingface
  model: some-model
"""


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL, encoding="utf-8")
    return path


def problems(path: Path, *settings: str) -> list[str]:
    """Return what is wrong with a recipe, without the recipe's own path."""
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(path), settings)
    return [line.replace(str(path), "FILE") for line in caught.value.problems or [str(caught.value)]]


def test_defaults_are_filled_in_also_those_of_components(small: Path) -> None:
    recipe = load_recipe(str(small))
    dumped = recipe.dumped()
    assert dumped["history"] == present(recipe.history) >= 1
    assert dumped["text_encoder"]["trainable_layers"] == 0
    assert dumped["tagger"]["relations"] == ["IsA", "HasContext", "Causes"]
    assert dumped["training"]["epochs"] == recipe.training.epochs


def test_a_recipe_that_is_written_out_is_read_back_the_same(small: Path) -> None:
    recipe = load_recipe(str(small))
    assert check_recipe(yaml.safe_load(recipe.to_yaml()), where="again") == recipe


def test_the_tagger_may_be_none_and_comes_out_as_none(small: Path) -> None:
    for text in ("none", "null", ""):
        recipe = load_recipe(str(small), [f"tagger={text}"])
        assert recipe.tagger is None
        assert recipe.dumped()["tagger"] == "none"
        assert check_recipe(recipe.dumped(), where="again") == recipe
        with pytest.raises(RecipeError, match="tagger is none"):
            recipe.component("tagger")


def test_all_problems_come_at_once_each_with_its_line_and_the_nearest_right_word(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "name: a b\n"
        "tasks: [erc, erp]\n"
        "histroy: 3\n"
        "tagger: {name: conceptnt}\n"
        "text_encoder:\n"
        "  name: huggingface\n"
        "  modle: x\n"
        "network:\n"
        "  widht: 128\n"
        "  heads: 0\n"
        "training: 5\n",
        encoding="utf-8",
    )
    found = problems(path)
    for expected in (
        "FILE:1: name: string should match pattern",
        "dataset: is missing",
        "FILE:2: tasks.1: input should be 'erc' or 'epc', not 'erp' (did you mean 'erc'?)",
        "FILE:3: histroy: no such setting (did you mean 'history'?)",
        "FILE:4: tagger.name: no tagger is called 'conceptnt' (did you mean 'conceptnet'?)",
        "FILE:7: text_encoder.modle: no such setting (did you mean 'model'?)",
        "FILE:9: network.widht: no such setting (did you mean 'width'?)",
        "FILE:10: network.heads: input should be greater than or equal to 1, not 0",
        "FILE:11: training: must be a block of settings, not 5",
    ):
        assert any(line.startswith(expected) for line in found), (expected, found)
    assert len(found) == 9


def test_a_component_given_as_a_bare_word_is_answered_with_how_to_write_it(small: Path) -> None:
    assert problems(small, "tagger=conceptnet") == ["--set: tagger: write it as {name: conceptnet}"]


@pytest.mark.parametrize("value", ["3", "[]", "{}", "{model: x}", "{name: 3}", "{name: ''}"])
def test_a_component_without_a_name_is_an_error(small: Path, value: str) -> None:
    assert any("text_encoder" in line for line in problems(small, f"text_encoder={value}"))


def test_a_task_that_stands_twice_is_an_error(small: Path) -> None:
    assert problems(small, "tasks=[erc, erc]") == ["--set: tasks: duplicate entry"]


def test_rules_that_tie_settings_together_are_told_for_the_block(small: Path) -> None:
    assert problems(small, "network.width=100", "network.heads=8") == ["network: width 100 is not divisible by 8 heads"]


def test_options_of_a_component_are_checked_by_the_component(small: Path) -> None:
    (line,) = problems(small, "tagger.relations=[IsAn]")
    assert line.startswith("--set: tagger.relations: ")
    assert "IsA" in line


def test_options_of_a_component_are_validated_once(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = get_registry().find("tagger", "conceptnet").load().Options
    seen: list[object] = []
    validate = model.model_validate

    def validated(values: object) -> Options:
        seen.append(values)
        return validate(values)

    monkeypatch.setattr(model, "model_validate", validated)
    recipe = load_recipe(str(small), ["tagger.min_weight=2"])
    assert recipe.component("tagger").options.model_dump()["min_weight"] == 2
    assert len(seen) == 1
    changed = recipe.model_copy(update={"tagger": present(recipe.tagger).model_copy(update={"min_weight": 3})})
    assert changed.component("tagger").options.model_dump()["min_weight"] == 3


def test_a_component_that_cannot_be_loaded_is_the_plugin_s_fault(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ecef_text.encoder", None)
    with pytest.raises(PluginError, match="text_encoder 'huggingface' of ecef-cli failed in its import"):
        load_recipe(str(small))
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(small), ["histori=3"])
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1, 2\n", "x.yaml:2: not YAML"),
        ("a: 1\nb: 2\na: 3\n", "x.yaml:3: not YAML: duplicate key 'a'"),
        ("a: {b: 1, b: 2}\n", "x.yaml:1: not YAML: duplicate key 'b'"),
        ("a: !!python/object/apply:os.getcwd []\n", "x.yaml:1: not YAML: could not determine a constructor"),
        ("a: \x07\n", "x.yaml: not YAML"),
        ("? [a]\n: 1\n", "x.yaml:1: not YAML"),
    ],
)
def test_broken_yaml_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        parse_yaml(text, "x.yaml")
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_anchors_and_merges_work_as_in_yaml() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n"
    assert parse_yaml(text, "x.yaml")["b"] == {"x": 1, "y": 3}


def test_a_recipe_with_a_merged_block_is_read(small: Path) -> None:
    text = SMALL + "training: {class_balance: &half {erc: 0.5}, task_weights: {<<: *half, epc: 2}}\n"
    small.write_text(text, encoding="utf-8")
    recipe = load_recipe(str(small))
    assert (recipe.training.task_weights.erc, recipe.training.task_weights.epc) == (0.5, 2.0)


@pytest.mark.parametrize("text", ["", "- a\n", "just text\n", "3\n"])
def test_a_file_that_is_no_block_of_settings_is_no_recipe(small: Path, text: str) -> None:
    small.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match="a recipe must be a block of settings"):
        load_recipe(str(small))


def test_a_file_that_is_no_text_is_told(small: Path) -> None:
    small.write_bytes(b"name: \xff\xfe\n")
    with pytest.raises(RecipeError, match="not UTF-8: invalid start byte at byte 6"):
        load_recipe(str(small))


def test_settings_override_nested_values_and_are_read_as_yaml(small: Path) -> None:
    recipe = load_recipe(str(small), ["training.learning_rate=5.0e-4", "tasks=[erc, epc]", "training.seed=7"])
    assert recipe.training.learning_rate == 5e-4
    assert recipe.tasks == ["erc", "epc"]
    assert recipe.training.seed == 7


def test_an_override_leaves_the_values_it_was_given_alone() -> None:
    values: dict[str, Any] = {"a": {"b": 1}}
    assert override(values, ["a.b=2", "c.d=3"]) == {"a": {"b": 2}, "c": {"d": 3}}
    assert values == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("a", "write it as a.b=value"),
        ("=3", "write it as a.b=value"),
        ("a..b=3", "write it as a.b=value"),
        ("dataset.x=3", "dataset is not a block of settings"),
        ("a=[1", "not YAML"),
    ],
)
def test_an_override_that_makes_no_sense_is_told(setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        override({"dataset": "meld"}, [setting])


def test_a_misspelt_override_is_a_problem_like_any_other(small: Path) -> None:
    assert problems(small, "training.epoch=3") == ["--set: training.epoch: no such setting (did you mean 'epochs'?)"]


def test_a_recipe_is_found_by_name_or_path(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "recipes_folder", lambda: small.parent)
    monkeypatch.chdir(small.parent)
    assert recipe_names() == ("small",)
    assert find_recipe("small") == small
    assert find_recipe("small.yaml").samefile(small)
    assert find_recipe(str(small)) == small


def test_a_recipe_that_is_not_there_is_told_with_the_nearest(monkeypatch: pytest.MonkeyPatch, small: Path) -> None:
    monkeypatch.setattr(shipped, "recipes_folder", lambda: small.parent)
    with pytest.raises(RecipeError, match="did you mean 'small'"):
        find_recipe("smal")
    with pytest.raises(RecipeError, match="no such file"):
        find_recipe("missing/recipe.yaml")


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_that_comes_with_ecef_is_right_and_says_what_it_is(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert load_recipe(name).dumped() == check_recipe(recipe.dumped(), where=name).dumped()


def test_recipes_come_with_ecef() -> None:
    listed = list_recipes()
    assert [r.name for r in listed] == list(recipe_names())
    assert listed
    assert all(r.tasks and r.dataset and r.summary for r in listed)


def walk(node: Any) -> list[dict[str, Any]]:
    """Return every object inside a JSON value."""
    if isinstance(node, list):
        return [found for item in node for found in walk(item)]
    if isinstance(node, dict):
        return [node, *(found for item in node.values() for found in walk(item))]
    return []


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(recipe_schema()))
    return found


def test_the_schema_refers_only_to_what_it_defines_and_defines_nothing_else(schema: dict[str, Any]) -> None:
    referred = {node["$ref"] for node in walk(schema) if isinstance(node.get("$ref"), str)}
    assert referred == {f"#/$defs/{name}" for name in schema["$defs"]}
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_the_schema_has_a_branch_for_each_component_with_its_options(schema: dict[str, Any]) -> None:
    from ecef_cli.plugin.manager import get_registry

    for key, kind in BLOCKS.items():
        branches = {b["title"]: b for b in schema["properties"][key]["anyOf"] if "title" in b}
        assert set(branches) == {entry.name for entry in get_registry().entries(kind)}
        for name, branch in branches.items():
            options = get_registry().find(kind, name).load().Options
            assert branch["properties"]["name"] == {"const": name}
            assert set(branch["properties"]) == {"name", *options.model_fields}
            assert branch["additionalProperties"] is False
            assert "name" in branch["required"]


def test_the_schema_lets_every_component_be_none_and_nothing_else(schema: dict[str, Any]) -> None:
    none = {"enum": ["none", None]}
    optional = [key for key, value in schema["properties"].items() if none in value.get("anyOf", [])]
    assert optional == list(BLOCKS)
    assert schema["required"] == ["name", "dataset", "tasks"]


def test_a_component_that_cannot_be_loaded_costs_the_schema_only_its_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ecef_text.encoder", None)
    branches = recipe_schema()["properties"]["text_encoder"]["anyOf"]
    (branch,) = [b for b in branches if b.get("title") == "huggingface"]
    assert set(branch["properties"]) == {"name"}
    assert branch["additionalProperties"] is True
    assert capsys.readouterr().err.count("\n") == 1


def test_the_template_names_every_setting_and_keeps_the_recipe_s_values(small: Path) -> None:
    recipe = load_recipe(str(small), ["training.seed=5", "tagger.relations=[Causes]", "summary='a: b # c'"])
    text = commented(recipe)
    assert check_recipe(yaml.safe_load(text), where="template") == recipe
    for name in _leaves(Recipe):
        assert f"{name}:" in text
    assert max(map(len, text.splitlines())) <= 110


@pytest.mark.parametrize("labels", ["iemocap4", "{emotions: {up: [happy], down: []}, column: mood}"])
def test_the_template_names_a_set_of_labels_or_writes_it_out(small: Path, labels: str) -> None:
    recipe = load_recipe(str(small), [f"labels={labels}"])
    text = commented(recipe)
    assert check_recipe(yaml.safe_load(text), where="template") == recipe
    assert ("labels: iemocap4\n" in text) == (labels == "iemocap4")


def test_the_template_says_what_a_setting_is_and_what_it_may_be(small: Path) -> None:
    text = commented(load_recipe(str(small)))
    described = [f.description for f in Recipe.model_fields.values() if f.description]
    assert described
    assert all(f"# {line.split(';')[0]}" in text for line in described)
    assert "# one of: adam, adamw" in text


def test_the_template_of_a_recipe_without_a_tagger_has_none(small: Path) -> None:
    recipe = load_recipe(str(small), ["tagger=none"])
    assert "\ntagger: none\n" in commented(recipe)
    assert check_recipe(yaml.safe_load(commented(recipe)), where="template") == recipe


def _leaves(model: type[BaseModel]) -> list[str]:
    from ecef_cli.recipe.problems import inner_model

    found = []
    for name in model.model_fields:
        inner = inner_model(model, name)
        found += [name, *(_leaves(inner) if inner and inner is not LabelSet else [])]  # which may be null
    return found


def test_a_number_in_the_form_that_yaml_takes_for_text_is_still_a_number(small: Path) -> None:
    assert load_recipe(str(small), ["training.learning_rate=3e-4"]).training.learning_rate == 3e-4


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("tasks:", "FILE:8: tasks: input should be a valid list, not None"),
        ("modalities:", "FILE:8: modalities: input should be a valid list, not None"),
        ("modalities: [[text], [text]]", "FILE:8: modalities: duplicate entry"),
        ("summary: 2024-13-45", "FILE:8: not YAML: 2024-13-45 is neither a number nor a date; put text in quotes"),
        ("training: {learning_rate: .inf}", "training.learning_rate: input should be a finite number, not inf"),
        ("training: {learning_rate: .nan}", "training.learning_rate: input should be"),
        ("training: {epochs: 99999999999999999999}", "training.epochs: input should be less than or equal to 1000000"),
        ("network: {width: 4000000000}", "network.width: input should be less than or equal to 65536"),
        ("training: {epochs: 2024-01-01}", "training.epochs: input should be a valid integer"),
        (f"training: {{epochs: {'9' * 5000}}}", "FILE:8: not YAML: 9999"),
        (f"tasks: {'[' * 2000}{']' * 2000}", "FILE: nested too deeply"),
    ],
)
def test_values_beyond_reason_are_one_line_with_their_path(small: Path, line: str, problem: str) -> None:
    kept = [kept for kept in SMALL.splitlines() if not kept.startswith(line.partition(":")[0])]
    small.write_text("\n".join([*kept, *[""] * (7 - len(kept)), line]) + "\n", encoding="utf-8")
    (found,) = problems(small)
    assert problem in found
    assert len(found) < 200


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 2000 + "]" * 2000])
def test_a_setting_beyond_reason_is_one_line(small: Path, value: str) -> None:
    (found,) = problems(small, f"training.seed={value}")
    assert found.startswith("--set 'training.seed=")
    assert len(found) < 200
