"""report.html: what was found, how sure we are, how to repeat it. One file, no outside resource.

python -m analysis.report OUT        # write it again
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from analysis import figures
from analysis.epochs import verdict
from analysis.loading import Found, load
from search_spaces.errors import InputError
from search_spaces.recipe import FIELDS
from trainables.durations import duration
from trainables.layout import load_json, write_whole
from trainables.member import member_name
from trainables.scores import shown

_ALWAYS = ("backbone", "image_size", "batch_size", "learning_rate", "t1", "t2", "smoothing", "tta_count")


def write_report(found: Found) -> Path:
    """Draw the finished search in OUT/report.html, and its curves in OUT/search.png; returns the page's path."""
    page = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True)
    page.filters["percent"] = lambda share: "–" if share is None else f"{100 * share:.2f} %"
    page.filters["with_se"] = lambda value, se: "–" if value is None else f"{value:.4f} ± {se:.4f}"
    page.filters["name"] = member_name
    page.filters["duration"] = duration
    metric = found.summary["metric"]
    curves = figures.search_curves(found)
    curves.savefig(found.search.picture, dpi=110)
    html = page.get_template("report.html.j2").render(
        about=found.about,
        summary=found.summary,
        shown=shown(metric),
        recipe_fields=_shown_fields(found),
        trials=_ranked(found),
        ties=_ties(found),
        gallery=load_json(found.search.label_gallery) if found.summary.get("label_issues") else [],
        verdict=verdict(found.summary.get("ways", []), metric),
        curves=figures.to_svg(curves),
        bars=figures.to_svg(figures.promoted_bars(found.summary)),
        matrices=_matrices(found.summary["ensemble"]["matrices"]),
        parts=_parts(found.summary["ensemble"]),
        tta=figures.to_svg(figures.tta_curves(found, metric)),
        scatter=figures.to_svg(figures.parameter_scatter(found.trials, metric)),
    )
    write_whole(found.search.report, html)
    return found.search.report


def _matrices(matrices: dict[str, Any]) -> str:
    """Nothing where one member is like nobody."""
    return figures.to_svg(figures.member_matrices(matrices)) if len(matrices["names"]) > 1 else ""


def _parts(ensemble: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows by fold, source and class under one heading."""
    named = (("folds", "fold"), ("sources", "source"), ("classes", "class"))
    return [{**row, "name": f"{one} {row[one]}"} for many, one in named for row in ensemble[many]]


def _shown_fields(found: Found) -> list[str]:
    """The fields that every reader looks for, and those that differ between trials."""
    return [name for name in FIELDS if name in _ALWAYS or found.trials[name].nunique() > 1]


def _ranked(found: Found) -> list[dict[str, Any]]:
    """Every trial with its standing, best first; those that were never judged come last."""
    table = found.trials.merge(found.standings.drop(columns="epoch"), on="trial", how="left", sort=False)
    place = table["trial"].map({number: place for place, number in enumerate(found.standings["trial"])})
    ordered = table.assign(place=place).sort_values("place", na_position="last", kind="stable")
    rows: list[dict[str, Any]] = ordered.astype(object).where(ordered.notna(), None).to_dict("records")  # type: ignore[assignment]
    return rows


def _ties(found: Found) -> dict[str, list[str]]:
    """Numbers of the trials that the evidence does not tell from the first, and from the last that was promoted."""
    standings = found.standings
    others = standings[standings["tied_with_first"]]["trial"].iloc[1:]
    cut = standings[standings["cut_is_tie"]]["trial"]
    return {"first": [f"{number:03d}" for number in others], "cut": [f"{number:03d}" for number in cut]}


def main() -> int:
    """Write the report of OUT again."""
    if len(sys.argv) != 2:
        print("usage: python -m analysis.report OUT", file=sys.stderr)
        return 2
    try:
        print(write_report(load(sys.argv[1])))
    except InputError as error:
        print(f"analysis.report: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
