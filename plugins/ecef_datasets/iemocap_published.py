"""Published counts of IEMOCAP, and the split of papers on whole dialogues."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from ecef_datasets.published import differences

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ecef_cli.api.components import Corpus

DIALOGUES, UTTERANCES = 151, 10_039
"""Dialogues and evaluated turns of the release (tae898/multimodal-datasets, as below)."""

EMOTIONS: Mapping[str, int] = {
    "neu": 1708,
    "hap": 595,
    "exc": 1041,
    "ang": 1103,
    "sad": 1084,
    "fru": 1849,
    "sur": 107,
    "fea": 40,
    "dis": 2,
    "oth": 3,
    "xxx": 2507,
}
"""Turns of each label in the files of EmoEvaluation (tae898/multimodal-datasets, IEMOCAP/dataset-stats.md)."""

FOUR: Mapping[str, int] = {"neutral": 1708, "happy": 1636, "angry": 1103, "sad": 1084}
"""The 5,531 utterances of four emotions, with excited as happy (EmoBox and SpeechBrain agree)."""

FOUR_BY_SESSION: Mapping[int, int] = {1: 1085, 2: 1023, 3: 1151, 4: 1031, 5: 1241}
"""The same by session, the sizes of the test sets when one session is left out (emotion2vec, iemocap_downstream)."""

SIX_BY_SPLIT: Mapping[str, int] = {"train": 5163, "dev": 647, "test": 1623}
"""Utterances of six emotions in the features that papers on whole dialogues share: those of DialogueRNN, 120 and 31
dialogues, of which COSMIC uses twelve as dev. They total 7,433, of which 53 are labelled happy only there: the
release's files have 7,380."""

DEV_DIALOGUES = frozenset(
    {
        "Ses01M_impro01",
        "Ses01M_script03_1",
        "Ses02F_impro02",
        "Ses02F_impro07",
        "Ses02M_script01_2",
        "Ses03F_impro01",
        "Ses03M_impro02",
        "Ses03M_impro08a",
        "Ses03M_script02_2",
        "Ses03M_script03_2",
        "Ses04F_impro07",
        "Ses04F_script02_1",
    }
)
"""The dialogues of sessions 1 to 4 in dev of the standard split: as many as COSMIC's. COSMIC stores its list in a form
that could not be read, so the two lists may differ. Other papers use other dev sets."""

_RELEASE = "the release (10,039 evaluated turns)"
_FOUR = "the literature on four emotions (5,531 utterances)"
_SIX = "the literature's six emotions by split (7,433 utterances, 53 of them happy only there)"


_SESSION = re.compile(r"Ses0([1-5])")


def compare(corpus: Corpus, *, labels: str, split: str) -> tuple[str, ...]:
    """Return differences from the published counts, or the missing sessions.

    Args:
        corpus: the corpus as read, or from the workspace.
        labels: the label set: `iemocap4`, `iemocap6`, or another without published counts.
        split: the value of the option `split`.
    """
    ids = [dialogue.id for dialogues in corpus.splits.values() for dialogue in dialogues]
    sessions = {name: int(session[1]) for name in ids if (session := _SESSION.match(name))}
    missing = sorted(set(FOUR_BY_SESSION) - set(sessions.values()))
    if missing:
        names = ", ".join(f"Session{number}" for number in missing)
        return (f"incomplete release: missing {names}",)
    utterances = [u for dialogues in corpus.splits.values() for dialogue in dialogues for u in dialogue.utterances]
    found = {"dialogues": len(ids), "utterances": len(utterances)} | Counter(
        str(u.row.get("raw_emotion")) for u in utterances
    )
    lines = differences(found, {"dialogues": DIALOGUES, "utterances": UTTERANCES, **EMOTIONS}, _RELEASE)
    labelled = [u for u in utterances if u.emotion is not None]
    if labels == "iemocap4":
        counted = Counter(name for u in labelled for name in (f"Session{sessions.get(u.dialogue)}", str(u.emotion)))
        four = {**FOUR, **{f"Session{number}": size for number, size in FOUR_BY_SESSION.items()}}
        return lines + differences(counted, four, _FOUR)
    if labels == "iemocap6" and split == "standard":
        by_split = {
            name: sum(u.emotion is not None for d in dialogues for u in d.utterances)
            for name, dialogues in corpus.splits.items()
        }
        return lines + differences(by_split, SIX_BY_SPLIT, _SIX)
    return lines
