"""Kill `ecef prepare` before it changes a file: it leaves the old dataset, the new one or none, and resumes.

Two readers are killed before every change, the others before three of them, or before all with `pytest --all`.
"""

from __future__ import annotations

import itertools
import json
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from iemocap_small import write_dialogue
from meld_archive import clip, raw, write
from meld_small import CLIPS, TABLES
from meld_tables import row as meld_row
from meld_tables import write_meld
from moments import CHANGES, NAMES, Moments, serving
from test_datasets_dailydialog import SMALL
from test_datasets_dailydialog import write as write_dailydialog
from test_datasets_emorynlp import SCENE, episodes, scene
from test_datasets_emorynlp import write_json as write_emorynlp

from ecef_cli.api.errors import DataError
from ecef_cli.cli.main import run as run_cli
from ecef_cli.corpus.manifest import Prepared, load_prepared
from ecef_cli.workspace import Workspace

NAME = "talk"


def _jsonl(folder: Path, number: int) -> list[object]:
    for split in ("train", "dev", "test")[:: number + 1]:  # the second has no dev
        lines = ({"dialogue": split, "speaker": "A", "text": f"{n} of {number}", "emotion": "joy"} for n in range(3))
        write(folder / f"{split}.jsonl", "".join(json.dumps(line) + "\n" for line in lines).encode())
    return ["--source", folder]


def _csv(folder: Path, number: int) -> list[object]:
    for split in ("train", "dev", "test")[: number + 1]:
        write(folder / f"{split}.csv", f"2024,speaker,emotion,dialogue\nHello.,A,joy,{split}{number}\n".encode())
    return ["--source", folder, "--option", "text=2024"]


def _dailydialog(folder: Path, number: int) -> list[object]:
    write_dailydialog(folder.parent / "both", test=[*SMALL["train"], ("Stop it ! __eou__", "1")])
    return ["--source", folder.parent / "both", "--option", f"duplicates={('keep', 'drop')[number]}"]


def _emorynlp(folder: Path, number: int) -> list[object]:
    said = SCENE[: 3 - number]
    return ["--source", write_emorynlp(folder, dev={"episodes": episodes("dev", scene("dev", said=said))})]


def _iemocap(folder: Path, number: int) -> list[object]:
    release = folder.parent / "IEMOCAP_full_release"
    for session in range(1, 6):
        write_dialogue(release, f"Ses0{session}F_impro01", recordings=session == 1)
    return ["--source", release, "--option", f"labels=iemocap{(4, 6)[number]}"]


def _meld(folder: Path, number: int) -> list[object]:
    return ["--source", write_meld(folder, dev=[meld_row(f"I am number {number}.")])]


def _meld_archive(folder: Path, number: int) -> list[object]:
    tables = {**TABLES, "dev": TABLES["dev"].replace(b"number 1", b"number %d" % (number + 1))}
    clips = {**CLIPS, "dev": {**CLIPS["dev"], "dia0_utt0.mp4": clip(0.6 + number / 10)}}
    return ["--source", write(folder / "MELD.Raw.tar.gz", raw(tables, clips)), "--workers", 1]


CORPORA: dict[str, Callable[[Path, int], list[object]]] = {
    "jsonl": _jsonl,
    "csv": _csv,
    "dailydialog": _dailydialog,
    "emorynlp": _emorynlp,
    "iemocap": _iemocap,
    "meld": _meld,
    "meld archive": _meld_archive,
}


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moments]:
    with serving(tmp_path_factory.getbasetemp()) as found:
        yield found


SWEPT = ("jsonl", "meld archive")
"""Readers that are always killed before every change: the plainest one, and the one that makes most files."""


@dataclass
class Case:
    """A corpus in two states, and the workspace in which a dataset is made of the first and then of the second.

    Attributes:
        every: whether to kill before every change, or before three of them.
    """

    work: Path
    capsys: pytest.CaptureFixture[str]
    old: list[str]
    new: list[str]
    every: bool = True

    def moments(self, *sample: int) -> Iterable[int]:
        """Return before which changes to kill."""
        return itertools.count(1) if self.every else sample

    def run(self, arguments: list[str], *further: str) -> tuple[int, str]:
        code = run_cli([*arguments, *further])
        return code, self.capsys.readouterr().err

    def load(self) -> tuple[Prepared, list[bytes]] | None:
        """Return the dataset with the bytes of its recordings, or None where there is none."""
        workspace = Workspace(self.work)
        if NAME not in workspace.datasets():
            with pytest.raises(DataError, match=rf"^the dataset '{NAME}' is not prepared in the workspace .*$"):
                load_prepared(workspace, NAME)
            return None
        prepared = load_prepared(workspace, NAME)
        paths = [u.audio for dialogues in prepared.splits.values() for d in dialogues for u in d.utterances]
        return prepared, [path.read_bytes() for path in paths if path is not None]

    def files(self) -> dict[str, bytes]:
        """Return what stands in every file; of what is known of archives, only that it is there."""
        found = {str(path.relative_to(self.work)): path for path in self.work.rglob("*") if path.is_file()}
        return {name: b"" if name.endswith("archives.json") else path.read_bytes() for name, path in found.items()}

    def times(self) -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in self.work.rglob("*") if path.is_file()}

    def nothing_to_do(self) -> None:
        before = self.times()
        code, said = self.run(self.new)
        assert code == 0, said
        assert "nothing to do" in said
        assert self.times() == before


