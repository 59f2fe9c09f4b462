"""The page of a finished search, from its files and the templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from analysis import figures
from analysis.epochs import verdict
from analysis.evidence import listed
from analysis.loading import Found
from analysis.report import pictures
from analysis.report.answer import answer
from analysis.report.cautions import cautions, counted
from search_spaces.recipe import FIELDS
from trainables.durations import duration
from trainables.files import load_json, load_object, write_whole
from trainables.member import member_name
from trainables.scores import shown

FIELDS_SHOWN = ("backbone", "image_size", "batch_size", "learning_rate", "t1", "t2", "smoothing", "tta_count")
"""Of every recipe; others where they differ between trials."""

_NEEDED = ("best_trial", "promoted", "cost", "ensemble", "denoised", "view_mean", "ways", "plan", "edges", "skipped")
"""Of summary.json; earlier code wrote fewer."""

METRIC_MEANINGS = {
    "val_robust_loss": "mean loss of each image's label after one temperature, bounded so that a wrong label costs at "
    "most 1.43; lower is better",
    "val_loss": "mean negative log-likelihood of each image's label after one temperature, in nats; lower is better",
    "val_nll": "mean negative log-likelihood of each image's label, in nats; lower is better",
    "val_accuracy": "share of images whose likeliest class is the label; higher is better",
}


def write_report(found: Found) -> Path:
    """Draw the finished search in OUT/report.html, and its curves in OUT/search.png; returns the page's path."""
    html = render(found)
    figures.search_curves(found).savefig(found.search.picture, dpi=110)
    write_whole(found.search.report, html)
    return found.search.report


def render(found: Found) -> str:
    """The page as HTML."""
    summary, metric = load_object(found.search.summary, *_NEEDED), found.metric
    fields = _shown_fields(found)
    template = _environment().get_template("page.html.j2")
    return template.render(
        about=found.about,
        summary=summary,
        answer=answer(found),
        cautions=cautions(found),
        metrics={name: METRIC_MEANINGS[name] for name in shown(metric)},
        recipe_fields=fields,
        member_fields=[*fields, "denoise"] if summary["denoised"] else fields,
        trials=_ranked(found),
        gallery=load_json(found.search.label_gallery) if summary["label_issues"] else [],
        verdict=verdict(summary["ways"], metric),
        curves=pictures.search_curves(found),
        bars=pictures.promoted_bars(summary),
        matrices=pictures.member_matrices(summary["ensemble"]["matrices"]),
        parts=_parts(summary["ensemble"]),
        tta=pictures.tta_curves(found, metric),
        panels=pictures.parameter_panels(found.trials, metric),
    )


def _environment() -> Environment:
    page = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    page.filters |= {
        "percent": _percent,
        "points": lambda ahead, se: f"{100 * ahead:+.2f} ± {100 * se:.2f}",
        "number": _number,
        "trial": member_name,
        "duration": duration,
        "listed": listed,
        "counted": counted,
        "short": lambda value: f"{value:.4g}" if isinstance(value, float) else value,
    }
    return page


def _percent(share: float | None, se: float | None = None) -> str:
    """'79.01', or '79.01 ± 1.15': the unit stands beside it, or in its column's heading."""
    if share is None:
        return "–"
    return f"{100 * share:.2f}" if se is None else f"{100 * share:.2f} ± {100 * se:.2f}"


def _number(value: float | None, se: float, sign: str = "") -> str:
    """'0.4123 ± 0.0100'."""
    return "–" if value is None else f"{value:{sign}.4f} ± {se:.4f}"


def _parts(ensemble: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows by fold, source and class under one heading."""
    named = (("folds", "fold"), ("sources", "source"), ("classes", "class"))
    return [{**row, "name": f"{one} {row[one]}"} for many, one in named for row in ensemble[many]]


def _shown_fields(found: Found) -> list[str]:
    """The fields that every reader looks for, and those that differ between trials."""
    return [name for name in FIELDS if name in FIELDS_SHOWN or found.trials[name].nunique() > 1]


def _ranked(found: Found) -> list[dict[str, Any]]:
    """Every trial with its standing, best first; those that were never judged come last."""
    table = found.trials.merge(found.standings.drop(columns="epoch"), on="trial", how="left", sort=False)
    place = table["trial"].map({number: place for place, number in enumerate(found.standings["trial"])})
    ordered = table.assign(place=place).sort_values("place", na_position="last", kind="stable")
    rows: list[dict[str, Any]] = ordered.astype(object).where(ordered.notna(), None).to_dict("records")  # type: ignore[assignment]
    return rows
