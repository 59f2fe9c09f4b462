"""Every way of blending any models' out-of-fold predictions, by nested cross-validation.

python -m analysis.ensemble --oof A.csv B.csv [--folds 5 --seed 0] [--metric val_loss] [--out DIR]

Each CSV is one model: `image_id,label[,fold]` and `c0…` or `p0…`, as OUT/oof.csv is. `fold` is the fold in which the
*models* were cross-validated; without it the rows are split anew, which is fair to the blends but not to the models'
own choice of epochs or settings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis import figures
from analysis.ensemble.choice import Choice, compare_methods
from analysis.ensemble.chosen import oof_table, scores_of
from analysis.ensemble.description import described
from analysis.ensemble.members import Members
from analysis.ensemble.tables import read_members
from search_spaces.errors import InputError
from trainables.files import save_json, write_whole
from trainables.layout import SearchFolder
from trainables.scores import METRICS


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done. 2: bad input."""
    flags = _read_flags(arguments)
    try:
        if flags.out is not None and flags.out.exists() and not flags.out.is_dir():
            raise InputError(f"--out must be a folder; {flags.out} is a file")
        image_ids, members = read_members(flags.oof, flags.folds, flags.seed)
    except InputError as error:
        print(f"analysis.ensemble: {error}", file=sys.stderr)
        return 2
    choice = compare_methods(members, flags.metric, flags.seed, flags.quiet)
    found = _found(members, choice, flags.metric, flags.seed)
    print(told(members, choice, found))
    if flags.out is not None:
        out = SearchFolder(flags.out)
        save_json(out.ensemble, found)
        write_whole(out.oof, oof_table(image_ids, members, choice.probs).to_csv(index=False))
        if len(members) > 1:
            figures.member_matrices(found["matrices"]).savefig(out.matrices, dpi=110)
    return 0


def _read_flags(arguments: Sequence[str] | None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(prog="python -m analysis.ensemble", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--oof", type=Path, nargs="+", required=True, metavar="CSV", help="a table for each model")
    add("--folds", type=int, help="stratified folds, where the tables have no column fold (5)")
    add("--seed", type=int, default=0, help="of those folds and of what methods draw")
    add("--metric", choices=METRICS, default=METRICS[0], help="what the methods improve and are chosen by")
    add("--out", type=Path, metavar="DIR", help="also write ensemble.json, oof.csv and members.png there")
    add("--quiet", action="store_true")
    return parser.parse_args(arguments)


def _found(members: Members, choice: Choice, metric: str, seed: int) -> dict[str, Any]:
    classes = [str(k) for k in range(members.pred_probs.shape[2])]
    return {
        "method": choice.method,
        "chosen_because": choice.because,
        "metric": metric,
        "seed": seed,
        **scores_of(choice, members),
        **described(members, choice.probs, metric, seed, classes),
    }


def told(members: Members, choice: Choice, found: dict[str, Any]) -> str:
    """The tables for a terminal."""
    methods = pd.DataFrame(found["candidates"]).assign(seconds=list(choice.seconds.values())).set_index("method")
    parts = [
        f"{len(members)} models, {len(members.labels)} images, folds {len(members.folds)}, metric {found['metric']}",
        "every method, fitted without the fold that it is scored on; leads over the mean are paired, one SE",
        methods.round(5).to_string(),
        f"taken: {choice.method} ({choice.because})",
        f"chosen without each fold: {', '.join(choice.by_fold)}",
        f"accuracy, choice included: {found['nested_accuracy']:.4f} ± {found['nested_se']:.4f}",
    ]
    for name in ("error_correlation", "disagreement"):
        table = pd.DataFrame(found["matrices"][name], index=list(members.names), columns=list(members.names))
        parts += [name.replace("_", " "), table.round(4).to_string()]
    parts += ["accuracy by fold", _beside(found["folds"], "fold", members), "recall by class"]
    parts.append(_beside(found["classes"], "class", members))
    rivals = found["members_by_fold"]
    if rivals:
        parts.append(
            f"the mean of all is ahead of members chosen a fold by {rivals['behind']:+.4f} ± {rivals['se']:.4f}"
        )
    return "\n".join(parts)


def _beside(rows: list[dict[str, Any]], of: str, members: Members) -> str:
    table = pd.DataFrame([row["members"] for row in rows], columns=list(members.names))
    table.insert(0, of, [row[of] for row in rows])
    return (
        table.assign(ensemble=[row["accuracy"] for row in rows], images=[row["images"] for row in rows])
        .round(4)
        .to_string(index=False)
    )


if __name__ == "__main__":
    sys.exit(main())
