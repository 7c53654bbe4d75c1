"""Cues of words and exclamations."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from ecef_cli.testing import text_window
from ecef_text.ngrams import NgramClassifier, NgramOptions

SAYINGS = ["Oh my God, I won!!", "Oh no... not you?!", "It\u2019s the second door.", "Oh my, it's late."] * 3
TARGETS = [0, 1, 2, 2] * 3


def taught(**options: float) -> NgramClassifier:
    classifier = NgramClassifier(NgramOptions(**options))
    state = classifier.fit([text_window((0, "so"), (1, text)) for text in SAYINGS], TARGETS, 3)
    classifier.restore(state)
    return classifier


def terms(**options: float) -> list[str]:
    classifier = NgramClassifier(NgramOptions(**options))
    return list(classifier.fit([text_window((0, text)) for text in SAYINGS], TARGETS, 3).facts["terms"])


def test_an_n_gram_is_of_words_in_lower_case_and_of_exclamations() -> None:
    found = terms()
    assert {"oh my god", "!!", "...", "?!", "it's", "won !!"} <= set(found)
    assert not {",", ".", "Oh", "it\u2019s"} & set(found)


def test_characters_stay_within_a_word() -> None:
    found = {term[1:] for term in terms(words=1, characters=3) if term.startswith("\t")}
    assert {" oh", "oh ", "god"} <= found
    assert "h m" not in found


def test_rare_n_grams_are_left_out() -> None:
    assert "oh" in terms(least=9)
    assert "oh my god" not in terms(least=9)


def test_weights_are_scikit_learns_tf_idf() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    classifier = taught()
    grams = TfidfVectorizer(analyzer=lambda text: list(classifier._grams(text_window((0, text)).turns[0])), min_df=2)
    grams.set_params(sublinear_tf=True)
    expected = grams.fit_transform(SAYINGS).toarray()
    for row, text in enumerate(SAYINGS[:4]):
        places, weights = classifier._features(text_window((0, "so"), (1, text)))
        found = np.zeros(expected.shape[1] + 2)
        found[places] = weights
        np.testing.assert_allclose(found[:-2], expected[row], atol=1e-6)
    plain = make_pipeline(grams, LogisticRegression(max_iter=1000)).fit(SAYINGS, TARGETS)
    mine = classifier.probabilities([text_window((0, "so"), (1, text)) for text in SAYINGS])
    np.testing.assert_allclose(mine, plain.predict_proba(SAYINGS), atol=1e-4)


def test_who_opens_and_who_goes_on_makes_a_difference() -> None:
    opening, going_on, other = (
        text_window((0, "well")),
        text_window((0, "so"), (0, "well")),
        text_window((0, "so"), (1, "well")),
    )
    classifier = NgramClassifier(NgramOptions())
    classifier.restore(classifier.fit([opening, going_on, other] * 20, [0, 1, 2] * 20, 3))
    assert classifier.probabilities([opening, going_on, other]).argmax(axis=1).tolist() == [0, 1, 2]


@pytest.mark.parametrize("targets", [[1] * 12, [0, 2] * 6])
def test_labels_that_the_data_lack_are_unlikely_and_possible(targets: list[int]) -> None:
    classifier = NgramClassifier(NgramOptions())
    windows = [text_window((0, text)) for text in SAYINGS]
    classifier.restore(classifier.fit(windows, targets, 3))
    absent = sorted({0, 1, 2} - set(targets))
    found = classifier.probabilities(windows)[:, absent]
    assert (found > 0).all()
    assert (found < 1e-6).all()
