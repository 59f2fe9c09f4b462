"""The figures of a search as parts of its page: SVG whose colours follow the page, each with a text for who sees none.

A figure has one panel here, so that panels stand side by side on a wide screen and below each other on a phone.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from analysis import figures
from analysis.evidence import listed
from analysis.loading import Found
from trainables.scores import goodness, shown

VARIABLES = {
    "#000000": "ink",
    "#444444": "ink",
    "#666666": "soft",
    "#888888": "soft",
    "#999999": "soft",
    **{to_hex(colour): name for name, colour in figures.COLOURS.items()},
    **{to_hex(colour): f"series-{place}" for place, colour in enumerate(figures.SERIES)},
}
"""The variable of style.css that stands for a colour of `figures`; it has another value in the dark."""

_STYLE = {"svg.fonttype": "none", "font.size": 11}
"""Text as text: smaller, and in the page's own font, which is narrower than the one that is measured with."""


def picture(draw: Callable[[], Figure], alt: str) -> Markup:
    """What `draw` draws, as an `<svg>` that a page may hold many of; the same bits each time. `alt` is plain text."""
    with rc_context({**_STYLE, "svg.hashsalt": alt}):
        content = io.StringIO()
        draw().savefig(content, format="svg", transparent=True, metadata={"Date": None})
    text = content.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # every figure has the same ones, and nothing refers to them
    text = re.sub(r" font-family: [^;\"]*;?", "", text)  # the page's
    text = re.sub(r"(?<=: )#[0-9a-f]{6}\b", _variable, text)
    return Markup(text.replace("<svg", f'<svg role="img" aria-label="{escape(alt)}"', 1))


def _variable(colour: re.Match[str]) -> str:
    name = VARIABLES.get(colour[0])
    return f"var(--{name})" if name else colour[0]


def search_curves(found: Found) -> list[Markup]:
    """The number that decides, and accuracy, of every trial by epoch."""
    return [_search_curve(found, metric) for metric in shown(found.metric)]


def _search_curve(found: Found, metric: str) -> Markup:
    trials = found.trials
    ended = listed([f"{count} {status}" for status, count in trials["status"].value_counts().items()])
    best = trials[trials["trial"] == found.best].iloc[0]
    alt = (
        f"Curves of {metric} on fold 0 by epoch, one for each of {len(trials)} trials: {ended}. "
        f"Rungs are at {listed([f'epoch {rung}' for rung in found.about['rungs']]) or 'no epoch'}. "
        f"The best, trial {best['trial']:03d}, ends at {best[metric]:.4f} after {best['epoch']} epochs."
    )
    return picture(lambda: figures.search_curve(found, metric), alt)


def promoted_bars(summary: dict[str, Any]) -> Markup:
    """The ensemble beside its members."""
    rows = figures.accuracies(summary)
    told = listed([f"{name} {100 * share:.2f} ± {100 * se:.2f} %" for name, share, se in rows])
    return picture(lambda: figures.promoted_bars(summary), f"Out-of-fold accuracy ± one standard error: {told}.")


def tta_curves(found: Found, metric: str) -> Markup:
    """What further test-time views change; nothing where no trial was scored with more than one."""
    told = []
    for number in figures.answering(found.summary):
        curve = found.tta[found.tta["trial"] == number]
        if len(curve) > 1:
            change, count = curve[metric].iloc[-1] - curve[metric].iloc[0], curve["tta_count"].iloc[-1]
            told.append(f"trial {number:03d} {change:+.4f} at {count}")
    alt = f"Change in {metric} on fold 0 by the number of test-time views: {listed(told)}."
    return picture(lambda: figures.tta_curves(found, metric), alt) if told else Markup()


def parameter_panels(trials: pd.DataFrame, metric: str) -> list[Markup]:
    """Each searched number against where the trials ended, then the backbones' markers where there are several."""
    panels = [_parameter_panel(trials, name, metric) for name in figures.varying(trials)]
    backbones = sorted(trials["backbone"].unique())
    if len(backbones) > 1:
        panels.append(picture(lambda: figures.backbone_key(trials), f"Markers of the backbones {listed(backbones)}."))
    return panels


def _parameter_panel(trials: pd.DataFrame, name: str, metric: str) -> Markup:
    there = trials.dropna(subset=[metric])
    best = there.iloc[int((goodness(metric, 1.0) * there[metric]).argmax())]
    alt = (
        f"Dots of {len(there)} trials: {metric} where each ended against {name}, from {there[name].min():g} to "
        f"{there[name].max():g}. The best value, {best[metric]:.4f}, is at {best[name]:g}."
    )
    return picture(lambda: figures.parameter_panel(trials, name, metric), alt)


def member_matrices(matrices: Mapping[str, Any]) -> list[Markup]:
    """Who is like whom; nothing where one member is like nobody."""
    return [_member_matrix(matrices, which) for which in figures.MATRICES] if len(matrices["names"]) > 1 else []


def _member_matrix(matrices: Mapping[str, Any], which: str) -> Markup:
    values, names = np.array(matrices[which]), matrices["names"]
    pairs = list(zip(*np.triu_indices(len(names), 1), strict=True))
    scale = 100 if which == "disagreement" else 1

    def told(pair: Iterable[Any]) -> str:
        one, other = pair
        return f"{scale * values[one, other]:.2f} of {names[one]} and {names[other]}"

    ends = dict.fromkeys(choose(pairs, key=lambda pair: float(values[pair])) for choose in (min, max))
    alt = f"Heat map of members, {figures.MATRICES[which]}: {' to '.join(map(told, ends))}."
    return picture(lambda: figures.member_matrix(dict(matrices), which), alt)
