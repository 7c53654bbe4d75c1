"""Recipe sections without a component: EPC protocol, network, features, audio, decision, training."""

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

Distortion = Literal["noise", "telephone", "pitch"]
Modality = Literal["text", "audio"]
SENTIMENT = "sentiment"
"""Name of the auxiliary training target."""
Metric = Literal["accuracy", "weighted_f1", "uar", "macro_f1"]


class Section(BaseModel):
    """A part of a recipe; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


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
"""Utterances per window; None, written `all`, for the whole dialogue so far."""


class Epc(Section):
    """EPC protocol: the target utterance and its input."""

    target: Literal["next", "other", "own"] = Field(
        "next",
        description="the utterance to predict: the next one, the next one of another speaker than the last, or the "
        "next one of the last speaker, however far away",
    )
    min_history: int = Field(1, ge=1, description="minimum number of utterances of the dialogue before the target")
    last_only: bool = Field(default=False, description="whether only the last utterance of a dialogue is a target")
    next_speaker: bool = Field(default=False, description="whether the network knows the target's speaker")
    others: Literal["context", "drop"] = Field(
        "context",
        description="utterances with none of the dataset's emotions: keep them as context, or drop them before "
        "windows are made, for both tasks",
    )

    @model_validator(mode="after")
    def _next_speaker_informs(self) -> Epc:
        if self.next_speaker and self.target == "own":
            raise ValueError("next_speaker has no effect if the target is `own`: the speaker is the last one anyway")
        return self

    @property
    def target_in_words(self) -> str:
        """Description of the target utterance."""
        return {
            "next": "the next utterance, by any speaker",
            "other": "the next utterance of another speaker than the last",
            "own": "the next utterance of the last speaker",
        }[self.target]

    def in_words(self) -> str:
        """Return the protocol in one line."""
        utterances = "utterance" if self.min_history == 1 else "utterances"
        return "; ".join(
            [
                f"the emotion of {self.target_in_words}" + (", if it ends its dialogue" if self.last_only else ""),
                f"at least {self.min_history} {utterances} before it",
                f"its speaker is {'known' if self.next_speaker else 'unknown'}",
                "utterances without one of the emotions "
                + ("stay as context" if self.others == "context" else "are dropped before windows are made"),
            ]
        )


class Network(Section):
    """The trained network."""

    width: int = Field(256, ge=8, le=65_536, description="width of the feature extraction module; the paper's is 1024")
    heads: int = Field(8, ge=1, le=1024, description="attention heads")
    layers: int = Field(2, ge=1, le=1024, description="Transformer layers of the feature extraction module")
    feedforward: int = Field(4, ge=1, le=1024, description="width of the feed-forward part, as a multiple of `width`")
    dropout: float = Field(0.1, ge=0, lt=1)
    pooling: Literal["mean", "attention"] = Field("mean", description="how positions become one vector per task")
    correction: bool = Field(
        default=False,
        description="whether text and audio together correct the scores of the text alone, instead of giving their own",
    )

    @model_validator(mode="after")
    def _heads_divide(self) -> Network:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")
        return self


class Features(Section):
    """Storage of frozen features."""

    dtype: Literal["float16", "float32"] = Field("float16", description="type on disk")


class Audio(Section):
    """Reading of recordings, and the path of their frames to the network."""

    longest: float = Field(60.0, gt=0, description="maximum seconds per utterance; keeps the last ones")
    level: float | None = Field(
        None,
        ge=-60,
        le=0,
        description="level of the speech of each utterance (dBFS, RMS without pauses), reached by a gain of at most "
        "40 dB; null reads recordings as they are",
    )
    group: int = Field(1, ge=1, description="consecutive frames of an utterance joined into one position")
    front: Literal["mean", "convolution"] = Field(
        "mean", description="how to join the frames of a position: their mean, or convolutions of stride 2"
    )
    positions: int = Field(1024, ge=1, description="maximum positions per window; keeps the last ones")

    @model_validator(mode="after")
    def _halves(self) -> Audio:
        if self.front == "convolution" and (self.group == 1 or self.group & (self.group - 1)):
            raise ValueError(f"convolutions of stride 2 need a group of 2, 4, 8, …, not {self.group}")
        return self


def distinct(value: Any) -> Any:
    """Return the value, unless it is a list with duplicate entries.

    Raises:
        ValueError: the list has duplicate entries.
    """
    if isinstance(value, list) and any(entry in value[:number] for number, entry in enumerate(value)):
        raise ValueError("duplicate entry")
    return value


class TaskWeights(Section):
    """Weight of each task's loss."""

    erc: float = Field(1.0, ge=0)
    epc: float = Field(1.0, ge=0)
    sentiment: float = Field(
        0.0, ge=0, description="weight of an auxiliary classifier of ERC's utterance by `sentiment3`; 0 for none"
    )


class ClassBalance(Section):
    """Exponent of the inverse frequency that weights each class's loss: 0 for equal weights, 1 for fully inverse."""

    erc: float = Field(0.0, ge=0, le=1)
    epc: float = Field(0.0, ge=0, le=1)


class ModalityDropout(Section):
    """Probability of training on a window without its recordings, or without its text; needs both modalities."""

    audio: float = Field(0.0, ge=0, lt=1)
    text: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _leaves_some(self) -> ModalityDropout:
        if self.audio + self.text > 1:
            raise ValueError("the sum of audio and text must not exceed 1")
        return self


