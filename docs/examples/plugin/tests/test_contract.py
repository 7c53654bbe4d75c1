"""ecef's own kit says whether the components keep their contracts."""

from pathlib import Path

import numpy as np
import pytest
from ecef_example.bands import BandsEncoder, BandsOptions
from ecef_example.gated import Gated
from ecef_example.hashed import HashedEncoder, HashedOptions
from ecef_example.table import TableOptions, TableTagger

from ecef_cli.api.errors import DataError
from ecef_cli.testing import check_audio_encoder, check_fusion, check_tagger, check_text_encoder, text_window


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


def test_the_text_encoder_keeps_the_contract() -> None:
    check_text_encoder(HashedEncoder(HashedOptions(width=32)))


def test_words_that_share_letters_are_close() -> None:
    (found,) = HashedEncoder(HashedOptions(width=256)).encode([text_window((0, "laughing laughed table"))])
    _, laughing, laughed, table = found.states
    assert laughing @ laughed > laughing @ table


@pytest.mark.parametrize("bands", [1, 16, 64])
def test_the_audio_encoder_keeps_the_contract(bands: int) -> None:
    check_audio_encoder(BandsEncoder(BandsOptions(bands=bands)))


def test_a_tone_is_loudest_in_its_band() -> None:
    tone = np.sin(2 * np.pi * 3250 * np.arange(16_000) / 16_000).astype(np.float32)
    (found,) = BandsEncoder(BandsOptions(bands=8)).encode([tone])
    assert set(found.frames.argmax(axis=1)) == {3}  # from 3,000 to 4,000 Hz


def test_the_fusion_keeps_the_contract() -> None:
    check_fusion(Gated(Gated.Options()))
