"""The reader of IEMOCAP's release, on small trees in its form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from narrow import present

from ecef_cli.api.errors import DataError
from ecef_cli.testing import check_dataset

if TYPE_CHECKING:
    pass

# Turn, start, end and label, in the order of an evaluation's file: one speaker after the other.

from iemocap_small import evaluations, homes, read, reader, replace, transcriptions, utterances, write_dialogue

pytest_plugins = ["iemocap_fixtures"]


@pytest.mark.parametrize("labels", ["iemocap4", "iemocap6", "all"])
def test_the_reader_keeps_its_contract(release: Path, labels: str) -> None:
    corpus = check_dataset(reader(labels=labels), [release])
    assert corpus.dropped == ()
    assert len(corpus.sources) == 20


def test_turns_are_put_in_the_order_of_speech_and_speakers_named_by_session(release: Path) -> None:
    found = utterances(read(release))
    assert [u.utterance for u in found] == ["F000", "M000", "F001", "M001", "F002", "M002"]
    assert [u.speaker for u in found] == ["Ses01F", "Ses01M"] * 3
    assert found[1].text == "M000 says: yes."
    assert found[0].row == {
        "raw_emotion": "neu",
        "valence": 2.5,
        "activation": 3.0,
        "dominance": 1.5,
        "dialogue_start": 6.2901,
        "dialogue_end": 8.2357,
    }


def test_four_emotions_take_excited_for_happy_and_six_do_not(release: Path) -> None:
    four, six = read(release), read(release, labels="iemocap6")
    assert four.labels == ("neutral", "happy", "angry", "sad")
    assert six.labels == ("happy", "sad", "neutral", "angry", "excited", "frustrated")
    assert [u.emotion for u in utterances(four)] == ["neutral", "happy", "happy", None, None, None]
    assert [u.emotion for u in utterances(six)] == ["neutral", "happy", "excited", "frustrated", None, None]
    assert [u.row["raw_emotion"] for u in utterances(four)] == ["neu", "hap", "exc", "fru", "xxx", "oth"]


def test_all_emotions_of_the_release_may_be_kept_and_disagreement_is_none(release: Path) -> None:
    every = read(release, labels="all")
    assert len(every.labels) == 10
    felt = ["neutral", "happy", "excited", "frustrated", None, "other"]
    assert [u.emotion for u in utterances(every)] == felt


def test_recordings_are_taken_where_they_are_and_the_rest_is_text(release: Path) -> None:
    corpus = read(release)
    heard, silent = utterances(corpus), utterances(corpus, "Ses02M_impro01")
    wavs = release / "Session1/sentences/wav/Ses01F_impro01"
    assert [u.audio for u in heard] == [wavs / f"Ses01F_impro01_{u.utterance}.wav" for u in heard]
    assert all(u.start is u.end is None for u in heard), "each recording is of one utterance"
    assert {u.row["audio_fault"] for u in silent} == {"recording missing"}
    assert corpus.remarks[0] == (
        "without a recording, text only: 54 (Ses01M_impro01_F000, Ses01M_impro01_M000, Ses01M_impro01_F001, …)"
    )


def test_recordings_may_be_left_alone_or_be_missing_at_all(release: Path) -> None:
    without = read(release, audio=False)
    assert all(u.audio is None and "audio_fault" not in u.row for u in utterances(without))
    assert not [line for line in without.remarks if "recording" in line]
    copy = read(release / "Session2", release / "Session3")
    assert copy.remarks[0] == "no recordings: text only"


def test_the_release_is_found_from_a_folder_above_and_a_session_by_itself(release: Path) -> None:
    above = release.parent / "corpora" / "speech"
    above.mkdir(parents=True)
    release.rename(above / "IEMOCAP_full_release")
    assert homes(read(above.parent)) == homes(read(above)) == homes(read(above / "IEMOCAP_full_release"))
    assert homes(read(above / "IEMOCAP_full_release/Session5"))["train"] == []


def test_the_release_is_found_from_where_one_stands(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, train in ((release.parent, 6), (release, 6), (release / "Session1", 1)):
        monkeypatch.chdir(place)
        assert len(homes(read(Path()))["train"]) == train


def test_files_of_a_mac_and_of_anything_else_are_passed_over(release: Path) -> None:
    before = read(release)
    for path in (evaluations(release), transcriptions(release)):
        (path.parent / f"._{path.name}").write_bytes(b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X")
    (evaluations(release).parent / "notes.txt").write_text("no dialogue")
    wav = release / "Session1/sentences/wav/Ses01F_impro01"
    (wav / "._Ses01F_impro01_F000.wav").write_bytes(b"\x00\x05\x16\x07")
    (evaluations(release).parent / "Categorical").mkdir()
    (evaluations(release).parent / "Categorical" / "Ses01F_impro01_e1_cat.txt").write_text("F000 :Anger; ()\n")
    assert read(release) == before


def test_a_place_without_the_release_is_explained(tmp_path: Path, release: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(DataError) as caught:
        read(empty)
    assert str(caught.value) == (
        f"{empty}: no Session1 to Session5 with files in dialog/EmoEvaluation "
        "(pass the unpacked folder IEMOCAP_full_release, or one above it)"
    )
    write_dialogue(tmp_path / "copy", "Ses03F_impro01")
    with pytest.raises(DataError, match=r"two folders are called Session3: .*\(pass only one of them\)"):
        read(tmp_path)


def test_a_transcription_that_is_missing_is_an_error(release: Path) -> None:
    path = transcriptions(release, "Ses03M_impro01")
    path.unlink()
    with pytest.raises(DataError) as caught:
        read(release)
    assert str(caught.value) == (
        f"{path}: the transcription of Ses03M_impro01 is missing "
        "(the release has a file in dialog/transcriptions for each in dialog/EmoEvaluation)"
    )


def test_lines_that_nobody_evaluated_are_left_out_and_are_no_fault(release: Path) -> None:
    path = transcriptions(release)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(
            "Ses01F_impro01_MXX0 [-01.0000--01.0000]: And then\n"
            "Ses01F_impro01_FXX1 [033.5000-034.0000]: No, I\n"
            "Ses01F_impro01_M009 [035.0000-036.0000]: Bye.\n"
            "M: [LAUGHTER]\n"
            "\n"
        )
    corpus = check_dataset(reader(), [release])
    assert [(d.item, d.reason, d.where) for d in corpus.dropped] == [
        ("Ses01F_impro01_MXX0", "overlapping speech without an evaluation", f"{path}:7"),
        ("Ses01F_impro01_FXX1", "overlapping speech without an evaluation", f"{path}:8"),
        ("Ses01F_impro01_M009", "transcribed but not evaluated", f"{path}:9"),
        ("line 10", "a transcription line without an utterance id", f"{path}:10"),
    ]
    assert not any(d.error for d in corpus.dropped)
    assert len(utterances(corpus)) == 6


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "[6.2901 - 8.2357]\t",
            "6.2901 - 8.2357\t",
            "not a turn's evaluation (expected [START - END] TURN EMOTION [V, A, D])",
        ),
        (
            "neu\t[2.5000, 3.0000, 1.5000]",
            "neu\t[2.5000, 3.0000",
            "not a turn's evaluation (expected [START - END] TURN EMOTION [V, A, D])",
        ),
        ("\tneu\t", "\tnue\t", "unknown emotion 'nue' (did you mean 'neu'?)"),
        ("Ses01F_impro01_F000", "Ses01F_impro02_F000", "'Ses01F_impro02_F000' is not a turn of Ses01F_impro01"),
        ("Ses01F_impro01_F000", "Ses01F_impro01_X000", "'Ses01F_impro01_X000' is not a turn of Ses01F_impro01"),
        ("- 8.2357]", "- 6.2901]", "the turn ends at 6.2901 s but starts at 6.2901 s"),
    ],
)
def test_a_broken_evaluation_is_left_out_with_its_line(release: Path, old: str, new: str, problem: str) -> None:
    path = evaluations(release)
    replace(path, old, new)
    corpus = check_dataset(reader(), [release])
    broken = corpus.dropped[0]
    assert (broken.split, broken.item, broken.where) == ("train", "line 3", f"{path}:3")
    assert str(broken.error) == f"{path}:3: {problem}"
    assert [u.utterance for u in utterances(corpus)] == ["M000", "F001", "M001", "F002", "M002"]
    # What was said in it is left over.
    assert [d.reason for d in corpus.dropped[1:]] == ["transcribed but not evaluated"]


def test_a_turn_that_is_evaluated_or_transcribed_twice_counts_once(release: Path) -> None:
    heard, said = evaluations(release), transcriptions(release)
    for path in (heard, said):
        lines = [line for line in path.read_text().splitlines() if "_F001" in line]
        with path.open("a") as stream:
            stream.write(lines[0] + "\n")
    corpus = read(release)
    assert [str(d.error) for d in corpus.dropped] == [
        f"{heard}:39: duplicate turn Ses01F_impro01_F001, first at {heard}:9",
        f"{said}:7: duplicate text of Ses01F_impro01_F001",
    ]
    assert len(utterances(corpus)) == 6


def test_a_turn_without_a_text_lives_on_its_recording_alone(release: Path) -> None:
    for dialogue in ("Ses01F_impro01", "Ses02F_impro01"):
        replace(transcriptions(release, dialogue), f"{dialogue}_M000 [010.0100-012.0000]: M000 says: yes.\n", "")
    path = transcriptions(release, "Ses02F_impro01")
    corpus = check_dataset(reader(), [release])
    heard = utterances(corpus)[1]
    assert (heard.utterance, heard.text, heard.row["text_fault"]) == ("M000", "", "transcription missing")
    assert "without a transcription, recording only: 1 (Ses01F_impro01_M000)" in corpus.remarks
    [dropped] = corpus.dropped
    where = f"{evaluations(release, 'Ses02F_impro01')}:21"
    assert (dropped.item, dropped.where) == ("Ses02F_impro01_M000", where)
    assert str(dropped.error) == (
        f"{where}: Ses02F_impro01_M000 has no text in Ses02F_impro01.txt, and no recording (add its line to {path})"
    )


def test_a_transcriptions_line_that_is_cut_off_is_broken(release: Path) -> None:
    path = transcriptions(release)
    replace(path, "F001 [020.5000-022.0000]: F001 says: yes.", "F001 [020.50")
    [broken] = [d for d in read(release).dropped if d.error]
    assert str(broken.error) == f"{path}:3: not a turn's text (expected TURN [START-END]: TEXT)"


def test_misread_characters_are_mended_and_the_unreadable_named(release: Path) -> None:
    path = transcriptions(release)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"F000 says: yes", b"I\x92m here").replace(b"F001 says: yes", b"a\x07b"))
    corpus = read(release)
    assert utterances(corpus)[0].text == "I\u2019m here."
    assert corpus.repaired == {"Windows-1252 punctuation": 1}
    [broken] = [d for d in corpus.dropped if d.error]
    assert present(broken.error).problem == "the text contains U+0007, which is not a character"
    assert broken.where == f"{path}:3"
