"""A workspace with recordings that were made in it is moved and copied, and stays what it was."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from prepared import Command
from recorded import Energies, extraction, record

from ecef_cli.api.components import Corpus
from ecef_cli.api.dialogue import Dialogue, Utterance
from ecef_cli.cli.main import run as run_cli
from ecef_cli.corpus.manifest import load_prepared, manifest_texts, recording_name, text_checksum
from ecef_cli.corpus.scan import scan_recordings
from ecef_cli.corpus.tolerance import Tolerance
from ecef_cli.features.audio import ensure_audio_features
from ecef_cli.workspace import Workspace, checksum, read_json, write_json

pytest_plugins = ["meld_fixtures"]

Ecef = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ecef(capsys: pytest.CaptureFixture[str]) -> Ecef:
    """Run a command; return its exit code, what it printed and what it said."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_cli([*map(str, arguments)])
        return code, *capsys.readouterr()

    return run


def statuses(printed: str) -> dict[str, str]:
    return {row["check"]: row["status"] for row in map(json.loads, printed.splitlines())}


def test_manifests_name_what_was_made_in_the_workspace_relative_to_themselves(
    prepare_meld: Command, archive: Path, work: Path
) -> None:
    assert prepare_meld("--source", archive)[0] == 0
    rows = [json.loads(line) for line in (work / "meld" / "manifest" / "dev.jsonl").read_text().splitlines()]
    assert [row["audio"] for row in rows] == ["../recordings/dev/dia0_utt0.flac", "../recordings/dev/dia2_utt0.flac"]
    assert str(work) not in "".join(path.read_text() for path in (work / "meld" / "manifest").iterdir())
    names = sorted(path.relative_to(work / "meld").as_posix() for path in work.rglob("*.flac"))
    pairs = [[f"../{name}", checksum(work / "meld" / name)] for name in names]
    stated = read_json(work / "meld" / "dataset.json")["recordings"]["digest"]
    assert stated == hashlib.sha256(json.dumps(pairs).encode()).hexdigest()


def test_a_moved_workspace_is_whole_and_has_nothing_to_prepare_or_extract(
    prepare_meld: Command, archive: Path, work: Path, ecef: Ecef, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prepare_meld("--source", archive)[0] == 0
    before = extract(work)
    moved = work.rename(work.parent / "moved")
    for given in (moved, Path("moved")):
        monkeypatch.chdir(moved.parent)
        code, printed, said = ecef("--workspace", given, "prepare", "--check", "meld")
        assert code == 0, said
        assert statuses(printed)["every recording can be read"] == "passed"
        assert statuses(printed)["recordings are unchanged"] == "passed"
        code, _, said = ecef("--workspace", given, "prepare", "meld", "--source", archive)
        assert (code, "nothing to do" in said) == (0, True), said
        Energies.asked.clear()
        assert extract(given) == before
        assert Energies.asked == []


def extract(work: Path) -> str:
    """Compute what an audio encoder hears, and return the key under which that is stored."""
    prepared = load_prepared(Workspace(work), "meld")
    what = extraction()
    ensure_audio_features(Workspace(work), prepared, what, tolerance=Tolerance.parse("0"))
    return what.key(prepared)


def test_a_copy_hears_its_own_recordings(prepare_meld: Command, archive: Path, work: Path, ecef: Ecef) -> None:
    assert prepare_meld("--source", archive)[0] == 0
    copy = shutil.copytree(work, work.parent / "copy")
    (copy / "meld" / "recordings" / "test" / "dia0_utt1.flac").unlink()
    code, printed, _ = ecef("--workspace", copy, "prepare", "--check", "meld")
    assert code == 3
    assert statuses(printed)["every recording can be read"] == "failed"
    assert ecef("--workspace", work, "prepare", "--check", "meld")[0] == 0


def test_a_reason_in_a_row_does_not_hold_the_workspace_either(tmp_path: Path) -> None:
    folder = tmp_path / "work" / "talk"
    (folder / "recordings").mkdir(parents=True)
    (folder / "recordings" / "a.flac").write_text("no sound")
    (tmp_path / "b.flac").write_text("no sound")
    corpus = spoken(folder / "recordings" / "a.flac", tmp_path / "b.flac")
    heard = scan_recordings(corpus, folder)
    faults = [u.row["audio_fault"] for u in heard.corpus.splits["train"][0].utterances]
    assert [fault.partition(": ")[0] for fault in faults] == [
        "recording ../recordings/a.flac",
        f"recording {tmp_path}/b.flac",
    ]
    assert [lost.reason.partition(": ")[0] for lost in heard.muted] == [
        f"recording {folder}/recordings/a.flac",
        f"recording {tmp_path}/b.flac",
    ]


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("work/talk/recordings/a.flac", "../recordings/a.flac"),
        ("work/talk/manifest/../recordings/a b.flac", "../recordings/a b.flac"),
        ("work/talk/a.flac", "../a.flac"),
        ("work/talker/a.flac", None),
        ("work/other/../sound/a.flac", None),
    ],
)
def test_a_recording_elsewhere_keeps_the_path_that_was_given(tmp_path: Path, path: str, named: str | None) -> None:
    assert recording_name(tmp_path / path, tmp_path / "work" / "talk") == (named or str(tmp_path / path))


def test_a_folder_of_recordings_that_is_a_link_is_in_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "talk").mkdir()
    (tmp_path / "talk" / "recordings").symlink_to(tmp_path / "disk")
    record(tmp_path / "disk" / "a.flac", 0.3)
    found = scan_recordings(spoken(tmp_path / "talk" / "recordings" / "a.flac"), tmp_path / "talk")
    assert '"../recordings/a.flac"' in manifest_texts(found.corpus, tmp_path / "talk")["train"]


def spoken(*paths: Path) -> Corpus:
    said = tuple(Utterance("x", "A", "d", n, audio=path, emotion="calm") for n, path in enumerate(paths))
    return Corpus(("calm",), {"train": (Dialogue("d", said),)}, ())


def test_a_dataset_of_the_version_before_is_read_and_checked_and_told_apart(
    prepare_meld: Command, archive: Path, work: Path, ecef: Ecef
) -> None:
    assert prepare_meld("--source", archive)[0] == 0
    made_absolute(work)
    assert ecef("--workspace", work, "prepare", "--check", "meld")[0] == 0
    assert len(load_prepared(Workspace(work), "meld").splits["train"]) == 2
    code, said = prepare_meld("--source", archive)
    assert code == 2
    assert said.endswith(
        "differs: it was prepared by an earlier version, which named recordings in its folder by absolute paths "
        "(pass --force to replace it, or --name to create another)\n"
    )
    code, said = prepare_meld("--source", archive, "--force")
    assert code == 0, said
    assert "nothing to do" in prepare_meld("--source", archive)[1]


def made_absolute(work: Path) -> None:
    """Write the dataset as it was written when manifests named every recording by its absolute path."""
    folder = work / "meld"
    facts = read_json(folder / "dataset.json")
    for split in facts["manifests"]:
        path = folder / "manifest" / f"{split}.jsonl"
        text = path.read_text(encoding="utf-8").replace('"../recordings', f'"{folder}/recordings')
        path.write_text(text, encoding="utf-8")
        facts["manifests"][split] = text_checksum(text)
    pairs = sorted((str(path), checksum(path)) for path in folder.rglob("*.flac"))
    facts["recordings"]["digest"] = hashlib.sha256(json.dumps(pairs).encode()).hexdigest()
    write_json(folder / "dataset.json", facts)
