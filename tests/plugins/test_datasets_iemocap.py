"""The reader of IEMOCAP's release, on small trees in its form."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from recorded import record

from ecef_cli.cli import _run
from ecef_cli.errors import DataError
from ecef_cli.testing import check_dataset
from ecef_datasets.iemocap import Iemocap, IemocapOptions
from ecef_datasets.iemocap_published import DEV_DIALOGUES, EMOTIONS, FOUR_BY_SESSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ecef_cli.components import Corpus
    from ecef_cli.dialogue import Utterance

# Turn, start, end and label, in the order of an evaluation's file: one speaker after the other.
TURNS = [
    ("F000", 6.2901, 8.2357, "neu"),
    ("F001", 20.5, 22.0, "exc"),
    ("F002", 30.0, 31.0, "xxx"),
    ("M000", 10.01, 12.0, "hap"),
    ("M001", 24.0, 26.5, "fru"),
    ("M002", 32.0, 33.0, "oth"),
]


def evaluation(dialogue: str, turns: Sequence[tuple[str, float, float, str]]) -> str:
    lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for turn, start, end, emotion in turns:
        lines += [
            f"[{start:.4f} - {end:.4f}]\t{dialogue}_{turn}\t{emotion}\t[2.5000, 3.0000, 1.5000]",
            "C-E2:\tNeutral;\t()",
            "C-F1:\tNeutral; Other;\t(curious)",
            "A-E3:\tval 3; act 2; dom  2;\t()",
            "A-M1:\tval 3; act ; dom  1;\t(mild, [polite])",
            "",
        ]
    return "\n".join(lines) + "\n"


def transcription(dialogue: str, turns: Sequence[tuple[str, float, float, str]]) -> str:
    spoken = sorted(turns, key=lambda turn: turn[1])
    return "".join(f"{dialogue}_{t} [{s:08.4f}-{e:08.4f}]: {t} says: yes.\n" for t, s, e, _ in spoken)


def write_dialogue(
    release: Path,
    dialogue: str,
    turns: Sequence[tuple[str, float, float, str]] = TURNS,
    *,
    recordings: bool = False,
) -> Path:
    session = release / f"Session{dialogue[4]}"
    for folder, text in (("EmoEvaluation", evaluation), ("transcriptions", transcription)):
        path = session / "dialog" / folder / f"{dialogue}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text(dialogue, turns), encoding="utf-8")
    if recordings:
        for turn, start, end, _ in turns:
            record(session / "sentences/wav" / dialogue / f"{dialogue}_{turn}.wav", end - start)
    return session


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A release of five sessions, two dialogues each, with recordings in the first."""
    folder = tmp_path / "IEMOCAP_full_release"
    for number in range(1, 6):
        write_dialogue(folder, f"Ses0{number}F_impro01", recordings=number == 1)
        write_dialogue(folder, f"Ses0{number}M_impro01")
    return folder


def evaluations(release: Path, dialogue: str = "Ses01F_impro01") -> Path:
    return release / f"Session{dialogue[4]}" / "dialog/EmoEvaluation" / f"{dialogue}.txt"


def transcriptions(release: Path, dialogue: str = "Ses01F_impro01") -> Path:
    return release / f"Session{dialogue[4]}" / "dialog/transcriptions" / f"{dialogue}.txt"


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def reader(**options: object) -> Iemocap:
    return Iemocap(IemocapOptions.model_validate(options))


def read(*sources: Path, **options: object) -> Corpus:
    return reader(**options).read(sources)


def published(*sources: Path, **options: object) -> tuple[str, ...]:
    return reader(**options).published(read(*sources, **options))


def utterances(corpus: Corpus, dialogue: str = "Ses01F_impro01") -> tuple[Utterance, ...]:
    [found] = [d for dialogues in corpus.splits.values() for d in dialogues if d.id == dialogue]
    return found.utterances


def homes(corpus: Corpus) -> dict[str, list[str]]:
    return {split: [d.id for d in dialogues] for split, dialogues in corpus.splits.items()}


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
    assert {u.row["audio_fault"] for u in silent} == {"there is no recording of it"}
    assert corpus.remarks[0] == (
        "without a recording, text alone: 54 (Ses01M_impro01_F000, Ses01M_impro01_M000, Ses01M_impro01_F001, …)"
    )


def test_recordings_may_be_left_alone_or_be_missing_at_all(release: Path) -> None:
    without = read(release, audio=False)
    assert all(u.audio is None and "audio_fault" not in u.row for u in utterances(without))
    assert not [line for line in without.remarks if "recording" in line]
    copy = read(release / "Session2", release / "Session3")
    assert copy.remarks[0] == "no recording is there: text alone"