class Masking(Section):
    """Masking of spans of time and channels in training, as in SpecAugment."""

    times: int = Field(0, ge=0, description="number of time spans, each up to a tenth of the longest utterance")
    channels: int = Field(0, ge=0, description="number of channel spans, each up to a seventh of the channels")


class PriorShifts(Section):
    """Share of each label's log prior to subtract from its score; `dev` chooses on the dev split."""

    erc: Annotated[float, Field(ge=0, le=2)] | Literal["dev"] = 0.0
    epc: Annotated[float, Field(ge=0, le=2)] | Literal["dev"] = 0.0


class PriorShiftCosts(Section):
    """Points of the metric on dev that `dev` may give up for a larger shift, which favours rare labels."""

    erc: float = Field(0.0, ge=0, le=100)
    epc: float = Field(0.0, ge=0, le=100)


class Temperatures(Section):
    """Divisor of the scores before the softmax; `dev` chooses on the dev split."""

    erc: Annotated[float, Field(gt=0)] | Literal["dev"] = 1.0
    epc: Annotated[float, Field(gt=0)] | Literal["dev"] = 1.0


class Decision(Section):
    """Adjustment of the network's probabilities, chosen after training."""

    cues: Annotated[float, Field(ge=0, le=1)] | Literal["dev"] = Field(
        "dev", description="share of the cues in ERC's score, if the recipe has any; `dev` chooses on the dev split"
    )
    forecaster: Annotated[float, Field(ge=0, le=1)] | Literal["dev"] = Field(
        0.0,
        description="share, in EPC's score, of a forecaster that reads the recognised emotions of the window; `dev` "
        "chooses on the dev split, 0 fits none",
    )
    prior_shift: PriorShifts = PriorShifts()
    prior_shift_cost: PriorShiftCosts = PriorShiftCosts()
    temperature: Temperatures = Temperatures()


class Distillation(Section):
    """Learning from the answers of trained runs, beside the labels (Hinton et al., 2015)."""

    teachers: Annotated[list[str], BeforeValidator(distinct)] = Field(
        [], description="runs, by name or folder, whose mean answer to each training window is a soft target"
    )
    weight: float = Field(0.5, ge=0, le=1, description="share of the soft targets in the loss of each task")
    temperature: float = Field(
        2.0, gt=0, le=1000, description="divisor of the scores of teachers and network in this loss"
    )


class Selection(Section):
    """Validation metric that chooses the epoch; with two tasks, the mean of the two."""

    erc: Metric = "weighted_f1"
    epc: Metric = "uar"


Speed = Annotated[float, Field(ge=0.5, le=2)]


class Training(Section):
    """Settings of the training loop."""

    seed: int = Field(1, ge=0, le=2**31 - 1)
    epochs: int = Field(10, ge=1, le=1_000_000)
    batch_size: int = Field(32, ge=1, le=1_000_000, description="windows per step, over all processes and parts")
    batch_positions: int | None = Field(
        None, ge=1, description="maximum positions per step, padding included; steps of long windows are smaller"
    )
    accumulate: int = Field(1, ge=1, le=1_000_000, description="number of parts in which a step's windows are computed")
    precision: Literal["float32", "bf16", "fp16"] = Field(
        "float32", description="number type of the network's computations; weights are always float32"
    )
    checkpointing: bool = Field(
        default=False, description="whether to recompute activations in the backward pass, to save memory"
    )
    compile: bool = Field(default=False, description="whether to compile the network with PyTorch")
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(1e-4, gt=0)
    encoder_learning_rate: float | None = Field(
        None, gt=0, description="learning rate of the encoder's trainable layers; null for `learning_rate`"
    )
    encoder_layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="learning rate of a trainable encoder layer, as a factor of that of the layer above",
    )
    weight_decay: float = Field(0.01, ge=0)
    warmup: float = Field(0.1, ge=0, lt=1, description="share of all steps with a rising learning rate")
    schedule: Literal["constant", "linear", "cosine"] = Field(
        "linear", description="course of the learning rate after the warm-up"
    )
    clip: float = Field(1.0, gt=0, description="maximum norm of the gradient")
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    average: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="decay of the running average of the weights, which is validated and kept; 0 for none",
    )
    class_balance: ClassBalance = ClassBalance()
    task_weights: TaskWeights = TaskWeights()
    modality_dropout: ModalityDropout = ModalityDropout()
    masking: Masking = Masking()
    speeds: Annotated[list[Speed], BeforeValidator(distinct)] = Field(
        [1.0], min_length=1, description="playback speeds of training windows; each pass over a window samples one"
    )
    distortions: Annotated[list[Distortion], BeforeValidator(distinct)] = Field(
        [], description="distortions of recordings in training; each pass over a window samples a speed or one of them"
    )
    start: str | None = Field(
        None,
        description="a run, by name or folder, to take initial weights from; `{seed}` in it stands for `seed`",
    )
    freeze: Annotated[list[Modality], BeforeValidator(distinct)] = Field(
        [], description="modalities whose layers keep the weights of `start`"
    )
    distillation: Distillation = Distillation()
    select: Selection = Selection()
    patience: int = Field(3, ge=1, le=1_000_000, description="epochs without a better validation score before stopping")

    @field_validator("start")
    @classmethod
    def _of_seed(cls, value: str | None, info: ValidationInfo) -> str | None:
        return None if value is None else value.replace("{seed}", str(info.data.get("seed", "{seed}")))
