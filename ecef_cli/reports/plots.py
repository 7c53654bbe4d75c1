"""Draw plots for print from arrays: confusion, learning curves, reliability, scores by emotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.ticker import MaxNLocator

from ecef_cli.reports.colours import PALETTE, ink
from ecef_cli.reports.picture import drawn
from ecef_cli.runs.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.figure import Figure

    from ecef_cli.reports.picture import Picture
    from ecef_cli.runs.metrics import Calibration

    Counts = npt.NDArray[np.int64]

_GREY, _BLUE, _ORANGE = PALETTE[0], PALETTE[3], PALETTE[6]
# Each line has its own marker and dash, besides its colour.
_LINES = ((_BLUE, "o", "-"), (_ORANGE, "s", "--"), (PALETTE[5], "^", "-."), (PALETTE[7], "D", ":"))
_LONGEST = 26  # maximum characters of a label


def confusion(name: str, counts: Counts, labels: Sequence[str], *, title: str = "") -> Picture:
    """Draw a confusion matrix as in the paper's Figure 3: per cent of each gold emotion, with counts below.

    Args:
        name: name of the files.
        counts: (C, C), gold by row, predicted by column; a row without targets stays grey.
        labels: the C emotions.
        title: its title.
    """
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.where(totals > 0, 100 * counts / np.maximum(totals, 1), np.nan)
    size = 1.9 + 0.5 * len(labels)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        colours = mpl.colormaps["cividis"].with_extremes(bad="#e4e4e4")
        edges = np.arange(len(labels) + 1) - 0.5
        image = axes.pcolormesh(edges, edges, np.ma.masked_invalid(shares), cmap=colours, vmin=0, vmax=100)
        axes.set_aspect("equal")
        axes.invert_yaxis()
        for (row, column), share in np.ndenumerate(shares):
            if not totals[row, 0]:
                axes.text(column, row, "n/a", ha="center", va="center", color="#404040")
                continue
            colour = ink(*colours(share / 100)[:3])
            axes.text(column, row - 0.1, f"{share:.0f}", ha="center", va="center", color=colour, fontsize=8.5)
            axes.text(
                column, row + 0.28, f"{counts[row, column]:,}", ha="center", va="center", color=colour, fontsize=5.5
            )
        ticks, names = range(len(labels)), [_short(label) for label in labels]
        gold = [name if total else f"{name}\n(no target)" for name, total in zip(names, totals[:, 0], strict=True)]
        axes.set_xticks(ticks, names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(ticks, gold)
        axes.set(xlabel="predicted", ylabel="gold", title=title)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.03, label="per cent of the gold emotion")
        bar.outline.set_visible(False)

    right = int(np.trace(counts))
    alt = f"Confusion matrix{_of(title)}: {right:,} of {int(counts.sum()):,} targets are predicted correctly."
    return drawn(name, alt, (size + 0.9, size), draw)


def learning_curves(
    name: str, epochs: Sequence[Mapping[str, Any]], *, chosen: int | None = None, title: str = ""
) -> Picture:
    """Draw the loss of training and the dev metrics of each task, with the chosen epoch marked.

    Args:
        name: name of the files.
        epochs: the rows of a run's `log.jsonl`: `epoch`, `loss`, and the metrics of each task.
        chosen: the epoch whose weights were kept.
        title: its title.
    """
    tasks = [key for key, value in (epochs[0] if epochs else {}).items() if isinstance(value, dict)]
    numbers = [row["epoch"] for row in epochs]

    def draw(figure: Figure) -> None:
        panels = figure.subplots(1, 1 + len(tasks), squeeze=False)[0]
        panels[0].plot(numbers, [row["loss"] for row in epochs], color="black", marker="o")
        panels[0].set(ylabel="loss", title="training")
        for axes, task in zip(panels[1:], tasks, strict=True):
            for (metric, heading), (colour, marker, dash) in zip(METRICS.items(), _LINES, strict=True):
                values = [row[task][metric] for row in epochs]
                axes.plot(numbers, values, color=colour, marker=marker, linestyle=dash, label=heading)
            axes.set(ylabel="per cent", title=f"{task.upper()} on dev")
        for axes in panels:
            axes.set_xlabel("epoch")
            axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
            axes.set_xlim(min(numbers, default=1) - 0.3, max(numbers, default=1) + 0.3)
            axes.grid(axis="y")
            if chosen is not None:
                axes.axvline(chosen, color=_GREY, linestyle=(0, (4, 2)), linewidth=1)
        lines, headings = panels[-1].get_legend_handles_labels()
        if chosen is not None:
            lines.append(mpl.lines.Line2D([], [], color=_GREY, linestyle=(0, (4, 2)), linewidth=1))
            headings.append(f"chosen epoch ({chosen})")
        columns = 5 if len(tasks) > 1 else 3  # as many as fit the figure
        figure.legend(lines, headings, loc="outside lower center", ncols=columns, frameon=False, handlelength=3)
        figure.suptitle(title, fontsize=9)

    kept = "" if chosen is None else f" Epoch {chosen} was chosen."
    alt = f"Learning curves{_of(title)} over {len(numbers)} epochs.{kept}"
    return drawn(name, alt, (2.4 * (1 + len(tasks)), 2.7 if len(tasks) > 1 else 2.9), draw)


def reliability(name: str, found: Calibration, *, title: str = "") -> Picture:
    """Draw a reliability diagram: accuracy and number of predictions by confidence, and the ECE.

    Args:
        name: name of the files.
        found: the bins, of which at least one has a prediction, and the error.
        title: its title.
    """
    bins = [one for one in found.bins if one.count]
    total = sum(one.count for one in bins)

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        left, widths = [one.low for one in bins], [one.high - one.low for one in bins]
        accuracy = [one.accuracy for one in bins]
        upper.bar(left, accuracy, widths, align="edge", color="#9ecae9", edgecolor=_BLUE, label="right")
        means = [one.confidence for one in bins]
        upper.plot(means, accuracy, "D", color=_ORANGE, clip_on=False, label="at mean confidence")
        upper.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="calibrated")
        upper.set(ylim=(0, 1), xlim=(0, 1), ylabel="share that is right", title=title)
        figure.legend(loc="outside lower center", ncols=3, frameon=False, columnspacing=1, handlelength=1.6, fontsize=7)
        upper.text(0.97, 0.04, f"ECE {found.ece:.1f} %", ha="right", transform=upper.transAxes, fontsize=9, bbox=_BOX)
        lower.bar(left, [one.count for one in bins], widths, align="edge", color="#c9c9c9", edgecolor="#5a5a5a")
        for one in bins:
            lower.text((one.low + one.high) / 2, one.count, f"{one.count:,}", ha="center", va="bottom", fontsize=5)
        lower.set(xlabel="confidence", ylabel="targets", ylim=(0, 1.3 * max(one.count for one in bins)))
        lower.locator_params(axis="y", nbins=3)

    alt = f"Reliability diagram{_of(title)}: {total:,} targets, expected calibration error {found.ece:.1f} per cent."
    return drawn(name, alt, (3.8, 3.9), draw)


def emotion_bars(
    name: str,
    labels: Sequence[str],
    values: Sequence[float],
    support: Sequence[int],
    *,
    metric: str = "F1",
    low: Sequence[float] | None = None,
    high: Sequence[float] | None = None,
    title: str = "",
) -> Picture:
    """Draw one score of each emotion, with its interval if there is one.

    Args:
        name: name of the files.
        labels: the C emotions.
        values: their scores, in per cent; ignored for an emotion without targets.
        support: number of targets of each emotion.
        metric: name of the score.
        low: lower ends of confidence intervals.
        high: upper ends of confidence intervals.
        title: its title.
    """
    known = np.asarray(support) > 0
    at, scores = np.flatnonzero(known), np.asarray(values, dtype=float)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        ends = np.asarray(scores if high is None else high, dtype=float)
        axes.barh(at, scores[at], height=0.66, color="#9ecae9", edgecolor=_BLUE, linewidth=0.8)
        if low is not None and high is not None:
            whiskers = np.clip([scores[at] - np.asarray(low)[at], ends[at] - scores[at]], 0, None)
            axes.errorbar(scores[at], at, xerr=whiskers, fmt="none", ecolor="black", elinewidth=1.1, capsize=2.5)
        for row, score in enumerate(scores):
            text, end = (f"{score:.1f}", max(score, ends[row])) if known[row] else ("no target", 0.0)
            axes.text(end + 1.5, row, text, va="center", fontsize=7.5, color="black" if known[row] else "#505050")
        named = [f"{_short(label)} (n = {count:,})" for label, count in zip(labels, support, strict=True)]
        axes.set_yticks(range(len(labels)), named)
        axes.set(xlim=(0, 112), ylim=(len(labels) - 0.4, -0.6), xlabel=f"{metric}, per cent", title=title)
        axes.set_xticks(range(0, 101, 20))
        axes.grid(axis="x")
        axes.tick_params(axis="y", length=0)

    scored = ", ".join(f"{labels[n]} {scores[n]:.1f}" for n in at.tolist())
    alt = f"{metric} of each emotion{_of(title)}, per cent: {scored or 'none has a target'}."
    return drawn(name, alt, (5.2, 1.1 + 0.3 * len(labels)), draw)


_BOX = {"boxstyle": "round,pad=0.3", "facecolor": "white", "edgecolor": "#8a8a8a", "linewidth": 0.6}


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else f"{label[: _LONGEST - 1]}…"


def _of(title: str) -> str:
    return f" of {title}" if title else ""
