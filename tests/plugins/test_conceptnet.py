"""The tagger `conceptnet`, its lexicon, and the script that builds the lexicon."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from narrow import instance, present

from ecef_cli.api.components import Tagger
from ecef_cli.api.errors import RecipeError
from ecef_cli.recipe.model import build_component
from ecef_conceptnet.lexicon import Lexicon, load_lexicon
from ecef_conceptnet.tagger import ConceptNetTagger

if TYPE_CHECKING:
    from types import ModuleType

    from ecef_cli.api.components import Tagger

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "generators" / "build_lexicon.py"
DATA = ROOT / "plugins" / "ecef_conceptnet" / "data"
WORDNET = Path(os.environ.get("ECEF_WORDNET", "/usr/share/wordnet"))


def tagger(*relations: str) -> Tagger:
    options = {"relations": list(relations)} if relations else {}
    return instance(Tagger, build_component("tagger", "conceptnet", options))


def holds(relation: str, one: str, other: str) -> bool:
    return bool(tagger(relation).relate([one, other])[0, 1])


@pytest.mark.parametrize(
    ("relation", "one", "other"),
    [
        ("IsA", "kangaroo", "marsupial"),
        ("IsA", "dog", "canine"),
        ("IsA", "einstein", "physicist"),
        ("HasContext", "allegro", "music"),
        ("HasContext", "asleep", "euphemism"),
        ("Causes", "kill", "die"),
        ("Causes", "feed", "eat"),
        ("MannerOf", "devour", "eat"),
        ("PartOf", "finger", "hand"),
        ("Entails", "snore", "sleep"),
        ("Antonym", "hot", "cold"),
        ("Synonym", "car", "auto"),
    ],
)
def test_relations_of_wordnet_hold_in_both_directions(relation: str, one: str, other: str) -> None:
    assert holds(relation, one, other)
    assert holds(relation, other, one)


@pytest.mark.parametrize(
    ("relation", "one", "other"),
    [
        ("IsA", "kangaroo", "animal"),  # not a direct hypernym
        ("IsA", "murder", "die"),
        ("Causes", "kangaroo", "marsupial"),
        ("IsA", "kangaroo", "notaword"),
        ("IsA", "devour", "eat"),  # hypernyms of verbs are MannerOf
    ],
)
def test_what_wordnet_does_not_say_does_not_hold(relation: str, one: str, other: str) -> None:
    assert not holds(relation, one, other)


def test_the_paper_relations_are_the_default() -> None:
    assert tagger().relations == ("IsA", "HasContext", "Causes")


def test_bits_follow_the_order_in_which_relations_are_asked_for() -> None:
    words = ["kangaroo", "marsupial", "kill", "die"]
    for relations in (("IsA", "Causes"), ("Causes", "IsA")):
        table = tagger(*relations).relate(words)
        assert table[0, 1] == 1 << relations.index("IsA")
        assert table[2, 3] == 1 << relations.index("Causes")


def test_tables_are_symmetric_with_a_zero_diagonal_and_depend_on_no_order() -> None:
    source = tagger(*load_lexicon().relations)
    words = [*np.random.default_rng(1).permutation(load_lexicon().words)[:1500], "dog", "canine", "notaword"]
    table = source.relate(words)
    assert table.dtype == np.uint64
    assert table.any()
    np.testing.assert_array_equal(table, table.T)
    assert not table.diagonal().any()
    order = np.random.default_rng(2).permutation(len(words))
    np.testing.assert_array_equal(source.relate([words[i] for i in order]), table[np.ix_(order, order)])


def test_tables_hold_what_the_edges_say_one_by_one() -> None:
    lexicon = load_lexicon()
    words = [*lexicon.words[1000:1400], "person", "music", "sport", "animal"]
    wanted = {w: i for i, w in enumerate(words)}
    source = tagger("Causes", "HasContext", "IsA")
    expected = np.zeros((len(words), len(words)), dtype=np.uint64)
    for head, row in wanted.items():
        number = lexicon.numbers[head]
        for edge in range(lexicon.start[number], lexicon.start[number + 1]):
            column = wanted.get(lexicon.words[lexicon.tail[edge]])
            if column is None:
                continue
            for bit, name in enumerate(source.relations):
                if lexicon.mask[edge] >> lexicon.relations.index(name) & 1:
                    expected[row, column] |= np.uint64(1 << bit)
                    expected[column, row] |= np.uint64(1 << bit)
    assert expected.any()
    np.testing.assert_array_equal(source.relate(words), expected)


def test_no_words_give_an_empty_table() -> None:
    assert tagger().relate([]).shape == (0, 0)
    assert not tagger().relate(["notaword", "neitherthis"]).any()


def test_available_lists_every_relation_with_its_pairs() -> None:
    available = tagger().available()
    assert set(available) == set(load_lexicon().relations)
    assert available["IsA"] > 100_000
    assert all(count > 0 for count in available.values())


def test_words_are_single_sorted_and_lower_case() -> None:
    words = load_lexicon().words
    assert list(words) == sorted(set(words))
    assert not [w for w in words if w != w.lower() or "_" in w or " " in w or "-" in w]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"relations": ["Isa"]}, "did you mean 'IsA'"),
        ({"relations": ["IsA", "Cause", "HasContex"]}, "did you mean 'HasContext'"),
        ({"relations": ["IsA", "IsA"]}, "duplicate relation 'IsA'"),
        ({"relations": []}, "at least 1"),
        ({"source": "dunp"}, "source"),
        ({"relation": ["IsA"]}, "did you mean 'relations'"),
    ],
)
def test_wrong_options_say_what_would_be_right(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError) as error:
        build_component("tagger", "conceptnet", options)
    assert message in str(error.value)


def test_the_identity_is_the_checksum_that_the_readme_states() -> None:
    assert tagger().identity() in (DATA / "README.md").read_text(encoding="utf-8")


def test_the_readme_counts_the_edges_of_each_relation() -> None:
    text = (DATA / "README.md").read_text(encoding="utf-8")
    lexicon = load_lexicon()
    for bit, name in enumerate(lexicon.relations):
        assert f"| {name} | {int((lexicon.mask >> bit & 1).sum()):,} |" in text


def test_the_licence_travels_with_the_data() -> None:
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in " ".join(
        (DATA / "LICENSE-WordNet").read_text(encoding="utf-8").split()
    )


def test_looking_up_imports_no_torch() -> None:
    code = (
        "import sys; from ecef_cli.recipe.model import build_component; "
        "build_component('tagger', 'conceptnet', {}).relate(['dog', 'canine']); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def builder() -> ModuleType:
    spec = present(importlib.util.spec_from_file_location("build_lexicon", SCRIPT))
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    present(spec.loader).exec_module(module)
    return module


SMALL = {
    "data.noun": """\
  1 licence text