@pytest.fixture(params=CORPORA)
def case(request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Case:
    work = tmp_path / "work"
    start = ["--workspace", str(work), "prepare", request.param.partition(" ")[0], "--name", NAME]
    old, new = (
        [*start, *map(str, CORPORA[request.param](tmp_path / f"source{number}", number))] for number in range(2)
    )
    return Case(work, capsys, old, new, every=request.param in SWEPT or request.config.getoption("all"))


def test_a_first_dataset_is_there_whole_or_not_at_all(case: Case, moments: Moments) -> None:
    assert case.run(case.new)[0] == 0
    whole, found = case.files(), case.load()
    assert not [name for name in whole if "/." in f"/{name}"]
    changes = NAMES if any(name.endswith(".flac") for name in whole) else CHANGES  # many files have many of these
    for moment in case.moments(1, 9, 20):
        shutil.rmtree(case.work)
        if not moments.killed(case.new, moment, changes):
            break
        assert case.load() in (None, found)
        code, said = case.run(case.new)
        assert code == 0, said
        assert case.files() == whole
    assert moment >= 20
    case.nothing_to_do()


def test_whenever_a_process_is_killed_it_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work, pick = tmp_path / "work", random.Random(0)
    rows = ({"dialogue": str(n // 9), "speaker": "AB"[n % 2], "text": f"{n}", "emotion": "joy"} for n in range(9_000))
    source = write(tmp_path / "train.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())
    arguments = ["--workspace", str(work), "prepare", "jsonl", "--name", NAME, "--source", str(source)]
    case = Case(work, capsys, arguments, arguments)
    command = (sys.executable, "-m", "ecef_cli", *arguments)
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    seconds = time.monotonic() - begun
    whole, found = case.files(), case.load()
    for share in (0.3, 0.5, 0.7, 0.8, 0.9, 1.0):
        shutil.rmtree(work)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(seconds * (share - pick.random() / 10))
            process.kill()
        assert case.load() in (None, found)
        code, said = case.run(arguments)
        assert code == 0, said
        assert case.files() == whole


def test_a_dataset_that_is_replaced_is_the_old_or_the_new_one_or_none(
    case: Case, moments: Moments, tmp_path: Path
) -> None:
    assert case.run(case.old)[0] == 0
    shutil.copytree(case.work, tmp_path / "before")
    old = case.load()
    code, said = case.run(case.new)
    assert code == 2
    assert "--force to replace it" in said
    assert case.load() == old
    assert case.run(case.new, "--force")[0] == 0
    whole, new = case.files(), case.load()
    assert not [name for name in whole if "/." in f"/{name}"]
    assert new not in (None, old)
    for moment in case.moments(1, 4, 8):
        shutil.rmtree(case.work)
        shutil.copytree(tmp_path / "before", case.work)
        if not moments.killed([*case.new, "--force"], moment):
            break
        found = case.load()
        assert found in (None, old, new)
        code, said = case.run(case.new)
        assert code == (2 if found == old else 0), said
        if found == old:
            assert case.load() == old
            assert case.run(case.new, "--force")[0] == 0
        assert case.files() == whole
        case.nothing_to_do()
    assert moment >= 8


@pytest.mark.parametrize("limit", [0, 100, 1_000, 4_000])
def test_a_disk_that_is_full_leaves_the_old_dataset(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    work, source = tmp_path / "work", tmp_path / "train.jsonl"
    arguments = ["--workspace", str(work), "prepare", "jsonl", "--name", NAME, "--source", str(source), "--force"]
    case = Case(work, capsys, arguments, arguments)
    for count in (1, 99):
        rows = ({"dialogue": str(n), "speaker": "A", "text": f"{n} of {count}", "emotion": "joy"} for n in range(count))
        write(source, "".join(json.dumps(row) + "\n" for row in rows).encode())
        if count == 1:
            assert case.run(arguments)[0] == 0
    old, before = case.load(), case.files()
    ended = subprocess.run(
        [sys.executable, "-m", "ecef_cli", *arguments],
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert ended.returncode == 1
    problem = f"ecef: {work / NAME}: cannot be written: File too large"
    cure = "the dataset is unchanged; fix this, or free some space, and run the command again"
    assert ended.stderr == f"{problem} ({cure})\n"
    assert case.load() == old
    assert {name: content for name, content in case.files().items() if "/." not in f"/{name}"} == before
    assert case.run(arguments)[0] == 0
    assert not [name for name in case.files() if "/." in f"/{name}"]
    assert case.load() != old
