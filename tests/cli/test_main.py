"""The command line as a whole: help, completion, exit codes, and what goes where."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from ecef_cli.api.errors import DataError, EcefError, PluginError, RecipeError, UsageProblem
from ecef_cli.cli.main import COMMANDS, run

if TYPE_CHECKING:
    from collections.abc import Callable

HEAVY = ("torch", "transformers", "numpy", "pandas", "sklearn", "pydantic", "yaml")
ECEF = [sys.executable, "-m", "ecef_cli"]
BUILT_IN_ONLY = {"ECEF_PLUGINS": ""}


def ecef(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ECEF, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | BUILT_IN_ONLY | environment,
    )


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Make `ecef plugins` end with an error of one's choice, raised where a command's own errors are."""

    def fail_with(error: BaseException) -> None:
        @click.command("plugins")
        def command() -> None:
            raise error

        monkeypatch.setattr("ecef_cli.cli.plugins.command", command)

    return fail_with


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["plugins", "--format", "table"], ["recipes", "--help"], ["preparr"]],
)
def test_help_and_listings_import_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import json, sys\nfrom ecef_cli.cli.main import run\n"
        f"run({arguments!r})\n"
        f"print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]), file=sys.stderr)"
    )
    environment = os.environ | BUILT_IN_ONLY
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert json.loads(done.stderr.splitlines()[-1]) == []


def complete(words: str) -> tuple[list[str], list[str]]:
    """Return what bash is offered after `words`, and the heavy modules that were imported for it."""
    code = (
        "import json, sys\nfrom ecef_cli.cli.main import main\n"
        "try:\n    main()\nfinally:\n"
        f"    print(json.dumps([m for m in {HEAVY!r} if m in sys.modules]), file=sys.stderr)"
    )
    environment = {
        "_ECEF_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | BUILT_IN_ONLY | environment,
    )
    offered = [line.partition(",")[2] for line in done.stdout.splitlines()]
    return offered, json.loads(done.stderr.splitlines()[-1])


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ecef pre", ["prepare", "predict"]),
        ("ecef ", list(COMMANDS)),
        ("ecef plugins --kind t", ["tagger", "text_encoder", "transcriber", "transcript"]),
        ("ecef recipes s", ["schema", "show"]),
        ("ecef --work", ["--workspace"]),
    ],
)
def test_completion_offers_what_fits_and_imports_nothing_heavy(words: str, offered: list[str]) -> None:
    found, heavy = complete(words)
    assert sorted(found) == sorted(offered)
    assert heavy == []


def test_completion_after_a_misspelt_subcommand_is_silent_about_it() -> None:
    done = ecef(_ECEF_COMPLETE="bash_complete", COMP_WORDS="ecef preparr ", COMP_CWORD="2")
    assert done.returncode == 0
    assert done.stderr == ""


def test_help_shows_every_subcommand_on_stdout(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name} " in out and line in out for name, line in COMMANDS.items())


@pytest.mark.parametrize("arguments", [[], ["recipes"]])
def test_a_group_alone_prints_its_help_and_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == 2
    assert "Commands:" in capsys.readouterr().err


def test_a_misspelt_subcommand_is_answered_with_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["preparr"]) == 2
    captured = capsys.readouterr()
    assert "Did you mean 'prepare'?" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("arguments", [["xyzzy"], ["--xyzzy"], ["plugins", "--kind", "tager"], ["plugins", "x"]])
def test_a_command_line_that_makes_no_sense_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(arguments) == 2
    assert capsys.readouterr().err.startswith("ecef: ")


@pytest.mark.parametrize(
    ("arguments", "right"),
    [
        (["predict", "x", "--offline"], "ecef --offline predict"),
        (["recipes", "show", "x", "-v"], "ecef -v recipes show"),
        (["tag", "--workspace=w"], "ecef --workspace tag"),
    ],
)
def test_a_global_option_after_the_command_is_told_its_place(
    capsys: pytest.CaptureFixture[str], arguments: list[str], right: str
) -> None:
    assert run(arguments) == 2
    assert f"Put it before the command: `{right} …`" in capsys.readouterr().err


