"""A plugin of one's own: the example of the documentation, built and installed as a second distribution."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import FEELINGS, save_voice
from prepared import RunEcef

from ecef_cli.plugin.manager import get_registry
from ecef_cli.workspace import Workspace

EXAMPLE = Path(__file__).parents[1] / "docs" / "examples" / "plugin"
RECIPE = """\
name: with-plugin
dataset: mine
tasks: [erc]
tagger: {{name: table, path: {table}, relations: [synonym, antonym]}}
text_encoder: {{name: hashed, width: 32}}
modalities: [text, audio]
audio_encoder: {{name: bands, bands: 8}}
fusion: {{name: gated}}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the example was installed from a copy of its source, without any network."""
    import shutil

    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"),
            *("--no-index", "--no-cache-dir", "--disable-pip-version-check", "--target", target, source),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "relations.tsv"
    path.write_text("glad\tsynonym\thappy\nsad\tantonym\thappy\n", encoding="utf-8")
    return path


@pytest.fixture
def plugged(site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the example among the plugins of this process."""
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv("ECEF_PLUGINS", "ecef-example")
    get_registry.cache_clear()
    yield
    get_registry.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "ecef_example"]:
        del sys.modules[name]


def with_plugin(site: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    return subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path, "ECEF_PLUGINS": "ecef-example"} | environment,
    )


def test_it_is_listed_with_its_distribution_and_version(site: Path) -> None:
    done = with_plugin(site, "-m", "ecef_cli", "plugins")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = {(r["kind"], r["name"]): (r["distribution"], r["version"]) for r in rows}
    assert found["tagger", "table"] == ("ecef-example", "0.4.0")
    assert found["text_encoder", "hashed"] == ("ecef-example", "0.4.0")
    assert found["tagger", "conceptnet"][0] == "ecef-cli"


def test_it_is_gone_where_ecef_plugins_leaves_it_out(site: Path) -> None:
    done = with_plugin(site, "-m", "ecef_cli", "plugins", ECEF_PLUGINS="")
    assert done.returncode == 0
    assert "ecef-example" not in done.stdout


def test_a_recipe_that_names_its_components_passes_the_check(
    plugged: None, run_ecef: RunEcef, table: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(table=table), encoding="utf-8")
    done = run_ecef("recipes", "check", str(recipe))
    assert (done.code, done.out, done.err) == (0, "", f"{recipe}: ok\n")


def test_its_options_are_checked_and_misspelt_ones_answered(
    plugged: None, run_ecef: RunEcef, table: Path, tmp_path: Path
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(table=table).replace("width: 32", "widht: 32"), encoding="utf-8")
    done = run_ecef("recipes", "check", str(recipe))
    assert done.code == 2
    assert f"{recipe}:5: text_encoder.widht: no such setting (did you mean 'width'?)" in done.err


def test_its_options_are_in_the_schema(plugged: None, run_ecef: RunEcef) -> None:
    done = run_ecef("recipes", "schema")
    branches = json.loads(done.out)["properties"]["text_encoder"]["anyOf"]
    (branch,) = [b for b in branches if b.get("title") == "hashed"]
    assert branch["properties"]["width"]["maximum"] == 4096


def test_its_components_take_their_places_by_recipe_alone(
    plugged: None,
    run_ecef: RunEcef,
    table: Path,
    tmp_path: Path,
    voiced_workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = tmp_path / "recipe.yaml"
    text = RECIPE.format(table=table).replace("dataset: mine", "dataset: voiced").replace("with-plugin", "plugged")
    recipe.write_text(text + "network: {width: 32, layers: 1}\ntraining: {epochs: 2}\n", encoding="utf-8")
    base = ("--workspace", voiced_workspace.root)
    trained = run_ecef(*base, "train", str(recipe))
    assert trained.code == 0, trained.err
    card = (voiced_workspace.run("plugged") / "README.md").read_text(encoding="utf-8")
    assert "`table` with synonym, antonym" in card
    assert all(f"`{name}`" in card for name in ("hashed", "bands", "gated"))
    talk = tmp_path / "talk.jsonl"
    voice = save_voice(tmp_path / "voice.flac", "joy")
    said = {"speaker": "A", "text": "I am glad.", "audio": str(voice)}, {"speaker": "B", "text": "Happy, too."}
    talk.write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    predicted = run_ecef(*base, "predict", str(talk), "--model", "plugged")
    assert predicted.code == 0, predicted.err
    rows = [json.loads(line) for line in predicted.out.splitlines()]
    assert [row["prediction"]["emotion"] in FEELINGS for row in rows] == [True] * 2
    tags = run_ecef(*base, "tag", str(talk), "--recipe", str(recipe))
    assert [json.loads(line)["relations"] for line in tags.out.splitlines()] == [["synonym"]]
    monkeypatch.setenv("ECEF_PLUGINS", "")
    get_registry.cache_clear()
    without = run_ecef(*base, "predict", str(talk), "--model", "plugged")
    assert without.code == 2
    assert "no text_encoder is called 'hashed'" in without.err


def test_it_is_held_to_the_contract_beside_the_built_in_components(site: Path) -> None:
    chosen = "hashed or bands or gated or table"
    contract = str(Path(__file__).with_name("test_contract.py"))
    done = with_plugin(site, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "-k", chosen, contract)
    assert done.returncode == 0, done.stdout
    assert "3 passed, 1 skipped" in done.stdout
    assert "tagger 'table' of ecef-example cannot be built without path" in done.stdout


def test_its_own_tests_pass(site: Path) -> None:
    done = with_plugin(
        site,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(EXAMPLE),
        str(EXAMPLE / "tests"),
    )
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
