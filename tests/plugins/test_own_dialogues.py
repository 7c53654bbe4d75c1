"""Splits, ids, labels and speakers of the user's own dialogues."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from own_tables import HEADER, ids, lines, read, texts, utterances, write

from ecef_cli.api.errors import DataError
from ecef_cli.cli.main import run
from ecef_datasets.jsonl import JsonLines, JsonLinesOptions


@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("train.csv", "val.csv", "test.csv"), ("train", "dev", "test")),
        (("train_sent_emo.csv", "dev_sent_emo.csv", "test_sent_emo.csv"), ("train", "dev", "test")),
        (("Training.csv", "validation.tsv", "Test_v2.csv"), ("train", "dev", "test")),
        (("callsTrain.csv", "calls-valid-2.csv", "eval.csv"), ("train", "dev", "test")),
        (("trn.csv", "eval.csv", "my test.csv"), ("train", "dev", "test")),
    ],
)
def test_a_word_of_a_files_name_is_its_split(tmp_path: Path, names: tuple[str, ...], splits: tuple[str, ...]) -> None:
    for name in names:
        table = lines(f"in {name},A,x,joy")
        write(tmp_path / name, table.replace(",", "\t") if name.endswith("tsv") else table)
    corpus = read(tmp_path)
    assert ids(corpus) == {split: [f"in {name}"] for name, split in zip(names, splits, strict=True)}
    told = [remark for remark in corpus.remarks if remark.startswith("splits by the names of files")]
    assert bool(told) is any("." in name and name.split(".")[0].casefold() not in _PLAIN for name in names)


_PLAIN = {"train", "training", "trn", "dev", "val", "valid", "validation", "test"}


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (("eval.csv",), "the name may mean dev or test"),
        (("train_dev.csv",), "the name reads like dev and train"),
        (("train.csv", "eval.csv"), "the name may mean dev or test"),
    ],
)
def test_a_name_that_may_mean_two_splits_stops_the_command(
    tmp_path: Path, names: tuple[str, ...], problem: str
) -> None:
    files = [write(tmp_path / name, lines(f"{name},A,x,joy")) for name in names]
    with pytest.raises(DataError, match=problem) as caught:
        read(*files)
    assert "--option splits_by_name=false" in str(caught.value)
    assert sum(map(len, ids(read(*files, splits_by_name=False)).values())) == len(names)


def test_a_file_that_is_no_split_beside_others_is_not_spread_over_them(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", lines())
    extra = write(tmp_path / "extra.csv", lines("e,A,x,joy"))
    [dropped] = read(tmp_path).dropped
    assert (dropped.where, dropped.reason) == (
        f"{extra}:2",
        "neither the file's name nor the row says a split, but the name of train.csv does",
    )


def test_ids_that_start_again_in_each_split_are_told_apart(tmp_path: Path) -> None:
    header = "dialogue,utterance,speaker,text,emotion"
    for name in ("train", "dev", "test"):
        write(
            tmp_path / f"{name}.csv",
            lines(f"0,0,A,{name},joy", f"0,1,B,{name},joy", f"1,0,A,{name},joy", header=header),
        )
    corpus = read(tmp_path)
    assert ids(corpus) == {split: [f"{split}_0", f"{split}_1"] for split in ("train", "dev", "test")}
    assert corpus.dropped == ()
    assert "ids of dialogues start again in each file, so they carry its name: '0' is now 'dev_0'" in corpus.remarks


def test_ids_that_are_distinct_already_stay(tmp_path: Path) -> None:
    write(tmp_path / "train.csv", lines("a,A,x,joy"))
    write(tmp_path / "test.csv", lines("b,A,x,joy"))
    assert ids(read(tmp_path)) == {"train": ["a"], "dev": [], "test": ["b"]}


def test_ids_may_start_again_in_each_split_of_one_file(tmp_path: Path) -> None:
    rows = [f"{split},0,{n},A,{split},joy" for split in ("train", "val", "test") for n in range(2)]
    path = write(tmp_path / "all.csv", lines(*rows, header="split,dialogue,utterance,speaker,text,emotion"))
    assert "pass --option ids=split if ids start again" in str(read(path).dropped[0].error)
    assert ids(read(path, ids="split")) == {"train": ["train_0"], "dev": ["dev_0"], "test": ["test_0"]}


def test_ids_may_start_again_in_each_file(tmp_path: Path) -> None:
    files = [write(tmp_path / folder / "call.csv", lines("0,A,x,joy")) for folder in ("a", "b")]
    assert "pass --option ids=file if ids start again" in str(read(*files).dropped[0].error)
    assert ids(read(*files, ids="file"))["train"] == ["call_0", "b_call_0"]


def test_numbers_that_go_back_are_told_and_sorted_on_request(tmp_path: Path) -> None:
    rows = [f"d,u{n},A,line {n},joy" for n in (0, 1, 10, 11, 2)]
    path = write(tmp_path / "a.csv", lines(*rows, header="dialogue,utterance,speaker,text,emotion"))
    corpus = read(path)
    assert texts(corpus)[-1] == "line 2"
    [told] = [remark for remark in corpus.remarks if "lower number" in remark]
    assert told.startswith(f"1 utterance has a lower number than the one before ({path}:6: 'u2' after 'u11')")
    assert "--option order=utterance" in told
    assert texts(read(path, order="utterance")) == [f"line {n}" for n in (0, 1, 2, 10, 11)]


def test_dialogues_are_sorted_by_start_on_request(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", lines("d,A,b,joy,7", "d,A,a,joy,3", header=f"{HEADER},start"))
    assert texts(read(path, order="start")) == ["a", "b"]
    write(path, lines("d,A,b,joy,7", "d,A,a,joy,", header=f"{HEADER},start"))
    with pytest.raises(DataError, match="order=start needs a start"):
        read(path, order="start")


LABELS = ("joy", "Joy", "JOY", "happiness", "neutral", "no_emotion", "neutral/none", "anger", "joy", "neutral")


def test_labels_that_may_be_the_same_are_refused_or_united(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", lines(*(f"d,A,x,{label}" for label in LABELS)))
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.problem == (
        "labels that may be the same: 'joy' (2), 'Joy' (1), 'JOY' (1), 'happiness' (1); "
        "'neutral' (2), 'no_emotion' (1), 'neutral/none' (1)"
    )
    assert "--option labels=fold" in (caught.value.hint or "")
    corpus = read(path, labels="fold")
    assert corpus.labels == ("joy", "neutral", "anger")
    assert "label: 'joy' also from 'Joy', 'JOY', 'happiness'" in corpus.remarks
    assert read(path, labels="fold,anger,JOY,neutral").labels == ("anger", "JOY", "neutral")
    assert set(read(path, labels=list(dict.fromkeys(LABELS))).labels) == set(LABELS)


def test_a_label_outside_the_named_ones_is_refused_with_the_way_to_unite_it(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", lines("d,A,x,joy", "d,A,x,Happy", "d,A,x,odd"))
    first, second = (str(lost.error) for lost in read(path, labels="joy").dropped)
    assert "unknown emotion 'Happy' (pass --option labels=fold,joy to unite spellings)" in first
    assert "unknown emotion 'odd' (known: joy)" in second
    assert [lost.reason for lost in read(path, labels="fold,joy").dropped] == ["unknown emotion 'odd'"]


def test_words_for_missing_values_are_no_labels(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", lines(*(f"d,A,x,{word}" for word in ("joy", "nan", "NaN", "None", "N/A", "", "none")))
    )
    corpus = read(path)
    assert (corpus.labels, [u.emotion for u in utterances(corpus)]) == (("joy",), ["joy", *[None] * 6])
    assert any(remark.startswith("5 rows: the emotion is a word for a missing value") for remark in corpus.remarks)
    assert read(path, missing="nan,n/a,NONE").labels == ("joy",)
    assert set(read(path, missing="nan,n/a", labels="fold").labels) == {"joy", "none"}
    assert read(path, missing="", labels="joy,nan,NaN,None,N/A,none").dropped == ()
    assert "none" in [u.emotion for u in utterances(read(path, labels="joy,none"))]


@pytest.mark.parametrize("cell", ['"{""choices"": [""joy""]}"', '"{""choices"": ""joy""}"', "\"['joy']\"", "joy "])
def test_an_annotation_with_one_choice_is_a_label(tmp_path: Path, cell: str) -> None:
    assert read(write(tmp_path / "a.csv", lines(f"d,A,x,{cell}"))).labels == ("joy",)


@pytest.mark.parametrize("cell", ['"{""choices"": [""joy"", ""surprise""]}"', "\"['joy', 'surprise']\""])
def test_an_annotation_with_several_choices_is_refused(tmp_path: Path, cell: str) -> None:
    [dropped] = read(write(tmp_path / "a.csv", lines("d,A,x,joy", f"d,A,x,{cell}"))).dropped
    assert dropped.reason.startswith("'emotion' has 2 labels: ")


def test_speakers_lose_invisible_differences_and_look_alikes_are_told(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv", lines(*(f"d,{name},x,joy" for name in ("Ross", "Ross ", "Ross\u200b", "ROSS", "Ann")))
    )
    corpus = read(path)
    assert [u.speaker for u in utterances(corpus)] == ["Ross", "Ross", "Ross", "ROSS", "Ann"]
    [told] = [remark for remark in corpus.remarks if "look alike" in remark]
    assert told.startswith(
        "speakers that look alike, but count as different: 'Ross', 'ROSS'; pass --option speakers=fold"
    )
    assert {u.speaker for u in utterances(read(path, speakers="fold"))} == {"Ross", "Ann"}


def test_a_table_without_emotions_is_an_unlabelled_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "calls.csv", lines("d0,A,x", "d1,A,y", header="dialogue,speaker,text"))
    work = ["--workspace", str(tmp_path / "work")]
    assert run([*work, "prepare", "csv", "--source", str(path), "--name", "calls"]) == 0
    said = capsys.readouterr().err
    assert "the dataset is unlabelled; you can tag it and predict on it" in said
    facts = json.loads((tmp_path / "work/calls/dataset.json").read_text())
    assert (facts["labels"], facts["counts"]["test"]["unlabelled"]) == ([], 2)
    assert run([*work, "prepare", "--check", "calls"]) == 0


def test_another_name_for_the_emotion_is_suggested(tmp_path: Path) -> None:
    path = write(tmp_path / "calls.csv", lines(header="dialogue,speaker,text,Feeling"))
    assert any("pass --option emotion=Feeling if another column holds it" in remark for remark in read(path).remarks)


def test_tolerance_is_not_offered_if_most_rows_fail_for_one_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"0,0,A,row {n},joy" for n in range(9)]
    path = write(tmp_path / "calls.csv", lines(*rows, header="dialogue,utterance,speaker,text,emotion"))
    command = ["--workspace", str(tmp_path / "work"), "prepare", "csv", "--source", str(path)]
    assert run(command) == 3
    said = capsys.readouterr().err
    assert f"8 of 9 rows of {path} fail in the same way" in said
    assert "--tolerate" not in said
    write(path, lines("0,0,A,x,joy", "0,0,A,y,joy", "0,1,A,z,joy", header="dialogue,utterance,speaker,text,emotion"))
    assert run(command) == 3
    assert "--tolerate 1 leaves it out" in capsys.readouterr().err


def test_dialogue_files_follow_the_same_rules(tmp_path: Path) -> None:
    def rows(*found: dict[str, object]) -> bytes:
        return "".join(json.dumps({"text": "x", **row}) + "\n" for row in found).encode()

    path = write(
        tmp_path / "a.jsonl", rows({"speaker": 0, "emotion": "joy "}, {"speaker": " 0\ufeff", "emotion": "nan"})
    )
    corpus = JsonLines(JsonLinesOptions(dev=0, test=0)).read([path])
    assert [(u.speaker, u.emotion) for u in utterances(corpus)] == [("0", "joy"), ("0", None)]
    text = '{"speaker": "A", "text": "Où est-il?", "emotion": "joy"}\n'
    write(path, text.encode("cp1252"))
    with pytest.raises(DataError, match=r"not UTF-8.*cp1252 \(Où\).*pass --option encoding="):
        raise JsonLines(JsonLinesOptions()).read([path]).dropped[0].error or AssertionError
    for encoding, raw in (("cp1252", text.encode("cp1252")), (None, text.encode("utf-16"))):
        write(path, raw)
        assert texts(JsonLines(JsonLinesOptions(encoding=encoding)).read([path])) == ["Où est-il?"]


def test_a_recording_in_another_case_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "one.wav", b"RIFF")
    if (tmp_path / "one.WAV").exists():
        pytest.skip("this file system ignores case")
    path = write(tmp_path / "a.csv", lines("d,A,x,joy,one.WAV", header=f"{HEADER},audio"))
    assert run(["--workspace", str(tmp_path / "work"), "prepare", "csv", "--source", str(path)]) == 3
    assert "there is no such file (the folder has 'one.wav': write it so;" in capsys.readouterr().err