def test_version_is_the_distribution_s(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert run(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"ecef, version {version('ecef-cli')}"


def test_offline_is_told_to_the_hub_before_anything_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "")
    assert run(["--offline", "plugins"]) == 0
    assert os.environ["HF_HUB_OFFLINE"] == "1"


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (EcefError("it broke", hint="mend it", where="a.txt:3"), 1, "a.txt:3: it broke (mend it)"),
        (UsageProblem("not so"), 2, "not so"),
        (
            RecipeError("recipe x: 2 problems", problems=("a: b", "c: d")),
            2,
            "recipe x: 2 problems\n  a: b\n  c: d",
        ),
        (DataError("bad row"), 3, "bad row"),
        (PluginError("no such"), 4, "no such"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (ValueError("two\nlines"), 1, "ValueError: two lines (`ecef -v …` shows the traceback)"),
        (AssertionError(), 1, "AssertionError (`ecef -v …` shows the traceback)"),
        (EOFError("the file ends early"), 1, "EOFError: the file ends early"),
        (BrokenPipeError(32, "Broken pipe"), 1, "BrokenPipeError: [Errno 32] Broken pipe"),
        (SystemExit(7), 7, None),
    ],
)
def test_an_error_becomes_one_line_and_its_exit_code(
    failing: Callable[[BaseException], None],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    text: str | None,
) -> None:
    failing(error)
    assert run(["plugins"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == ("" if text is None else f"ecef: {text}")


@pytest.mark.parametrize("error", [DataError("bad row"), ValueError("bad value"), EOFError("short")])
def test_verbose_adds_the_traceback(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    failing(error)
    run(["-v", "plugins"])
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert "raise error" in err
    assert err.splitlines()[-1].startswith("ecef: ")


def test_a_v_that_is_another_option_s_value_asks_for_no_traceback(
    failing: Callable[[BaseException], None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ValueError("bad value"))
    run(["--workspace", "-v", "plugins"])
    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    for environment in ({}, {"PYTHONUNBUFFERED": "1"}):
        for arguments in (["plugins", "--format", "json"], ["--help"], ["recipes", "--help"]):
            read_end, write_end = os.pipe()
            os.close(read_end)
            done = subprocess.run(
                [*ECEF, *arguments],
                stdout=write_end,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
                env=os.environ | BUILT_IN_ONLY | environment,
            )
            os.close(write_end)
            assert (done.returncode, done.stderr) == (0, ""), (arguments, environment)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_told_in_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*ECEF, "plugins"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | BUILT_IN_ONLY,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "No space left on device" in line


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals between processes")
@pytest.mark.parametrize("before", ["default_int_handler", "SIG_IGN"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_with_128_and_its_number_and_no_traceback(name: str, before: str) -> None:
    code = (
        # A shell that starts a command in the background has it ignore SIGINT.
        f"import os, signal, sys\nsignal.signal(signal.SIGINT, signal.{before})\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"  # the tests may run under `nohup`
        "import ecef_cli.cli.plugins as plugins\nimport click\n"
        f"@click.command('plugins')\ndef command():\n    os.kill(os.getpid(), signal.{name})\n"
        "plugins.command = command\nfrom ecef_cli.cli.main import main\nmain(['plugins'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    ignored = (name, before) == ("SIGINT", "SIG_IGN")
    assert done.returncode == (0 if ignored else 128 + getattr(signal, name))
    assert done.stderr.strip() == ("" if ignored else "ecef: interrupted")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGHUP")
def test_a_command_under_nohup_goes_on_when_the_terminal_closes() -> None:
    code = (
        "import os, signal\nsignal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "import ecef_cli.cli.plugins as plugins\nimport click\n"
        "@click.command('plugins')\ndef command():\n    os.kill(os.getpid(), signal.SIGHUP)\n    print('on')\n"
        "plugins.command = command\nfrom ecef_cli.cli.main import main\nmain(['plugins'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "on\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prepare", "--force"], "interrupted; run the same command to resume"),
        (["extract"], "interrupted; run the same command to resume"),
        (["train", "--force"], "interrupted; run the same command without --force to resume"),
        (["eval", "--force"], "interrupted"),
        (["plugins"], "interrupted"),
    ],
)
def test_an_interrupted_command_says_whether_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    @click.command(arguments[0])
    @click.option("--force", is_flag=True)
    def command(*, force: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"ecef_cli.cli.{arguments[0]}.command", command)
    assert run(arguments) == 130
    assert capsys.readouterr().err.split("\n")[-2:] == [f"ecef: {said}", ""]


@pytest.mark.parametrize(("closed", "code"), [("recipes labels >&-", 0), ("recipes labelss 2>&-", 2)])
def test_a_stream_that_was_closed_is_one_that_nobody_reads(closed: str, code: int) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"'{sys.executable}' -m ecef_cli {closed}"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")
