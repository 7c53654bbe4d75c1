"""`ecef prepare` twice at once: one dataset whole, and shared downloads that stay whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from meld_archive import raw, write
from meld_small import CLIPS, EVERY, TABLES
from moments import Moments, serving
from web_server import Handler, WebServer, status

from ecef_cli.cli.main import run
from ecef_cli.corpus.manifest import load_prepared
from ecef_cli.workspace import Workspace

BUSY = "is in use by another process"


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moments]:
    with serving(tmp_path_factory.getbasetemp()) as found:
        yield found


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Sixty dialogues, which the option `seed` distributes over the splits."""
    rows = ({"dialogue": str(n // 3), "speaker": "AB"[n % 2], "text": f"{n}", "emotion": "joy"} for n in range(180))
    return write(tmp_path / "talk.jsonl", "".join(json.dumps(row) + "\n" for row in rows).encode())


def arguments(work: Path, source: Path, *further: str) -> list[str]:
    return ["--workspace", str(work), "prepare", "jsonl", "--name", "talk", "--source", str(source), *further]


def files(work: Path) -> dict[str, bytes]:
    return {str(path.relative_to(work)): path.read_bytes() for path in work.rglob("*") if path.is_file()}


def at_once(*commands: list[str]) -> list[tuple[int, str]]:
    """Run commands at once, and return how each ended and what it said."""
    start = [sys.executable, "-m", "ecef_cli"]
    processes = [
        subprocess.Popen([*start, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    said = [process.communicate()[1] for process in processes]
    return [(process.returncode, text) for process, text in zip(processes, said, strict=True)]


@pytest.mark.parametrize("moment", [1, 4, 9], ids=["writing", "deciding", "settling"])
def test_the_second_is_told_who_is_at_it_and_changes_nothing(
    tmp_path: Path, source: Path, moments: Moments, capsys: pytest.CaptureFixture[str], moment: int
) -> None:
    work = tmp_path / "work"
    run(arguments(work, source))
    first, second = (arguments(work, source, "--option", f"seed={seed}", "--force") for seed in (1, 2))
    with moments.halted(first, moment) as process:
        before = files(work)
        capsys.readouterr()
        assert run(second) == 1
        told = f"ecef: the dataset 'talk' {BUSY}, {process} on {os.uname().nodename} (wait until it has ended)\n"
        assert capsys.readouterr().err == told
        assert files(work) == before
    assert run(arguments(work, source, "--option", "seed=1")) == 0
    assert "nothing to do" in capsys.readouterr().err
    assert run(second) == 0


def test_of_two_with_the_same_sources_both_find_the_same(tmp_path: Path, source: Path) -> None:
    assert run(arguments(tmp_path / "alone", source)) == 0
    work = tmp_path / "work"
    ends = at_once(*[arguments(work, source)] * 2)
    assert 0 in {code for code, _ in ends}
    for code, said in ends:
        assert code == 0 or (code == 1 and BUSY in said)
    assert files(work) == files(tmp_path / "alone")


def test_of_two_with_different_options_one_wins_whole(tmp_path: Path, source: Path) -> None:
    options = [("--force", "--option", f"seed={seed}") for seed in (1, 2)]
    whole = []
    for number, option in enumerate(options):
        assert run(arguments(tmp_path / f"alone{number}", source, *option)) == 0
        whole.append(files(tmp_path / f"alone{number}"))
    assert whole[0] != whole[1]
    for _ in range(3):
        ends = at_once(*(arguments(tmp_path / "work", source, *option) for option in options))
        assert 0 in {code for code, _ in ends}
        for code, said in ends:
            assert code == 0 or (code == 1 and BUSY in said)
        assert files(tmp_path / "work") in whole


def test_two_of_different_names_share_what_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = raw({}, CLIPS)

    def answer(handler: Handler) -> None:
        table = next((TABLES[split] for split in TABLES if f"/{split}_" in handler.path), None)
        status(200, archive if table is None else table, {"ETag": '"1"'})(handler)

    for name in ("ECEF_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("ECEF_CACHE", str(tmp_path / "cache"))
    server = WebServer()
    try:
        server.reply = answer
        given = ("--option", f"tables={server.address}/data", "--option", f"archive={server.address}/MELD.Raw.tar.gz")
        commands = [
            ["--workspace", str(tmp_path / "work"), "prepare", "meld", "--download", "--name", name, *given]
            for name in ("one", "two")
        ]
        ends = at_once(*commands)
        assert 0 in {code for code, _ in ends}
        for command, (code, said) in zip(commands, ends, strict=True):
            if code:
                assert code == 1
                assert "another process is downloading" in said
                assert run(command) == 0
        assert sorted(server.paths()) == sorted(set(server.paths())), "each file is downloaded once"
    finally:
        server.stop()
    cached = {
        path.name: path.read_bytes()
        for path in (tmp_path / "cache").rglob("*")
        if path.suffix != ".lock"
        if path.is_file()
    }
    assert cached["MELD.Raw.tar.gz"] == archive
    for name in ("one", "two"):
        prepared = load_prepared(Workspace(tmp_path / "work"), name)
        heard = [u.audio for dialogues in prepared.splits.values() for d in dialogues for u in d.utterances]
        folder = tmp_path / "work" / name / "recordings"
        assert [path.resolve().relative_to(folder).as_posix() for path in heard if path] == [
            path for split in ("train", "dev", "test") for path in EVERY[split]
        ]
