"""The reader of a corpus that the documentation shows is a plugin that works."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

from ecef_cli.testing import check_dataset

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "write-a-plugin.md"
LIMIT = 60  # lines of code

FRIENDS: dict[str, list[list[tuple[object, str, str]]]] = {
    "train": [
        [("Ana", "You kept it!", "joy"), ("Ben", "Of course.", "neutral")],
        [("Cy", "Oh no.", "sadness"), ("Ana", "?!", "surprized")],
    ],
    "dev": [[("Ben", "Ugh.", "disgust")]],
    "test": [[("Ben", "Ha.", "non-neutral"), ("Cy", "", "neutral"), (3, "Go.", "anger")]],
}


def shown() -> dict[str, str]:
    """Return the files of the example by name: each stands indented below its name and a colon."""
    section = PAGE.read_text(encoding="utf-8").partition("### A reader of a corpus\n")[2].partition("\n### ")[0]
    blocks = re.findall(r"`([\w./]+)`:\n\n((?:(?: {4}.*)?\n)+)", section)
    return {name: dedent(block).strip() + "\n" for name, block in blocks}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder in which the example lies as `pip install` leaves it: its package, and what its metadata names."""
    files = shown()
    project = tomllib.loads(files["pyproject.toml"])["project"]
    for name, text in files.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    info = tmp_path / "site" / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{key} = {value}\n" for key, value in project["entry-points"]["ecef"].items())
    (info / "entry_points.txt").write_text(f"[ecef]\n{points}")
    return tmp_path / "site"


@pytest.fixture
def friends(tmp_path: Path) -> Path:
    folder = tmp_path / "Friends"
    folder.mkdir()
    for split, dialogues in FRIENDS.items():
        lines = [[dict(zip(("speaker", "utterance", "emotion"), said, strict=True)) for said in d] for d in dialogues]
        (folder / f"friends_{split}.json").write_text(json.dumps(lines), encoding="utf-8")
    return folder


def ecef(site: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "ecef_cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(site), "ECEF_STRICT_PLUGINS": "1"},
    )


def test_the_example_is_as_short_as_it_claims() -> None:
    assert set(shown()) == {"pyproject.toml", "ecef_emotionlines/__init__.py", "ecef_emotionlines/reader.py"}
    assert sum(len(text.splitlines()) for text in shown().values()) <= LIMIT


def test_the_example_keeps_the_contract_of_readers(site: Path, friends: Path) -> None:
    spec = importlib.util.spec_from_file_location("emotionlines_example", site / "ecef_emotionlines" / "reader.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    corpus = check_dataset(module.EmotionLines(module.EmotionLines.Options()), [friends])
    assert [len(d.utterances) for d in corpus.splits["train"]] == [2, 1]
    assert [u.speaker for u in corpus.splits["test"][0].utterances] == ["Ben", "3"]
    assert [str(d.error) for d in corpus.dropped] == [
        f"{friends / 'friends_train.json'}: dialogue 2, line 2: unknown emotion 'surprized' (did you mean 'surprise'?)",
        f"{friends / 'friends_test.json'}: dialogue 1, line 2: nothing is said",
    ]


def test_the_example_says_where_a_file_is_no_json(site: Path, friends: Path, tmp_path: Path) -> None:
    (friends / "friends_dev.json").write_text('[\n  [{"speaker": "Ben",]\n]')
    done = ecef(site, "--workspace", tmp_path / "work", "prepare", "emotionlines", "--source", friends)
    assert done.returncode == 3
    assert done.stderr.startswith(f"ecef: {friends / 'friends_dev.json'}:2: not JSON: ")
    assert done.stderr.count("\n") == 1


def test_prepare_finds_the_example_by_its_entry_point(site: Path, friends: Path, tmp_path: Path) -> None:
    listed = ecef(site, "plugins")
    assert "EmotionLines, from its JSON files" in listed.stdout, listed.stderr
    command = ["--workspace", tmp_path / "work", "prepare", "emotionlines", "--source", friends]
    assert ecef(site, *command).returncode == 3
    done = ecef(site, *command, "--tolerate", "2")
    assert done.returncode == 0, done.stderr
    counts = json.loads((tmp_path / "work/emotionlines/dataset.json").read_text())["counts"]
    assert {split: numbers["utterances"] for split, numbers in counts.items()} == {"train": 3, "dev": 1, "test": 2}
