"""A model by its name on the hub: downloaded once, then found in the cache, also without a network."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LOAD = """
from ecef_text.encoder import HuggingFaceEncoder, HuggingFaceOptions
from ecef_cli.api.weights import locate

def load():
    where = locate("someone/tiny", setting="text_encoder.model").origin
    print(where, HuggingFaceEncoder(HuggingFaceOptions(model="someone/tiny")).identity())

load()
"""
AGAIN = """
import os, urllib.request
urllib.request.urlopen(os.environ["HF_ENDPOINT"] + "/resolve/config.json").close()
load()
"""
"""Load once more, after a request that the server can tell from the others."""


class Hub(ThreadingHTTPServer):
    """Serves the files of one model as the hub does, and counts what was asked for."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)


class Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        self.server.asked.append(self.path)
        path = self.server.folder / self.path.rpartition("/")[2]
        if "/resolve/" not in self.path or not path.is_file():
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        content = path.read_bytes()
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Keep quiet."""


@pytest.fixture
def hub(tiny_bert: Path) -> Iterator[Hub]:
    server = Hub(tiny_bert)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def load(home: Path, endpoint: str, code: str = LOAD, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "http", "HTTP"))}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": endpoint, "HF_HUB_DISABLE_XET": "1", **more}
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment, cwd=home
    )


def test_a_name_is_downloaded_once_and_then_found_in_the_cache(hub: Hub, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{hub.server_port}"
    done = load(tmp_path, endpoint, LOAD + AGAIN)
    assert done.returncode == 0, done.stderr
    origin, identity, *again = done.stdout.split()
    assert origin == "hub"
    assert any(path.endswith("/model.safetensors") for path in hub.asked)
    assert again == ["cache", identity]
    assert hub.asked[-1] == "/resolve/config.json", "the second time asks for nothing"
    offline = load(tmp_path, "http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert offline.stdout.split() == ["cache", identity], offline.stderr


def test_a_hub_out_of_reach_says_what_to_do(tmp_path: Path) -> None:
    failed = load(tmp_path, "http://127.0.0.1:9")
    assert failed.returncode == 1
    assert "Retry" not in failed.stderr, "one attempt tells as much as five"
    last = failed.stderr.strip().splitlines()[-1]
    assert "'someone/tiny' is not on this machine, and the hub cannot be reached: 127.0.0.1: Connection refused" in last
    assert last.endswith("(run once with access to the hub, or set text_encoder.model to a folder)")
