"""The sections of a recipe that name no component: EPC protocol, network, features, audio, training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

Modality = Literal["text", "audio"]
SENTIMENT = "sentiment"
"""Name of the auxiliary target of training, beside the tasks'."""
Metric = Literal["accuracy", "weighted_f1", "uar", "macro_f1"]


class Section(BaseModel):
    """A part of a recipe; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _history(value: object) -> object:
    if value is None or (isinstance(value, str) and value != "all" and not value.isdecimal()):
        raise ValueError("must be a number of utterances or `all`")
    return None if value == "all" else value


History = Annotated[
    Annotated[int, Field(ge=1)] | None,
    BeforeValidator(_history),
    PlainSerializer(lambda value: value or "all"),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"const": "all"}]}),
]
"""Utterances in a window; None, written `all`, for the whole dialogue so far."""


class Epc(Section):
    """What prediction (EPC) is asked, of whom, and what it may know."""

    target: Literal["next", "other", "own"] = Field(
        "next",
        description="whose emotion is asked for: that of the next utterance, of the next by another speaker than the "
        "last one heard, or of the next by that same speaker, however far away",
    )
    min_history: int = Field(1, ge=1, description="utterances of the dialogue that are heard before it, at least")
    last_only: bool = Field(default=False, description="whether only the last utterance of a dialogue is asked about")
    next_speaker: bool = Field(default=False, description="whether the network is told whose utterance is asked about")
    others: Literal["context", "drop"] = Field(
        "context",
        description="utterances whose emotion is none of the dataset's: context for the others, or dropped before "
        "any window is made, for both tasks",
    )

    @model_validator(mode="after")
    def _tells_something(self) -> Epc:
        if self.next_speaker and self.target == "own":
            raise ValueError("next_speaker tells nothing where the target is `own`, the last speaker's next utterance")
        return self

    @property
    def whose(self) -> str:
        """Whose emotion is asked for, in words."""
        return {
            "next": "the next utterance, by anyone",
            "other": "the next utterance of another speaker than the last one heard",
            "own": "the next utterance of the last speaker heard",
        }[self.target]

    def in_words(self) -> str:
        """Return the protocol in one line."""
        heard = "utterance is" if self.min_history == 1 else "utterances are"
        return "; ".join(
            [
                f"the emotion of {self.whose}" + (", where it is the last of its dialogue" if self.last_only else ""),
                f"at least {self.min_history} {heard} heard before it",
                f"its speaker is {'told' if self.next_speaker else 'not told'}",
                "utterances without one of the emotions "
                + ("stay as context" if self.others == "context" else "are dropped before windows are made"),
            ]
        )


class Network(Section):
    """The trained network."""

    width: int = Field(256, ge=8, description="width of the feature extraction module; the paper's is 1024")
    heads: int = Field(8, ge=1, description="attention heads")
    layers: int = Field(2, ge=1, description="Transformer layers of the feature extraction module")
    feedforward: int = Field(4, ge=1, description="width of the feed-forward part, as a multiple of `width`")
    dropout: float = Field(0.1, ge=0, lt=1)
    pooling: Literal["mean", "attention"] = Field("mean", description="how positions become one vector a task")

    @model_validator(mode="after")
    def _heads_divide(self) -> Network:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared by {self.heads} heads")
        return self


class Features(Section):
    """How frozen features are stored."""

    dtype: Literal["float16", "float32"] = Field("float16", description="type on disk")


class Audio(Section):
    """How recordings are read, and how their frames reach the network."""

    longest: float = Field(60.0, gt=0, description="seconds of an utterance that are read at most, its last")
    group: int = Field(1, ge=1, description="consecutive frames of an utterance that become one position")
    front: Literal["mean", "convolution"] = Field(
        "mean", description="how the frames of a position become one: their mean, or convolutions of stride 2"
    )
    positions: int = Field(1024, ge=1, description="positions of a window at most, its last")

    @model_validator(mode="after")
    def _halves(self) -> Audio:
        if self.front == "convolution" and (self.group == 1 or self.group & (self.group - 1)):
            raise ValueError(f"convolutions of stride 2 need a group of 2, 4, 8, …, not {self.group}")
        return self


def distinct(value: list[Any]) -> list[Any]:
    """Return a list in which nothing stands twice.

    Raises:
        ValueError: something does.
    """
    if len(set(value)) != len(value):
        raise ValueError("an entry stands twice")
    return value


class TaskWeights(Section):
    """Weight of each task's loss."""

    erc: float = Field(1.0, ge=0)
    epc: float = Field(1.0, ge=0)
    sentiment: float = Field(
        0.0, ge=0, description="of an auxiliary classifier of ERC's utterance by `sentiment3`; 0 for none"
    )