def test_the_standard_split_tests_on_session_5_and_validates_on_a_fixed_list(release: Path) -> None:
    write_dialogue(release, "Ses04F_script02_1")
    found = homes(read(release))
    assert found["test"] == ["Ses05F_impro01", "Ses05M_impro01"]
    assert found["dev"] == ["Ses01M_impro01", "Ses03F_impro01", "Ses04F_script02_1"]
    assert len(found["train"]) == 6
    assert len(DEV_DIALOGUES) == 12


@pytest.mark.parametrize("session", [1, 2, 3, 4, 5])
def test_each_session_may_be_the_one_that_is_left_out(release: Path, session: int) -> None:
    found = homes(read(release, split=f"loso{session}", dev=0.5))
    assert found["test"] == [f"Ses0{session}F_impro01", f"Ses0{session}M_impro01"]
    others = {str(number) for number in range(1, 6) if number != session}
    # Half of each other session, so that every speaker of dev is one of train.
    assert Counter(name[4] for name in found["dev"]) == Counter(others) == Counter(name[4] for name in found["train"])


def test_the_dev_dialogues_of_a_session_left_out_depend_on_the_seed_alone(release: Path) -> None:
    for number in range(2, 10):
        write_dialogue(release, f"Ses02F_impro0{number}")
    first = homes(read(release, split="loso1", dev=0.3))["dev"]
    assert sum(name.startswith("Ses02") for name in first) == 3
    assert homes(read(release, split="loso5", dev=0.3))["dev"] != first
    assert homes(read(release.parent, split="loso1", dev=0.3))["dev"] == first
    assert any(homes(read(release, split="loso1", dev=0.3, seed=seed))["dev"] != first for seed in (1, 2, 3))


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
        "(give the folder IEMOCAP_full_release, unpacked, or one above it)"
    )
    write_dialogue(tmp_path / "copy", "Ses03F_impro01")
    with pytest.raises(DataError, match=r"Session3 is there twice: .*\(give one of the two\)"):
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
        ("Ses01F_impro01_MXX0", "overlapping speech, which nobody evaluated", f"{path}:7"),
        ("Ses01F_impro01_FXX1", "overlapping speech, which nobody evaluated", f"{path}:8"),
        ("Ses01F_impro01_M009", "transcribed, and evaluated by nobody", f"{path}:9"),
        ("line 10", "a line of a transcription that names no utterance", f"{path}:10"),
    ]
    assert not any(d.error for d in corpus.dropped)
    assert len(utterances(corpus)) == 6


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "[6.2901 - 8.2357]\t",
            "6.2901 - 8.2357\t",
            "not a turn's evaluation (such a line reads [START - END] TURN EMOTION [V, A, D])",
        ),
        (
            "neu\t[2.5000, 3.0000, 1.5000]",
            "neu\t[2.5000, 3.0000",
            "not a turn's evaluation (such a line reads [START - END] TURN EMOTION [V, A, D])",
        ),
        ("\tneu\t", "\tnue\t", "unknown emotion 'nue' (did you mean 'neu'?)"),
        ("Ses01F_impro01_F000", "Ses01F_impro02_F000", "'Ses01F_impro02_F000' is no turn of Ses01F_impro01"),
        ("Ses01F_impro01_F000", "Ses01F_impro01_X000", "'Ses01F_impro01_X000' is no turn of Ses01F_impro01"),
        ("- 8.2357]", "- 6.2901]", "the turn ends at 6.2901 s and starts at 6.2901 s"),
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
    assert [d.reason for d in corpus.dropped[1:]] == ["transcribed, and evaluated by nobody"]


def test_a_turn_that_is_evaluated_or_transcribed_twice_counts_once(release: Path) -> None:
    heard, said = evaluations(release), transcriptions(release)
    for path in (heard, said):
        lines = [line for line in path.read_text().splitlines() if "_F001" in line]
        with path.open("a") as stream:
            stream.write(lines[0] + "\n")
    corpus = read(release)
    assert [str(d.error) for d in corpus.dropped] == [
        f"{heard}:39: Ses01F_impro01_F001 stands here again, first at {heard}:9",
        f"{said}:7: the text of Ses01F_impro01_F001 stands here again",
    ]
    assert len(utterances(corpus)) == 6


def test_a_turn_without_a_text_lives_on_its_recording_alone(release: Path) -> None:
    for dialogue in ("Ses01F_impro01", "Ses02F_impro01"):
        replace(transcriptions(release, dialogue), f"{dialogue}_M000 [010.0100-012.0000]: M000 says: yes.\n", "")
    path = transcriptions(release, "Ses02F_impro01")
    corpus = check_dataset(reader(), [release])
    heard = utterances(corpus)[1]
    assert (heard.utterance, heard.text, heard.row["text_fault"]) == ("M000", "", "there is no transcription of it")
    assert "without a transcription, recording alone: 1 (Ses01F_impro01_M000)" in corpus.remarks
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
    assert str(broken.error) == f"{path}:3: not a turn's text (such a line reads TURN [START-END]: TEXT)"


