"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the corpora that cannot be committed; the test is skipped where it is absent."""
    folder = Path(os.environ.get("ECEF_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set ECEF_SHARED_DATA")
    return folder


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


def _fresh_tokenizer(kind: str):
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

    if kind == "bert":
        specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - no password
        tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=specials)
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
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast, RobertaConfig, RobertaModel

    backend = _fresh_tokenizer(kind)
    names = (
        {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        if kind == "bert"
        else {"pad_token": "<pad>", "unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>"}
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **names)
    sizes = {
        "vocab_size": backend.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "intermediate_size": 48,
    }
    torch.manual_seed(seed)
    if kind == "bert":
        model = BertModel(BertConfig(max_position_embeddings=64, **sizes))
    else:
        model = RobertaModel(RobertaConfig(max_position_embeddings=66, pad_token_id=1, type_vocab_size=1, **sizes))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small BERT with random weights."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "bert", "bert")


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a small RoBERTa with random weights and byte-level tokens."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "roberta", "roberta")
