"""A recipe's EPC protocol and its history: what may be said, what is wrong, and what old recipes mean."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import toy_recipe

from ecef_cli.api.errors import RecipeError
from ecef_cli.recipe.model import Recipe, check_recipe
from ecef_cli.recipe.schema import recipe_schema
from ecef_cli.recipe.sections import Epc
from ecef_cli.recipe.template import commented

BUNDLED = Path(__file__).parents[2] / "ecef_cli" / "bundled" / "recipe.yaml"


def recipe(model: Path, **changes: object) -> Recipe:
    return check_recipe(toy_recipe(model, **changes), where="toy")


def problems(model: Path, **changes: object) -> list[str]:
    with pytest.raises(RecipeError) as caught:
        recipe(model, **changes)
    return list(caught.value.problems)


def test_a_recipe_without_a_protocol_asks_for_the_next_utterance_from_everywhere(tiny_bert: Path) -> None:
    assert recipe(tiny_bert).epc == Epc(
        target="next", min_history=1, last_only=False, next_speaker=False, others="context"
    )


def test_a_run_from_before_protocols_has_the_same_one() -> None:
    stored = yaml.safe_load(BUNDLED.read_text(encoding="utf-8"))
    found = check_recipe(stored, where="bundled")
    assert found.epc == Epc()
    assert found.turns == found.history == stored["history"] == 5


@pytest.mark.parametrize("written", ["all", 1, 33, "7"])
def test_a_history_is_a_number_or_all_and_comes_out_as_it_was_written(tiny_bert: Path, written: int | str) -> None:
    found = recipe(tiny_bert, history=written)
    expected = None if written == "all" else int(written)
    assert found.history == expected
    assert found.dumped()["history"] == (expected or "all")
    assert check_recipe(yaml.safe_load(found.to_yaml()), where="again") == found
    assert check_recipe(yaml.safe_load(commented(found)), where="template") == found


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        (0, "history: input should be greater than or equal to 1, not 0"),
        ("al", "history: must be a number of utterances or `all`, not 'al'"),
        (None, "history: must be a number of utterances or `all`, not None"),
        (2.5, "history: input should be a valid integer, got a number with a fractional part, not 2.5"),
    ],
)
def test_another_history_is_one_problem(tiny_bert: Path, written: object, problem: str) -> None:
    assert problems(tiny_bert, history=written) == [problem]


def test_a_network_of_whole_dialogues_tells_many_utterances_apart(tiny_bert: Path) -> None:
    assert recipe(tiny_bert, history="all").turns > 110  # the longest dialogue of IEMOCAP


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ({"target": "nxt"}, "epc.target: input should be 'next', 'other' or 'own', not 'nxt' (did you mean 'next'?)"),
        ({"min_histroy": 3}, "epc.min_histroy: no such setting (did you mean 'min_history'?)"),
        ({"min_history": 0}, "epc.min_history: input should be greater than or equal to 1, not 0"),
        ({"others": "keep"}, "epc.others: input should be 'context' or 'drop', not 'keep'"),
        (
            {"target": "own", "next_speaker": True},
            "epc: next_speaker has no effect if the target is `own`: the speaker is the last one anyway",
        ),
    ],
)
def test_what_is_wrong_with_a_protocol_is_told(tiny_bert: Path, section: dict[str, Any], problem: str) -> None:
    assert problems(tiny_bert, epc=section) == [problem]


def test_the_schema_knows_all_of_it(tiny_bert: Path) -> None:
    schema = recipe_schema()
    assert schema["properties"]["history"]["anyOf"] == [{"type": "integer", "minimum": 1}, {"const": "all"}]
    assert schema["properties"]["history"]["default"] == 8
    assert set(schema["$defs"]["Epc"]["properties"]) == set(Epc.model_fields)


def test_the_template_says_what_a_protocol_may_be(tiny_bert: Path) -> None:
    text = commented(recipe(tiny_bert, epc={"target": "other", "min_history": 5}))
    for line in (
        "  target: other",
        "  min_history: 5",
        "# utterances with none of",
        "one of: next, other, own",
    ):
        assert line.strip("# ") in text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "the emotion of the next utterance, by any speaker;"),
        ({"target": "other"}, "the next utterance of another speaker than the last;"),
        ({"target": "own"}, "the next utterance of the last speaker;"),
        ({"last_only": True}, ", if it ends its dialogue;"),
        ({}, "at least 1 utterance before it"),
        ({"min_history": 5}, "at least 5 utterances before it"),
        ({}, "its speaker is unknown"),
        ({"next_speaker": True}, "its speaker is known"),
        ({"others": "drop"}, "utterances without one of the emotions are dropped before windows are made"),
    ],
)
def test_a_protocol_in_one_line(changes: dict[str, Any], said: str) -> None:
    line = Epc(**changes).in_words()
    assert said in line
    assert "\n" not in line
    assert changes == {} or line != Epc().in_words()