class ClassBalance(Section):
    """How far each class's loss is weighted by its inverse frequency: 0 not at all, 1 fully."""

    erc: float = Field(0.0, ge=0, le=1)
    epc: float = Field(0.0, ge=0, le=1)


class ModalityDropout(Section):
    """How often a window is trained on as if it had no recording, or no text; needs both modalities."""

    audio: float = Field(0.0, ge=0, lt=1)
    text: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_some(self) -> ModalityDropout:
        if self.audio + self.text > 1:
            raise ValueError("audio and text together are above 1")
        return self


class Masking(Section):
    """Stretches of frames and of their channels that are hidden in training, as SpecAugment does."""

    times: int = Field(0, ge=0, description="stretches of positions, each a tenth of the longest utterance at most")
    channels: int = Field(0, ge=0, description="stretches of channels, each a seventh of all at most")


class Selection(Section):
    """The validation metric that chooses the epoch; with two tasks, the mean of the two."""

    erc: Metric = "weighted_f1"
    epc: Metric = "uar"


Speed = Annotated[float, Field(ge=0.5, le=2)]


class Training(Section):
    """The training loop."""

    seed: int = Field(1, ge=0, le=2**31 - 1)
    epochs: int = Field(10, ge=1)
    batch_size: int = Field(32, ge=1, description="windows a step, over all processes and parts")
    batch_positions: int | None = Field(
        None, ge=1, description="positions a step at most, padding included, so that long windows come in smaller steps"
    )
    accumulate: int = Field(1, ge=1, description="parts that a step's windows are computed in, one after another")
    precision: Literal["float32", "bf16", "fp16"] = Field(
        "float32", description="what the network computes in where that is safe; weights are float32 always"
    )
    checkpointing: bool = Field(
        default=False, description="whether activations are computed again in the backward pass, to save memory"
    )
    compile: bool = Field(default=False, description="whether PyTorch compiles the network, for any length of window")
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(1e-4, gt=0)
    encoder_learning_rate: float | None = Field(
        None, gt=0, description="of the encoder's trainable layers; `learning_rate` where null"
    )
    encoder_layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="rate of a trainable layer of the encoder, as a share of that of the layer above",
    )
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps over which the rate rises")
    schedule: Literal["constant", "linear", "cosine"] = Field("linear", description="after the warm-up")
    clip: float = Field(1.0, gt=0, description="largest norm of the gradient")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    average: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the running average of the weights that is validated and kept; 0 for none",
    )
    class_balance: ClassBalance = ClassBalance()
    task_weights: TaskWeights = TaskWeights()
    modality_dropout: ModalityDropout = ModalityDropout()
    masking: Masking = Masking()
    speeds: Annotated[list[Speed], BeforeValidator(distinct)] = Field(
        [1.0], min_length=1, description="speeds at which training hears its windows, drawn anew each time"
    )
    start: str | None = Field(
        None,
        description="a run, by name or folder, whose weights this one starts from where both have them; `{seed}` in it "
        "stands for `seed`",
    )
    freeze: Annotated[list[Modality], BeforeValidator(distinct)] = Field(
        [], description="modalities whose own layers stay as `start` has them"
    )
    select: Selection = Selection()
    patience: int = Field(3, ge=1, description="epochs without a better validation score before stopping")

    @field_validator("start")
    @classmethod
    def _of_seed(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else value.replace("{seed}", str(info.data.get("seed", "{seed}")))
