"""The reader of EmoryNLP, on small files in its two forms."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ecef_cli.api.errors import DataError
from ecef_cli.cli.main import run
from ecef_cli.testing import check_dataset
from ecef_datasets.emorynlp import CSV_FILES, EMOTIONS, JSON_FILES, LABELS, SCENES, EmoryNlp

if TYPE_CHECKING:
    from ecef_cli.api.components import Corpus

EPISODES = {"train": "s01_e02", "dev": "s01_e15", "test": "s02_e08"}
HEADER = ["Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode", "Sentiment"]
Said = tuple[list[str], str, str]

SCENE: list[Said] = [
    (["Ana Lopez"], "You kept it?", "Neutral"),
    (["Ben Ode", "Cy Fall"], "Of course!", "Joyful"),
    (["Ana Lopez"], "I'm scared.", "Scared"),
]


def utterance(scene: str, number: int, said: Said, **changed: Any) -> dict[str, Any]:
    speakers, text, emotion = said
    found = {
        "utterance_id": f"{scene}_u{number:03}",
        "speakers": speakers,
        "transcript": text,
        "tokens": [text.split()],
        "emotion": emotion,
        **changed,
    }
    return {key: value for key, value in found.items() if value is not ...}


def episodes(split: str, *scenes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = [
        {"scene_id": f"{EPISODES[split]}_c{number:02}", "utterances": utterances}
        for number, utterances in enumerate(scenes, start=1)
    ]
    return [{"episode_id": EPISODES[split], "scenes": found}]


def scene(split: str, number: int = 1, said: list[Said] = SCENE) -> list[dict[str, Any]]:
    name = f"{EPISODES[split]}_c{number:02}"
    return [utterance(name, position, line) for position, line in enumerate(said, start=1)]


def write_json(folder: Path, **changed: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, name in JSON_FILES.items():
        data = changed.get(split, {"episodes": episodes(split, scene(split))})
        (folder / name).write_text(json.dumps(data, indent=2), encoding="utf-8")
    return folder


def row(split: str, number: int, said: Said, **changed: Any) -> dict[str, Any]:
    speakers, text, emotion = said
    season, episode = (int(part[1:]) for part in EPISODES[split].split("_"))
    found = [text, str(speakers), emotion, 1, number, season, episode, "neutral"]
    return dict(zip(HEADER, found, strict=True)) | changed


def write_csv(folder: Path, header: list[str] = HEADER, **changed: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, name in CSV_FILES.items():
        rows = changed.get(split, [row(split, n, said) for n, said in enumerate(SCENE, start=1)])
        with (folder / name).open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, header, extrasaction="ignore")
            writer.writeheader()
            writer.writerows(rows)
    return folder


def reader() -> EmoryNlp:
    return EmoryNlp(EmoryNlp.Options())


def read(*sources: Path) -> Corpus:
    return reader().read(sources)


def test_both_forms_give_the_same_dialogues(tmp_path: Path) -> None:
    reader = EmoryNlp(EmoryNlp.Options())
    of_json = check_dataset(reader, [write_json(tmp_path / "json")])
    of_csv = check_dataset(reader, [write_csv(tmp_path / "csv")])
    assert of_json.splits == of_csv.splits
    [dialogue] = of_json.splits["train"]
    assert dialogue.id == "s01_e02_c01"
    assert [(u.utterance, u.speaker, u.text, u.emotion) for u in dialogue.utterances] == [
        (1, "Ana Lopez", "You kept it?", "neutral"),
        (2, "Ben Ode & Cy Fall", "Of course!", "joyful"),
        (3, "Ana Lopez", "I'm scared.", "scared"),
    ]
    for corpus in (of_json, of_csv):
        rows = [u.row for u in corpus.splits["train"][0].utterances]
        assert rows[0] == {"season": 1, "episode": 2}
        assert rows[1]["speakers"] == ["Ben Ode", "Cy Fall"]
        assert corpus.labels == LABELS
        assert {split: len(dialogues) for split, dialogues in corpus.splits.items()} == dict.fromkeys(EPISODES, 1)


def test_the_files_may_lie_in_the_repository_or_be_given_one_by_one(tmp_path: Path) -> None:
    flat = write_json(tmp_path / "flat")
    assert read(write_json(tmp_path / "repo" / "json").parent).splits == read(flat).splits
    assert read(*(flat / name for name in JSON_FILES.values())).splits == read(flat).splits
    assert read(write_csv(tmp_path / "meld" / "data" / "emorynlp").parents[1]).splits == read(flat).splits


def test_json_may_have_seasons_above_episodes_or_be_a_list(tmp_path: Path) -> None:
    parts = episodes("train", scene("train"))
    plain = read(write_json(tmp_path / "a")).splits
    assert (
        read(write_json(tmp_path / "b", train={"seasons": [{"season_id": "s01", "episodes": parts}]})).splits == plain
    )
    assert read(write_json(tmp_path / "c", train=[{"season_id": "s01", "episodes": parts}])).splits == plain
    assert read(write_json(tmp_path / "d", train=parts)).splits == plain


def test_rows_out_of_order_are_put_in_order(tmp_path: Path) -> None:
    rows = [row("train", n, SCENE[0]) for n in (10, 9, 2)] + [row("train", 1, SCENE[0], Scene_ID=3)]
    found = read(write_csv(tmp_path, train=[rows[3], *rows[:3]])).splits["train"]
    assert [(d.id, [u.utterance for u in d.utterances]) for d in found] == [
        ("s01_e02_c01", [2, 9, 10]),
        ("s01_e02_c03", [1]),
    ]


def test_files_that_are_missing_or_of_both_forms_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: emotion-detection-trn.json is missing "
        "(pass the folder that contains it, or the one that contains emorynlp_train_final.csv)"
    )
    write_csv(tmp_path)
    (tmp_path / CSV_FILES["dev"]).unlink()
    with pytest.raises(DataError, match=r"emorynlp_dev_final\.csv is missing"):
        read(tmp_path)
    with pytest.raises(DataError, match=r"found both the JSON and the CSV files \(pass the files of one form\)"):
        read(write_json(tmp_path))


NAME = "s01_e02_c01"


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        (utterance(NAME, 2, SCENE[0], emotion="Joyous"), "unknown emotion 'Joyous' (did you mean 'joyful'?)"),
        (utterance(NAME, 2, SCENE[0], emotion=...), "the utterance has no 'emotion'"),
        (utterance(NAME, 2, SCENE[0], transcript=3), "'transcript' must be a string, not 3"),
        (utterance(NAME, 2, SCENE[0], speakers="Ana"), "'speakers' must be a list of names, not \"Ana\""),
        (utterance(NAME, 1, SCENE[0]), "duplicate utterance 1 of s01_e02_c01, first at {path}:10"),
        (
            utterance(NAME, 2, (["Ana"], "a\x07b", "Sad")),
            "the text contains U+0007, which is not a character (save the",
        ),
        (
            utterance(NAME, 2, SCENE[0], utterance_id="u002"),
            "'utterance_id' must look like s01_e02_c03_u004, not 'u002'",
        ),
    ],
)
def test_a_broken_utterance_is_left_out_with_its_line(tmp_path: Path, bad: dict[str, Any], problem: str) -> None:
    good = scene("train")
    write_json(tmp_path, train={"episodes": episodes("train", [good[0], bad, good[2]])})
    path = tmp_path / JSON_FILES["train"]
    [line] = [n for n, text in enumerate(path.read_text().splitlines(), start=1) if "utterance_id" in text][1:2]
    corpus = read(tmp_path)
    [dropped] = corpus.dropped
    assert (dropped.split, dropped.item, dropped.where) == ("train", f"line {line}", f"{path}:{line}")
    assert str(dropped.error).startswith(f"{path}:{line}: {problem.format(path=path)}")
    assert [u.utterance for u in corpus.splits["train"][0].utterances] == [1, 3]


def test_an_utterance_without_an_id_is_placed_at_its_scene(tmp_path: Path) -> None:
    good = scene("train")
    bad = utterance(NAME, 2, SCENE[0], utterance_id=...)
    write_json(tmp_path, train={"episodes": episodes("train", [good[0], bad, good[2], "text"])})  # type: ignore[list-item]
    assert [str(d.error) for d in read(tmp_path).dropped] == [
        f"{tmp_path / JSON_FILES['train']}:7: the utterance has no 'utterance_id'",
        f"{tmp_path / JSON_FILES['train']}:7: the utterance is not a JSON object",
    ]


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        (
            {"Emotion": "happy"},
            "unknown emotion 'happy' (known: joyful, mad, neutral, peaceful, powerful, sad, scared)",
        ),
        ({"Emotion": ""}, "Emotion is empty"),
        ({"Speaker": "['Ana"}, "Speaker must be a list such as ['Joey Tribbiani'], not \"['Ana\""),
        ({"Speaker": "[1]"}, "Speaker must be a list such as ['Joey Tribbiani'], not '[1]'"),
        ({"Scene_ID": "c1"}, "Scene_ID must be a whole number, not 'c1'"),
        ({"Utterance_ID": 1}, "duplicate utterance 1 of s01_e02_c01, first at {path}:2"),
    ],
)
def test_a_broken_row_is_left_out_with_its_line(tmp_path: Path, changed: dict[str, Any], problem: str) -> None:
    rows = [row("train", 1, SCENE[0]), row("train", 2, SCENE[1], **changed), row("train", 3, SCENE[2])]
    path = write_csv(tmp_path, train=rows) / CSV_FILES["train"]
    corpus = read(tmp_path)
    [dropped] = corpus.dropped
    assert str(dropped.error) == f"{path}:3: {problem.format(path=path)}"
    assert [u.utterance for u in corpus.splits["train"][0].utterances] == [1, 3]


def test_a_plain_name_is_a_speaker_and_nobody_is_a_question_mark(tmp_path: Path) -> None:
    rows = [row("train", 1, SCENE[0], Speaker="Ana"), row("train", 2, SCENE[0], Speaker="[]")]
    [dialogue] = read(write_csv(tmp_path, train=rows)).splits["train"]
    assert [u.speaker for u in dialogue.utterances] == ["Ana", "?"]


def test_an_utterance_in_which_nothing_is_said_is_no_fault(tmp_path: Path) -> None:
    corpus = read(
        write_json(tmp_path, dev={"episodes": episodes("dev", scene("dev", 1, [SCENE[0], ([], " ", "Sad")]))})
    )
    assert [(d.item, d.reason, d.error) for d in corpus.dropped] == [("s01_e15_c01/2", "nothing is said", None)]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    header = ["SceneID" if name == "Scene_ID" else name for name in HEADER]
    with pytest.raises(DataError) as caught:
        read(write_csv(tmp_path, header))
    assert "emorynlp_train_final.csv:1: no column named 'Scene_ID'; found" in str(caught.value)


def test_what_is_no_json_or_holds_no_scene_is_an_error(tmp_path: Path) -> None:
    path = write_json(tmp_path) / JSON_FILES["dev"]
    path.write_text('{"episodes": [\n{"scenes": }\n]}')
    with pytest.raises(DataError, match=r"emotion-detection-dev\.json:2: not JSON: Expecting value"):
        read(tmp_path)
    path.write_text('{"episodes": []}')
    with pytest.raises(DataError, match=r"emotion-detection-dev\.json: contains no scene"):
        read(tmp_path)


def test_a_scene_in_two_splits_is_an_error_that_names_both_places(tmp_path: Path) -> None:
    write_json(tmp_path, test={"episodes": episodes("train", scene("train"))})
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    train, test = (tmp_path / JSON_FILES[split] for split in ("train", "test"))
    assert str(caught.value).startswith(f"{test}:10: scene s01_e02_c01 is in test here, but in train at {train}:10")


def test_misread_characters_are_mended_in_both_forms(tmp_path: Path) -> None:
    said: list[Said] = [(["Ana"], "HERE", "Sad")]
    for path in (
        write_json(tmp_path / "a", test={"episodes": episodes("test", scene("test", 1, said))}) / JSON_FILES["test"],
        write_csv(tmp_path / "b", test=[row("test", 1, said[0])]) / CSV_FILES["test"],
    ):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"HERE", b"I\x92m here"))
        corpus = read(path.parent)
        assert corpus.splits["test"][0].utterances[0].text == "I\u2019m here"
        assert corpus.repaired == {"Windows-1252 punctuation": 1}


def test_numbers_are_compared_with_those_published(tmp_path: Path) -> None:
    splits = {}
    for split, numbers in EMOTIONS.items():
        emotions = [label.title() for label, number in zip(LABELS, numbers, strict=True) for _ in range(number)]
        scenes = []
        for number in range(SCENES[split]):
            name = f"{EPISODES[split]}_c{number + 1:02}"
            lines = [([f"S{n % 3}"], "Hi.", emotion) for n, emotion in enumerate(emotions[number :: SCENES[split]])]
            scenes.append([utterance(name, n, line, tokens=...) for n, line in enumerate(lines, start=1)])
        splits[split] = {"episodes": episodes(split, *scenes)}
    assert {split: sum(numbers) for split, numbers in EMOTIONS.items()} == {"train": 9934, "dev": 1344, "test": 1328}
    assert reader().published(read(write_json(tmp_path, **splits))) == ()
    splits["dev"]["episodes"][0]["scenes"].pop()
    [remark] = reader().published(read(write_json(tmp_path, **splits)))
    assert remark.startswith("counts differ from emorynlp/emotion-detection: scenes in dev 98 instead of 99, ")


def test_prepare_goes_through(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_json(tmp_path / "json")
    assert run(["--workspace", str(tmp_path / "work"), "prepare", "emorynlp", "--source", str(source)]) == 0
    said = capsys.readouterr()
    assert '"split": "dev", "dialogues": 1, "utterances": 3, "neutral": 1, "joyful": 1' in said.out
    assert "counts differ from emorynlp/emotion-detection: scenes in train 1 instead of 713" in said.err
