"""Every output that README and docs print is what its command gives, but for times and the last digit of a score."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import save_voice

from ecef_cli.cli.main import run

ROOT = Path(__file__).parents[1]
ERRORS = {
    "recording whole-evening.flac": "ecef predict evening.jsonl",
    "no column named 'sayd'": "ecef prepare csv --source calls.csv --option text=sayd",
    "ru.csv:2: not UTF-8": "ecef prepare csv --source ru.csv",
    "labels that may be the same": "ecef prepare csv --source feelings.csv",
    "9 utterances, but 8 emotions": "ecef prepare dailydialog --source .",
    "recipe my.yaml: 2 problems": "ecef recipes check my.yaml",
}
"""Commands of the errors that pages print alone, by a part of each."""
TOO_LONG = {"ecef train meld-mini", "ecef eval meld-mini"}
"""Commands that take minutes."""


def blocks(page: Path) -> list[str]:
    """Return a page's code blocks, fenced or indented, without indentation."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r"^```\n([\s\S]*?)^```$|((?:^(?:    .*)?\n)+)", text, re.MULTILINE)
    return [(fenced or dedent(indented)).strip("\n") for fenced, indented in found]


def printed() -> Iterator[tuple[str, str]]:
    """Yield commands with the outputs that pages print."""
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        every = [block for block in blocks(page) if block]
        for block, following in pairwise([*every, ""]):
            command, _, output = block.partition("\n\n")
            if block.startswith("ecef: "):
                yield next((ERRORS[part] for part in ERRORS if part in block), "ecef"), block
            elif block.startswith("pip install") and "&& ecef predict" in block:
                yield block.rpartition("&& ")[2], following
            elif re.fullmatch(r"ecef .*[^\\]", command) and output and not output.startswith("ecef "):
                yield command, output


def write(path: str, *lines: str) -> None:
    Path(path).parent.mkdir(exist_ok=True)
    Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def write_evening(_: pytest.FixtureRequest) -> None:
    (rows,) = [b for b in blocks(ROOT / "docs/how-to/recordings.md") if b.startswith('{"speaker"')]
    write("evening.jsonl", rows)
    save_voice(Path("wav/ann-01.wav"), "joy")


def write_table(_: pytest.FixtureRequest) -> None:
    write("calls.csv", "call,who,said,feeling,agent id", "1,Ann,Hello,calm,7", "1,Bob,Go away,angry,7")


def write_foreign(_: pytest.FixtureRequest) -> None:
    Path("ru.csv").write_text("speaker,text,emotion\n" + "Ann,Где мой автобус,joy\n" * 3, encoding="cp1251")


def write_feelings(_: pytest.FixtureRequest) -> None:
    rows = (f"Ann,Hello,{label}" for label in ["joy"] * 12 + ["Joy"] * 6 + ["happiness"] * 6)
    write("feelings.csv", "speaker,text,emotion", *rows)


def write_calls(_: pytest.FixtureRequest) -> None:
    row = '{"speaker": "Ann", "text": "Hello", "emotion": "%s"}'
    write("calls/may.jsonl", *[row % "calm"] * 211, row % "angy")


def write_dailydialog(_: pytest.FixtureRequest) -> None:
    for split in ("train", "validation", "test"):
        write(f"{split}/dialogues_{split}.txt", *["Hi . __eou__"] * 672, "Hi . __eou__" * 9)
        write(f"{split}/dialogues_emotion_{split}.txt", *["0"] * 672, "0 " * (8 if split == "train" else 9))


def write_recipe(_: pytest.FixtureRequest) -> None:
    head = ("name: my", "dataset: meld", "tasks: [erc]", "tagger:", "  name: conceptnt", "text_encoder:")
    write("my.yaml", *head, "  name: huggingface", "training:", "  epoch: 3")


def link_meld(request: pytest.FixtureRequest) -> None:
    Path("MELD").symlink_to(request.getfixturevalue("shared_data") / "meld")


def prepare_meld(request: pytest.FixtureRequest) -> None:
    link_meld(request)
    assert run(["prepare", "meld", "--source", "MELD"]) == 0


ARRANGE: dict[str, Callable[[pytest.FixtureRequest], None]] = {
    "ecef predict evening": write_evening,
    "ecef prepare csv --source calls": write_table,
    "ecef prepare csv --source ru": write_foreign,
    "ecef prepare csv --source feelings": write_feelings,
    "ecef prepare jsonl --source calls/": write_calls,
    "ecef prepare dailydialog": write_dailydialog,
    "ecef recipes check my.yaml": write_recipe,
    "ecef prepare meld": link_meld,
    "ecef tag": prepare_meld,
}
"""Make the files of commands that begin like this."""


def timeless(text: str) -> list[str]:
    """Return the lines of a text, without the seconds that something took."""
    return re.sub(r"\d+(\.\d)? s\b", "… s", text).splitlines()


def assert_same(line: str, wanted: str) -> None:
    """Compare two lines; decimals may differ by 0.02."""
    parts, others = (re.split(r"(\d+\.\d+)", text) for text in (line, wanted))
    assert parts[::2] == others[::2]
    assert [float(n) for n in parts[1::2]] == pytest.approx([float(n) for n in others[1::2]], abs=0.02)


@pytest.mark.parametrize(("command", "output"), [case for case in printed() if case[0] not in TOO_LONG])
def test_a_documented_command_prints_the_documented_output(
    command: str,
    output: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("ECEF_WORKSPACE", raising=False)
    monkeypatch.setattr("ecef_cli.console.choose_format", lambda wanted: wanted or "table")  # as on a terminal
    Path("docs").symlink_to(ROOT / "docs")
    for beginning, arrange in ARRANGE.items():
        if command.startswith(beginning) and "docs/" not in command:
            arrange(request)
    capfd.readouterr()
    run(shlex.split(command)[1:])
    out, err = capfd.readouterr()
    found, wanted = timeless(err + out), timeless(output.removesuffix("\n…"))
    start = found.index(wanted[0])
    assert len(found) - start >= len(wanted)
    for line, other in zip(found[start:], wanted, strict=False):
        assert_same(line, other)


def test_every_documented_output_is_found() -> None:
    commands = [command for command, _ in printed()]
    assert len(commands) >= 12
    assert {*TOO_LONG, *ERRORS.values()} <= set(commands)
