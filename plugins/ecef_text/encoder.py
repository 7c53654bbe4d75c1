"""Any Hugging Face text encoder, frozen, or split into a frozen and a trained part."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pydantic import Field

from ecef_cli.api.components import Options, TextEncoder, TextFeatures
from ecef_cli.api.errors import PluginError
from ecef_cli.api.weights import locate
from ecef_text.layers import TopLayers, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ecef_cli.api.components import TextWindow, Turn

SETTING = "text_encoder.model"
_SPEAKER_SEED = 0
# Case, accents, quotes, scripts: tokenizers treat them differently.
_PROBE = "Don\u2019t! I can\u2019t believe it\u2026 Caf\u00e9 No. 5, \U0001f600 \u4f60\u597d, WOW"
_UNLIMITED = 100_000  # tokenizers without a limit state a huge one
_RELATIVE = 512  # limit for models with relative positions that state none


class HuggingFaceOptions(Options):
    """Options of the encoder: the model, and its trained layers."""

    model: str = Field("roberta-base", min_length=1, description="a folder, or a name on the Hugging Face hub")
    trainable_layers: int = Field(0, ge=0, description="number of last layers to train; 0 in the paper")
    speakers: int = Field(16, ge=1, le=256, description="special tokens for speakers; further speakers share the last")


class HuggingFaceEncoder(TextEncoder):
    """Encode `[s1] u1 [s2] u2 …` with a pretrained model (paper section 2.3, h_t).

    A frozen model has never seen the speaker tokens. Their embeddings are the mean of the model's own, plus seeded
    noise of the same spread, so that they differ from each other and stay within the model's range.
    """

    Options = HuggingFaceOptions
    options: HuggingFaceOptions

    def __init__(self, options: HuggingFaceOptions) -> None:
        super().__init__(options)
        self._device = "cpu"
        self._tokenizer, self._model = _load(options.model)
        self._vocabulary = int(self._model.get_input_embeddings().weight.shape[0])
        self._identity = _fingerprint(self._tokenizer, self._model)
        _add_speakers(self._model, options.speakers)
        self._model.requires_grad_(requires_grad=False).eval()
        self._limit = _limit(self._tokenizer, self._model)
        self._prefix, self._suffix = _frame(self._tokenizer)
        if self._limit <= len(self._prefix) + len(self._suffix) + 1:
            raise PluginError(
                f"{SETTING}: {options.model!r} reads only {self._limit} tokens", hint="use a model with a longer input"
            )
        self._top: TopLayers | None = None
        if options.trainable_layers:
            self._top = cut(self._model, options.trainable_layers, name=options.model)
        self._tokens = lru_cache(maxsize=4096)(self._tokenise)

    @classmethod
    def without_weights(cls, options: HuggingFaceOptions) -> TextEncoder:
        """Return an encoder of the same sizes, for `ecef recipes inspect`."""
        from ecef_text.sizes import TextSizes

        return TextSizes(options)

    @property
    def width(self) -> int:
        """The width of the model's hidden states."""
        return int(self._model.config.hidden_size)

    @property
    def longest(self) -> int:
        """The maximum tokens of the model's input."""
        return self._limit

    def identity(self) -> str:
        """Return a checksum of the model's weights and tokenizer."""
        return self._identity

    def place(self, device: str) -> None:
        """Move the frozen part to a device."""
        self._device = device
        self._model.to(device)

    def trainable(self) -> TopLayers | None:
        """Return a fresh copy of the last `trainable_layers` layers, with their pretrained weights."""
        from copy import deepcopy

        return None if self._top is None else deepcopy(self._top)

    @torch.inference_mode()
    def encode(self, windows: Sequence[TextWindow]) -> list[TextFeatures]:
        """Return the hidden states below the trained layers, one per token, float32.

        If a window is longer than the model's input, its oldest tokens are left out; the last turn's speaker token
        always stays.
        """
        rows = [self._assemble(window) for window in windows]
        longest = max(len(ids) for ids, _, _ in rows)
        ids = torch.full((len(rows), longest), self._padding, dtype=torch.long)
        mask = torch.zeros((len(rows), longest), dtype=torch.long)
        for row, (tokens, _, _) in enumerate(rows):
            ids[row, : len(tokens)] = torch.from_numpy(tokens)
            mask[row, : len(tokens)] = 1
        output = self._model(input_ids=ids.to(self._device), attention_mask=mask.to(self._device))
        states = output.last_hidden_state.float().cpu().numpy()
        return [
            TextFeatures(np.ascontiguousarray(states[row, : len(tokens)]), first, last)
            for row, (tokens, first, last) in enumerate(rows)
        ]

    @property
    def _padding(self) -> int:
        padding = self._tokenizer.pad_token_id
        return int(padding if padding is not None else 0)

    def _tokenise(self, turn: Turn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return token ids and the first and last word that each covers; -1 if it covers none."""
        # Byte-level vocabularies distinguish a word at the start of a text from one inside it. The space makes the
        # first word of a turn, which follows the speaker's token, an inner one.
        found = self._tokenizer(
            f" {turn.text}",
            add_special_tokens=False,
            return_offsets_mapping=True,
            truncation=False,
            verbose=False,
        )
        spans = np.asarray(found["offset_mapping"], dtype=np.int64).reshape(-1, 2) - 1
        starts = np.asarray([word.start for word in turn.words], dtype=np.int64)
        ends = np.asarray([word.end for word in turn.words], dtype=np.int64)
        first = np.searchsorted(ends, spans[:, 0], side="right")
        last = np.searchsorted(starts, spans[:, 1], side="left") - 1
        none = (last < first) | (spans[:, 0] >= spans[:, 1])
        first[none] = last[none] = -1
        return np.asarray(found["input_ids"], dtype=np.int64), first, last

    def _assemble(self, window: TextWindow) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return token ids and the first and last position that each covers; the newest turns are fitted in first."""
        room = self._limit - len(self._prefix) - len(self._suffix)
        position = window.positions
        pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for turn in reversed(window.turns):
            position -= 1 + len(turn.words)
            if room < 1:
                break
            ids, first, last = (part[max(0, len(part) - (room - 1)) :] for part in self._tokens(turn))
            speaker = self._vocabulary + min(turn.speaker, self.options.speakers - 1)
            shift = position + 1
            pieces.append(
                (
                    np.concatenate(([speaker], ids)),
                    np.concatenate(([position], np.where(first < 0, -1, first + shift))),
                    np.concatenate(([position], np.where(last < 0, -1, last + shift))),
                )
            )
            room -= 1 + len(ids)
        pieces.reverse()
        outside = [np.full(len(self._prefix), -1), np.full(len(self._suffix), -1)]
        ids = np.concatenate([self._prefix, *(p[0] for p in pieces), self._suffix]).astype(np.int64)
        first = np.concatenate([outside[0], *(p[1] for p in pieces), outside[1]]).astype(np.int32)
        last = np.concatenate([outside[0], *(p[2] for p in pieces), outside[1]]).astype(np.int32)
        return ids, first, last


def _load(name: str) -> tuple[Any, Any]:
    place = locate(name, setting=SETTING)
    tokenizer = place.load("AutoTokenizer", use_fast=True)
    if not tokenizer.is_fast:
        raise PluginError(f"{SETTING}: {name!r} has no fast tokenizer, which word alignment needs")
    return tokenizer, place.load_model()


def _fingerprint(tokenizer: Any, model: Any) -> str:
    """Return a checksum of the weights and the tokenizer's behaviour.

    The tokenizer's file is not suitable: releases of transformers and copies of a model write it differently.
    """
    digest = hashlib.sha256(repr(sorted(tokenizer.get_vocab().items())).encode())
    digest.update(repr(tokenizer(_PROBE, add_special_tokens=True)["input_ids"]).encode())
    for key, value in sorted(model.state_dict().items()):
        if "pooler" not in key:  # not used, and random if the model was published without one
            digest.update(key.encode())
            digest.update(value.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:32]


def _add_speakers(model: Any, count: int) -> None:
    weights = model.get_input_embeddings().weight
    size = weights.shape[0]
    mean, spread = weights.mean(dim=0), weights.std(dim=0)
    model.resize_token_embeddings(size + count, mean_resizing=False)
    noise = torch.randn((count, weights.shape[1]), generator=torch.Generator().manual_seed(_SPEAKER_SEED))
    with torch.no_grad():
        model.get_input_embeddings().weight[size:] = mean + spread * noise


def _limit(tokenizer: Any, model: Any) -> int:
    """Return how many tokens tokenizer and model read at most."""
    stated = tokenizer.model_max_length
    positions = token_positions(model)
    return int(min(positions, stated if stated < _UNLIMITED else positions))


def token_positions(model: Any) -> int:
    """Return how many tokens a model reads at most."""
    positions = getattr(model.config, "max_position_embeddings", None) or _RELATIVE
    table = getattr(getattr(model, "embeddings", None), "position_embeddings", None)
    padding = getattr(table, "padding_idx", None)
    if padding is not None:  # RoBERTa's positions start after the padding index
        positions -= padding + 1
    return int(positions)


def _frame(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the special tokens of the model before and after a text."""
    ids = list(tokenizer("", add_special_tokens=True)["input_ids"])
    if len(ids) == 1 and ids[0] == tokenizer.eos_token_id:
        return [], ids
    return ids[:1], ids[1:]