00000001 05 n 02 Kangaroo 0 roo 1 002 @ 00000002 n 0000 ;u 00000003 n 0000 | gloss
00000002 05 n 02 marsupial 0 pouched_mammal 0 001 ~ 00000001 n 0000 | gloss
00000003 10 n 01 slang 0 001 -u 00000001 n 0101 | gloss
""",
    "data.verb": """\
00000011 35 v 02 kill 0 slay 0 002 > 00000012 v 0000 @ 00000013 v 0000 01 + 08 00 | gloss
00000012 35 v 01 die 0 001 ! 00000014 v 0102 01 + 02 00 | gloss
00000013 35 v 01 change 0 000 01 + 02 00 | gloss
00000014 35 v 02 live 0 be_born 0 001 ! 00000012 v 0201 01 + 02 00 | gloss
""",
    "data.adj": """\
00000021 00 s 01 galore(ip) 0 001 & 00000022 a 0000 | gloss
00000022 00 a 01 abundant 0 000 | gloss
""",
    "data.adv": "00000031 02 r 01 hotly 0 001 \\ 00000022 a 0101 | gloss\n",
}


def test_the_builder_turns_pointers_into_relations(tmp_path: Path) -> None:
    for name, content in SMALL.items():
        (tmp_path / name).write_text(content, encoding="ascii")
    module = builder()
    lexicon = Lexicon.parse(module.pack(module.build(tmp_path)))
    found = {
        (lexicon.words[head], name, lexicon.words[lexicon.tail[edge]])
        for head in range(len(lexicon.words))
        for edge in range(lexicon.start[head], lexicon.start[head + 1])
        for bit, name in enumerate(lexicon.relations)
        if lexicon.mask[edge] >> bit & 1
    }
    assert found == {
        ("kangaroo", "IsA", "marsupial"),
        ("roo", "IsA", "marsupial"),
        ("kangaroo", "HasContext", "slang"),
        ("roo", "HasContext", "slang"),
        ("kangaroo", "Synonym", "roo"),
        ("kill", "Causes", "die"),
        ("slay", "Causes", "die"),
        ("kill", "MannerOf", "change"),
        ("slay", "MannerOf", "change"),
        ("kill", "Synonym", "slay"),
        ("galore", "SimilarTo", "abundant"),
        ("hotly", "RelatedTo", "abundant"),
    }


def test_the_builder_gives_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name, content in SMALL.items():
        (tmp_path / name).write_text(content, encoding="ascii")
    files = []
    for seed in ("1", "2"):
        output = tmp_path / f"{seed}.npz"
        subprocess.run(
            [sys.executable, SCRIPT, "--wordnet", tmp_path, "--output", output],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
        files.append(output.read_bytes())
    assert files[0] == files[1]


def test_the_builder_says_what_it_lacks(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT, "--wordnet", tmp_path], check=False, capture_output=True, text=True)
    assert done.returncode == 3
    assert "no data.noun" in done.stderr


def test_the_lexicon_is_what_the_builder_makes_of_wordnet() -> None:
    if not (WORDNET / "data.noun").is_file():
        pytest.skip(f"no WordNet at {WORDNET}; install wordnet-base or set ECEF_WORDNET")
    built, shipped = builder().build(WORDNET), load_lexicon()
    assert built["words"].tobytes().decode().split("\n") == list(shipped.words)
    assert built["relations"].tobytes().decode().split("\n") == list(shipped.relations)
    for name in ("start", "tail", "mask"):
        np.testing.assert_array_equal(built[name], getattr(shipped, name))


def test_the_tagger_is_found_through_its_entry_point() -> None:
    assert type(tagger()) is ConceptNetTagger