def test_misread_characters_are_mended_and_the_unreadable_named(release: Path) -> None:
    path = transcriptions(release)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"F000 says: yes", b"I\x92m here").replace(b"F001 says: yes", b"a\x07b"))
    corpus = read(release)
    assert utterances(corpus)[0].text == "I\u2019m here."
    assert corpus.repaired == {"Windows-1252 punctuation": 1}
    [broken] = [d for d in corpus.dropped if d.error]
    assert broken.error.problem == "the text holds U+0007, which is no character"
    assert broken.where == f"{path}:3"


def whole_release() -> Iterator[tuple[str, list[tuple[str, float, float, str]]]]:
    """Yield dialogues and their turns such that all that is published of the release is so."""
    sizes = {1: 28, 2: 30, 3: 32, 4: 30, 5: 31}
    pools = {label: [label] * number for label, number in EMOTIONS.items()}
    four = [label for name in ("hap", "exc", "neu", "ang", "sad") for label in pools.pop(name)]
    others = [label for pool in pools.values() for label in pool]
    for session, dialogues in sizes.items():
        quota, four = four[: FOUR_BY_SESSION[session]], four[FOUR_BY_SESSION[session] :]
        share = len(others) // (6 - session)
        labels, others = quota + others[:share], others[share:]
        named = sorted(name for name in DEV_DIALOGUES if name[4] == str(session))
        names = named + [f"Ses0{session}F_script04_{n}" for n in range(dialogues - len(named))]
        for number, name in enumerate(names):
            mine = labels[number::dialogues]
            yield name, [(f"M{n:03}", n + 0.5, n + 1.25, label) for n, label in enumerate(mine)]


def test_the_whole_release_is_compared_with_what_is_published(tmp_path: Path) -> None:
    release = tmp_path / "IEMOCAP_full_release"
    for name, turns in whole_release():
        write_dialogue(release, name, turns)
    assert published(release, audio=False) == ()
    [remark] = published(release, audio=False, labels="iemocap6")
    assert remark.startswith(
        "numbers that are not those of the literature's six emotions by split "
        "(7,433 utterances, 53 of them happy there alone): train "
    ), "the release has 7,380 utterances of them"
    path = evaluations(release, "Ses01F_script04_3")
    path.write_text(path.read_text().replace("\thap\t", "\tsad\t", 1))
    every, four = published(release, audio=False)
    assert every == (
        "numbers that are not those of the release (10,039 evaluated turns): hap 594 for 595, sad 1,085 for 1,084"
    )
    assert four == (
        "numbers that are not those of the literature on four emotions (5,531 utterances): "
        "happy 1,635 for 1,636, sad 1,085 for 1,084"
    )


def test_a_part_of_the_release_is_said_to_be_one(release: Path) -> None:
    [line] = published(release / "Session1", release / "Session5")
    assert line == "not the whole release: without Session2, Session3, Session4"


@pytest.mark.parametrize("options", [["split=standard"], ["split=loso2", "seed=3"], ["labels=iemocap6"]])
def test_a_prepared_release_is_compared_again_with_the_options_that_it_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str]
) -> None:
    release = tmp_path / "IEMOCAP_full_release"
    for name, turns in whole_release():
        write_dialogue(release, name, turns)
    work = ["--workspace", str(tmp_path / "work"), "prepare"]
    given = [part for option in options for part in ("--option", option)]
    assert _run([*work, "iemocap", "--source", str(release), "--option", "audio=false", *given]) == 0
    facts = json.loads((tmp_path / "work" / "iemocap" / "dataset.json").read_text())
    said = capsys.readouterr().err
    assert all(f"warning: {line}" in said for line in facts.get("published", ()))
    assert _run([*work, "--check", "iemocap"]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["problems"] == facts.get("published", [])
    assert found["status"] == ("noted" if "labels=iemocap6" in options else "passed")


@pytest.mark.parametrize("options", [{"labels": "iemocap5"}, {"split": "loso6"}, {"dev": 0.2}, {"seed": 1}, {"x": 1}])
def test_senseless_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        IemocapOptions.model_validate(options)


def test_prepare_goes_through_and_says_what_it_found(release: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wav = release / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    wav.write_bytes(b"no sound")
    work = ["--workspace", str(release.parent / "work"), "prepare", "iemocap", "--source", str(release.parent)]
    assert _run([*work]) == 3
    assert f"recording {wav}" in capsys.readouterr().err
    assert _run([*work, "--tolerate", "1", "--option", "labels=iemocap6", "--option", "split=loso2"]) == 0
    said = capsys.readouterr()
    assert f"left with text alone 1: recording {wav}: is no audio that can be read (" in said.err
    assert "numbers that are not those of the release" in said.err
    assert '"split": "test", "dialogues": 2, "utterances": 12, "unlabelled": 4' in said.out
