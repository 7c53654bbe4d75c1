"""ecef's own kit says whether the components keep their contracts."""

from pathlib import Path

import numpy as np
import pytest
from ecef_example.hashed import HashedEncoder, HashedOptions
from ecef_example.table import TableOptions, TableTagger

from ecef_cli.errors import DataError
from ecef_cli.testing import check_tagger, check_text_encoder, text_window


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "relations.tsv"
    path.write_text("glad\tsynonym\thappy\nsad\tantonym\thappy\n", encoding="utf-8")
    return path


def test_the_tagger_keeps_the_contract(table: Path) -> None:
    check_tagger(TableTagger(TableOptions(path=table)), lemmas=["happy", "tree", "glad", "sad"])


def test_a_relation_sets_its_bit_in_both_directions(table: Path) -> None:
    tagger = TableTagger(TableOptions(path=table, relations=("synonym", "antonym")))
    masks = tagger.relate(["happy", "glad", "sad"])
    assert masks.tolist() == [[0, 1, 2], [1, 0, 0], [2, 0, 0]]
    assert masks.dtype == np.uint64


def test_a_broken_line_is_named(table: Path) -> None:
    table.write_text("glad\tsynonym\n", encoding="utf-8")
    with pytest.raises(DataError, match=":1: a line reads"):
        TableTagger(TableOptions(path=table))


def test_the_encoder_keeps_the_contract() -> None:
    check_text_encoder(HashedEncoder(HashedOptions(width=32)))


def test_words_that_share_letters_are_close() -> None:
    (found,) = HashedEncoder(HashedOptions(width=256)).encode([text_window((0, "laughing laughed table"))])
    _, laughing, laughed, table = found.states
    assert laughing @ laughed > laughing @ table
