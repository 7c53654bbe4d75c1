"""EPC protocols: which utterance is asked about, from where, and what is known of its speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from narrow import instance

from ecef_cli.api.components import Corpus, Dataset
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.corpus.manifest import Prepared
from ecef_cli.recipe.sections import Epc
from ecef_cli.samples.windows import NO_TARGET, SAME, SOMEBODY_NEW, UNKNOWN, asked, next_speaker, samples

if TYPE_CHECKING:
    from pathlib import Path

LABELS = ("neutral", "joy", "anger")


def talk(speakers: str, emotions: str, name: str = "d") -> Dialogue:
    """Return a dialogue of one-word utterances; an emotion is its first letter, `-` is none, `x` is no label."""
    long = {label[0]: label for label in LABELS} | {"-": None, "x": "xenial"}
    said = zip(speakers, emotions, strict=True)
    return Dialogue(name, tuple(Utterance("yes", s, name, n, emotion=long[e]) for n, (s, e) in enumerate(said)))


@pytest.mark.parametrize(
    ("speakers", "protocol", "expected"),
    [
        ("AABCCA", {}, [1, 2, 3, 4, 5, None]),
        ("AABCCA", {"target": "other"}, [2, 2, 3, 5, 5, None]),
        ("AABCCA", {"target": "own"}, [1, 5, None, 4, None, None]),
        ("AAA", {"target": "other"}, [None, None, None]),
        ("ABCD", {"target": "own"}, [None, None, None, None]),
        ("A", {}, [None]),
        ("AABCCA", {"min_history": 3}, [None, None, 3, 4, 5, None]),
        ("AABCCA", {"min_history": 2, "target": "own"}, [None, 5, None, 4, None, None]),
        ("AABCCA", {"min_history": 6}, [None] * 6),
        ("AABCCA", {"last_only": True}, [None, None, None, None, 5, None]),
        ("AABCCA", {"last_only": True, "min_history": 6}, [None] * 6),
        # The last utterance is asked about once, from as late as it can be.
        ("BBBA", {"last_only": True, "target": "other"}, [None, None, 3, None]),
        ("AABCCA", {"last_only": True, "target": "own"}, [None, 5, None, None, None, None]),
        ("ABB", {"last_only": True, "target": "other"}, [None, None, None]),
    ],
)
def test_which_utterance_is_asked_about(speakers: str, protocol: dict[str, Any], expected: list[int | None]) -> None:
    assert asked(speakers, Epc(**protocol)) == expected


def written_out(speakers: Sequence[str], target: str, n: int) -> int | None:
    """Return the first utterance after n that the target allows, by looking at each."""
    allowed = {"next": {True, False}, "other": {False}, "own": {True}}[target]
    return next((m for m in range(n + 1, len(speakers)) if (speakers[m] == speakers[n]) in allowed), None)


@pytest.mark.parametrize("target", ["next", "other", "own"])
def test_it_is_the_first_that_is_allowed_however_far_away(target: str) -> None:
    import random

    for seed in range(50):
        speakers = "".join(random.Random(seed).choices("ABC", k=1 + seed % 12))
        expected = [written_out(speakers, target, n) for n in range(len(speakers))]
        assert asked(speakers, Epc(target=target)) == expected


def test_the_target_is_the_emotion_of_the_utterance_asked_about_and_erc_is_as_ever() -> None:
    dialogue = talk("AABCA", "njaj-")
    found = samples("dev", [dialogue], history=2, tasks=["erc", "epc"], labels=LABELS, epc=Epc(target="own"))
    # From the second on, the next of A's own has no emotion: it is not looked for further.
    assert [s.targets["epc"] for s in found] == [1, NO_TARGET, NO_TARGET, NO_TARGET, NO_TARGET]
    assert [s.targets["erc"] for s in found] == [0, 1, 2, 1, NO_TARGET]
    few = samples("dev", [dialogue], history=2, tasks=["erc"], labels=LABELS, epc=Epc(last_only=True, min_history=4))
    assert [s.targets["erc"] for s in few] == [s.targets["erc"] for s in found]


def test_least_history_counts_the_dialogue_and_not_the_window() -> None:
    found = samples("dev", [talk("ABABAB", "njanja")], history=2, tasks=["epc"], labels=LABELS, epc=Epc(min_history=4))
    assert [n for n, s in enumerate(found) if s.targets["epc"] != NO_TARGET] == [3, 4]
    assert [s.last - s.first + 1 for s in found] == [1, 2, 2, 2, 2, 2]


@pytest.mark.parametrize(
    ("heard", "speaker", "expected"),
    [
        ("AB", None, UNKNOWN),
        ("AB", "B", SAME),
        ("AB", "A", SAME + 1),
        ("ABABC", "A", SAME + 2),
        ("CABAB", "C", SAME + 2),
        ("AB", "Z", SOMEBODY_NEW),
        ("ABCDEFGHIJKL", "A", SAME + 7),
        ("ABCDEFGHIJKL", "E", SAME + 7),
        ("ABCDEFGHIJKL", "F", SAME + 6),
    ],
)
def test_who_speaks_next_is_known_by_how_long_ago_they_spoke(heard: str, speaker: str | None, expected: int) -> None:
    assert next_speaker(heard, speaker) == expected


def test_names_are_not_known() -> None:
    assert next_speaker(["Ann", "Bob", "Ann"], "Bob") == next_speaker(["x", "y", "x"], "y")


def test_a_sample_is_told_the_speaker_of_the_utterance_asked_about_where_the_protocol_says_so() -> None:
    def told(**protocol: object) -> list[int]:
        dialogue = talk("ABBCA", "njan-")
        found = samples("dev", [dialogue], history=3, tasks=["epc"], labels=LABELS, epc=Epc(**protocol))
        return [s.next_speaker for s in found]

    assert told() == [UNKNOWN] * 5
    assert told(next_speaker=True) == [SOMEBODY_NEW, SAME, SOMEBODY_NEW, SOMEBODY_NEW, UNKNOWN]
    assert told(next_speaker=True, target="other") == [SOMEBODY_NEW] * 4 + [UNKNOWN]
    # Only what is asked: where nothing is, nobody is named.
    assert told(next_speaker=True, last_only=True) == [UNKNOWN] * 3 + [SOMEBODY_NEW, UNKNOWN]


# ------------------------------------------------------------------------------------------------- others


def prepared(*dialogues: Dialogue, **more: tuple[Dialogue, ...]) -> Prepared:
    return Prepared("talk", LABELS, {"train": dialogues, **more}, "manifest", "recordings")


def test_others_are_dropped_with_the_places_of_those_that_stay() -> None:
    whole = prepared(talk("ABA", "n-j", "one"), talk("AB", "--", "two"), talk("AB", "xa", "three"))
    part = whole.labelled(LABELS)
    assert [d.id for d in part.splits["train"]] == ["one", "three"]
    assert part.rows == {"train": (0, 2, 6)}
    found = samples("train", part.splits["train"], history=2, tasks=["epc"], labels=LABELS, rows=part.rows["train"])
    assert [list(s.numbers) for s in found] == [[0], [0, 2], [6]]
    assert [s.number for s in found] == [0, 1, 2]
    assert [s.targets["epc"] for s in found] == [1, NO_TARGET, NO_TARGET]


def test_a_part_of_a_part_has_the_places_of_the_whole() -> None:
    part = prepared(talk("ABAB", "n-ja", "one")).labelled(LABELS)
    assert part.labelled(["joy", "anger"]).rows == {"train": (2, 3)}


def test_a_split_of_which_nothing_is_left_is_gone() -> None:
    part = prepared(talk("AB", "nj"), test=(talk("AB", "--"),)).labelled(LABELS)
    assert set(part.splits) == {"train"}


def test_the_key_of_a_part_is_that_of_what_is_in_it() -> None:
    whole = prepared(talk("ABA", "n-j"), dev=(talk("AB", "ja"),))
    part = whole.labelled(LABELS)
    assert part.key != whole.key
    assert part.recordings == whole.recordings
    assert whole.labelled([*LABELS, "fear"]).key == part.key  # the same utterances are left
    assert whole.labelled(["neutral", "anger"]).key not in {whole.key, part.key}
    full = prepared(talk("ABA", "naj"))
    assert full.labelled(LABELS) is full
    assert part.labelled(LABELS) is part


def test_dropping_brings_utterances_together_that_are_apart_as_context() -> None:
    dialogue = talk("ABAA", "n-ja")
    (part,) = prepared(dialogue).labelled(LABELS).splits["train"]
    assert asked([u.speaker for u in dialogue.utterances], Epc()) == [1, 2, 3, None]
    assert [u.speaker for u in part.utterances] == ["A", "A", "A"]


# --------------------------------------------------------------------------------------------------- MELD


@pytest.fixture(scope="module")
def meld(shared_data: Path) -> Corpus:
    from ecef_cli.recipe.model import build_component

    return instance(Dataset, build_component("dataset", "meld", {})).read([shared_data / "meld"])


def counts(corpus: Corpus, history: int | None = 8, **protocol: object) -> tuple[int, ...]:
    """Return how many EPC targets train, dev and test have."""
    found = []
    for split in ("train", "dev", "test"):
        every = samples(
            split, corpus.splits[split], history=history, tasks=["epc"], labels=corpus.labels, epc=Epc(**protocol)
        )
        found.append(sum(s.targets["epc"] != NO_TARGET for s in every))
    return tuple(found)


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ({}, (8951, 995, 2330)),
        ({"min_history": 3}, (7075, 783, 1811)),
        ({"min_history": 5}, (5415, 593, 1360)),
        ({"min_history": 8}, (3394, 361, 837)),
        ({"last_only": True}, (968, 108, 268)),
    ],
    ids=str,
)
def test_the_targets_of_meld_are_as_many_as_published(
    meld: Corpus, protocol: dict[str, Any], expected: tuple[int, ...]
) -> None:
    assert counts(meld, **protocol) == expected
    assert counts(meld, history=None, **protocol) == expected
    if "min_history" in protocol:  # windows that are full are those of as many utterances
        full = [
            s
            for s in samples(
                "test", meld.splits["test"], history=protocol["min_history"], tasks=["epc"], labels=meld.labels
            )
            if s.targets["epc"] != NO_TARGET and len(s.numbers) == protocol["min_history"]
        ]
        assert len(full) == expected[2]


def test_on_meld_nothing_is_dropped(meld: Corpus) -> None:
    whole = Prepared("meld", meld.labels, meld.splits, "manifest")
    assert whole.labelled(meld.labels) is whole
    fewer = whole.labelled([label for label in meld.labels if label != "neutral"])
    left = replace(meld, splits=fewer.splits)
    assert counts(left) != counts(meld)


def test_how_often_the_same_speaker_goes_on_in_meld(meld: Corpus) -> None:
    shares = []
    for split in ("train", "dev", "test"):
        found = samples(
            split,
            meld.splits[split],
            history=8,
            tasks=["epc"],
            labels=meld.labels,
            epc=Epc(next_speaker=True),
        )
        told = [s.next_speaker for s in found if s.targets["epc"] != NO_TARGET]
        assert UNKNOWN not in told
        shares.append(round(100 * told.count(SAME) / len(told)))
    assert shares == [22, 21, 24]


def test_where_the_next_speaker_is_another_the_targets_are_those_of_emotion_inference(meld: Corpus) -> None:
    found = []
    for split in ("dev", "test"):
        protocol = Epc(next_speaker=True, min_history=2)
        every = samples(split, meld.splits[split], history=8, tasks=["epc"], labels=meld.labels, epc=protocol)
        found.append(sum(s.targets["epc"] != NO_TARGET and s.next_speaker != SAME for s in every))
    assert found == [685, 1540]


@pytest.mark.parametrize(
    ("protocol", "expected"), [({"target": "other"}, (8535, 945, 2193)), ({"target": "own"}, (7174, 766, 1864))]
)
def test_the_other_targets_of_meld(meld: Corpus, protocol: dict[str, Any], expected: tuple[int, ...]) -> None:
    assert counts(meld, **protocol) == expected


@pytest.mark.parametrize("target", ["other", "own"])
def test_every_other_target_is_asked_about_too(meld: Corpus, target: str) -> None:
    for split, found in zip(("train", "dev", "test"), counts(meld, target=target), strict=True):
        expected = sum(
            written_out([u.speaker for u in d.utterances], target, n) is not None
            for d in meld.splits[split]
            for n in range(len(d.utterances))
        )
        assert found == expected
