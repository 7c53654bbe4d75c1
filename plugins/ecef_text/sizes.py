"""The sizes of a Hugging Face text encoder, without its weights."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np

from ecef_cli.api.components import TextEncoder, TextFeatures
from ecef_cli.api.configurations import WithoutWeights, build_empty, read_configuration
from ecef_text.encoder import SETTING, HuggingFaceOptions, token_positions
from ecef_text.layers import TopLayers, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ecef_cli.api.components import TextWindow
    from ecef_cli.api.configurations import Kept

BERT: Kept = {"model_type": "bert"}
ROBERTA: Kept = {
    "model_type": "roberta",
    "vocab_size": 50_265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
MINILM: Kept = {
    "model_type": "bert",
    "hidden_size": 384,
    "num_hidden_layers": 6,
    "num_attention_heads": 12,
    "intermediate_size": 1536,
}
MPNET: Kept = {"model_type": "mpnet", "max_position_embeddings": 514, "layer_norm_eps": 1e-5}
KEPT: Mapping[str, Kept] = {
    "roberta-base": ROBERTA,
    "FacebookAI/roberta-base": ROBERTA,
    "bert-base-uncased": BERT,
    "google-bert/bert-base-uncased": BERT,
    "sentence-transformers/all-MiniLM-L6-v2": MINILM,
    "sentence-transformers/all-mpnet-base-v2": MPNET,
}
"""Configurations of text encoders that are kept with this plugin, by name on the hub."""

_AROUND = 2  # special tokens around a text, as BERT's [CLS] and [SEP]


class TextSizes(WithoutWeights, TextEncoder):
    """An encoder whose modules have shapes and no values, for `ecef recipes inspect` alone.

    Raises:
        PluginError: the model's configuration cannot be read, or it has too few layers.
    """

    Options = HuggingFaceOptions
    options: HuggingFaceOptions

    def __init__(self, options: HuggingFaceOptions) -> None:
        super().__init__(options)
        config, self.notes = read_configuration(options.model, KEPT, plugin="ecef_text", setting=SETTING)
        self._model = build_empty(config, options.model, setting=SETTING)
        tokens = self._model.get_input_embeddings().num_embeddings
        self._model.resize_token_embeddings(tokens + options.speakers, mean_resizing=False)
        self._top: TopLayers | None = None
        if options.trainable_layers:
            self._top = split(self._model, options.trainable_layers, name=options.model)

    @property
    def width(self) -> int:
        """The width of the model's hidden states."""
        return int(self._model.config.hidden_size)

    def trainable(self) -> TopLayers | None:
        """Return the last `trainable_layers` layers, without values."""
        return deepcopy(self._top)

    def encode(self, windows: Sequence[TextWindow]) -> list[TextFeatures]:
        """Return zeros (L, d) for each window: a state per position, as if each word were one token."""
        return [self._states(window.positions) for window in windows]

    def _states(self, positions: int) -> TextFeatures:
        kept = min(positions, token_positions(self._model) - _AROUND)
        covered = np.pad(np.arange(positions - kept, positions, dtype=np.int32), 1, constant_values=-1)
        return TextFeatures(np.zeros((len(covered), self.width), dtype=np.float32), covered, covered)
