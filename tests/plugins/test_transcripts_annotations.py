"""Readers of annotation files: TextGrid, ELAN, Label Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transcript_examples import EAF, LABELSTUDIO, LONG_TEXTGRID, SHORT_TEXTGRID, read_text, reader

from ecef_cli.api.errors import DataError
from ecef_cli.api.transcripts import TranscriptSource

MFA = SHORT_TEXTGRID.replace('"Ann"', '"words"').replace('"Bob"', '"phones"')


def test_tiers_of_a_textgrid_are_speakers_merged_in_time(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "textgrid", LONG_TEXTGRID)
    assert rows == [
        {"speaker": "Ann", "text": 'Did you say "five"?', "start": 0.0, "end": 1.2},
        {"speaker": "Bob", "text": "At 5 o'clock", "start": 1.0, "end": 6.5},
        {"speaker": "Ann", "text": "No = way", "start": 3.0, "end": 6.5},
    ]
    assert source.left_out == {"points of the tier 'clicks'": 1}
    assert source.remarks == ["2 rows start while another is spoken; rows are in the order of their start"]


def test_the_short_format_is_read_too(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "textgrid", SHORT_TEXTGRID)
    assert [(row["speaker"], row["text"], row["start"]) for row in rows] == [
        ("Ann", "Hello", 0.0),
        ("Bob", "Go away", 1.5),
    ]
    assert not source.remarks


def test_an_error_of_a_textgrid_has_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"call.TextGrid:14: a text where a number is expected"):
        read_text(tmp_path, "textgrid", SHORT_TEXTGRID.replace("\n1\n0\n1.2\n", '\n1\n0\n"soon"\n', 1))
    with pytest.raises(DataError, match=r"call.TextGrid:\d+: the TextGrid ends too early \(is the file cut off\?\)"):
        read_text(tmp_path, "textgrid", SHORT_TEXTGRID[: SHORT_TEXTGRID.index('"Go')])
    with pytest.raises(DataError, match=r"call.TextGrid: the TextGrid holds no tier"):
        read_text(tmp_path, "textgrid", LONG_TEXTGRID[:70])


def test_tiers_of_an_aligner_are_speech_only_if_they_are_chosen(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no tier of speech \(tiers: 'words', 'phones'; choose with --option tiers="):
        read_text(tmp_path, "textgrid", MFA)
    rows, source = read_text(tmp_path, "textgrid", MFA, tiers="words")
    assert [row["text"] for row in rows] == ["Hello"]
    assert source.left_out == {"intervals of the tier 'phones'": 1}


def test_a_tier_that_is_missing_is_an_error_that_lists_the_others(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no tier is called 'Cy' \(tiers: 'Ann', 'Bob'\)"):
        read_text(tmp_path, "textgrid", SHORT_TEXTGRID, tiers="Ann,Cy")


def test_tiers_of_elan_are_speakers_by_their_participant(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "eaf", EAF)
    assert rows == [
        {"speaker": "Ann", "text": "What would you like?", "start": 0.12, "end": 1.5},
        {"speaker": "Bob", "text": "Tea & cake, please", "start": 1.5, "end": 2.75},
    ]
    assert source.left_out == {"annotations of the dependent tier 'Ann-emotion'": 1}


def test_a_dependent_tier_of_elan_may_hold_the_emotions(tmp_path: Path) -> None:
    rows, source = read_text(tmp_path, "eaf", EAF, emotion="feeling")
    assert [row.get("emotion") for row in rows] == ["joy", None]
    assert not source.left_out
    with pytest.raises(DataError, match=r"no tier has the type 'mood' \(types: 'feeling', 'utterance'\)"):
        read_text(tmp_path, "eaf", EAF, emotion="mood")


def test_a_dependent_tier_of_elan_that_is_chosen_has_the_times_of_its_parent(tmp_path: Path) -> None:
    rows, _ = read_text(tmp_path, "eaf", EAF, tiers="Ann-emotion")
    assert rows == [{"speaker": "Ann-emotion", "text": "joy", "start": 0.12, "end": 1.5}]


def test_elan_that_is_cut_off_is_an_error_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"call.eaf:16: not XML.*is the file cut off\?"):
        read_text(tmp_path, "eaf", EAF[: EAF.index("</TIER>")])


def labelled(*tasks: dict[str, Any]) -> str:
    return json.dumps(tasks)


def test_a_task_of_label_studio_has_its_choice_as_emotion(tmp_path: Path) -> None:
    rows, _ = read_text(tmp_path, "labelstudio", labelled(*LABELSTUDIO))
    assert rows[0] == {"text": "so glad", "speaker": "B", "dialogue": "d1", "emotion": "joy"}
    assert [row.get("emotion") for row in rows] == ["joy", "anger", None]


def test_several_choices_are_the_error_of_a_row_and_equal_ones_are_not(tmp_path: Path) -> None:
    task = json.loads(json.dumps(LABELSTUDIO[0]))
    task["annotations"].append(json.loads(json.dumps(task["annotations"][0])))
    assert read_text(tmp_path, "labelstudio", labelled(task))[0][0]["emotion"] == "joy"
    task["annotations"][1]["result"][0]["value"]["choices"] = ["joy", "surprise"]
    (tmp_path / "project.json").write_text(labelled(task), encoding="utf-8")
    (found,) = reader("labelstudio").read(TranscriptSource.open(tmp_path / "project.json"))
    assert isinstance(found, DataError)
    assert found.problem == "several emotions: 'joy', 'surprise'"


def test_a_skipped_annotation_counts_for_nothing(tmp_path: Path) -> None:
    task = json.loads(json.dumps(LABELSTUDIO[0]))
    task["annotations"][0]["was_cancelled"] = True
    rows, source = read_text(tmp_path, "labelstudio", labelled(task))
    assert "emotion" not in rows[0]
    assert source.left_out == {"skipped annotations": 1}


def test_the_control_and_the_fields_can_be_named(tmp_path: Path) -> None:
    task = json.loads(json.dumps(LABELSTUDIO[0]))
    other = {"from_name": "topic", "to_name": "text", "type": "choices", "value": {"choices": ["bus"]}}
    task["annotations"][0]["result"].append(other)
    task["data"] = {"said": "so glad", "who": "Ann"}
    rows, _ = read_text(tmp_path, "labelstudio", labelled(task), text="said", speaker="who", choice="emotion")
    assert rows == [{"text": "so glad", "speaker": "Ann", "emotion": "joy"}]
    with pytest.raises(DataError, match=r"no field is called 'text' \(fields: 'said', 'who'"):
        read_text(tmp_path, "labelstudio", labelled(task), choice="emotion")


def test_paragraphs_of_a_task_are_a_dialogue_with_labels(tmp_path: Path) -> None:
    def region(first: str, last: str, label: str) -> dict[str, Any]:
        return {"type": "paragraphlabels", "value": {"start": first, "end": last, "paragraphlabels": [label]}}

    said = [{"author": "Ann", "text": "hi"}, {"author": "Bob", "text": "go"}, {"author": "Ann", "text": "oh"}]
    task = {
        "id": 7,
        "data": {"dialogue": said},
        "annotations": [{"result": [region("0", "0", "joy"), region("1", "2", "anger")]}],
    }
    assert read_text(tmp_path, "labelstudio", labelled(task))[0] == [
        {"dialogue": "7", "author": "Ann", "text": "hi", "speaker": "Ann", "emotion": "joy"},
        {"dialogue": "7", "author": "Bob", "text": "go", "speaker": "Bob", "emotion": "anger"},
        {"dialogue": "7", "author": "Ann", "text": "oh", "speaker": "Ann", "emotion": "anger"},
    ]


def test_the_short_export_has_its_label_under_the_name_of_the_control(tmp_path: Path) -> None:
    tasks = [
        {"id": 1, "annotation_id": 1, "annotator": 1, "text": "hi", "speaker": "A", "emotion": "joy"},
        {"id": 2, "annotation_id": 2, "annotator": 1, "text": "go", "speaker": "B", "emotion": {"choices": ["anger"]}},
        {"id": 3, "annotation_id": 3, "annotator": 1, "text": "oh", "speaker": "B"},
    ]
    rows, _ = read_text(tmp_path, "labelstudio", labelled(*tasks))
    assert [row.get("emotion") for row in rows] == ["joy", "anger", None]
