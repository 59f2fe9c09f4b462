"""Who stands where at the end of the search, decided once: promotion trains on what was compared."""

from __future__ import annotations

from collections.abc import Iterable

from cluster.kinds import FULL
from cluster.plan import Plan
from cluster.promotion import backbones, ranked, standings
from trainables.comparison import compare
from trainables.files import load_array, load_json, save_array, save_json
from trainables.member import Member
from trainables.scores import goods_by_image
from trainables.trial import Trial


def rank(plan: Plan, trials: list[Trial]) -> dict[int, int]:
    """The epochs that all who were judged had reached, by number, best first; writes standings.json.

    Anew where the search went on since: with trials that were not compared, or further than they were. Where others
    are promoted now, ties at the cut are theirs, and the order stays.
    """
    judged = {standing.number: standing for standing in standings(trials, plan.metric)}
    rows = load_json(plan.search.standings) if plan.search.standings.exists() else []
    epochs = {row["trial"]: row["epoch"] for row in rows}
    further = any(standing.epoch > epochs.get(number, -1) for number, standing in judged.items())
    if further:
        epochs = ranked([*judged.values()])
    promoted = {n for member in plan.promotion.members(epochs, backbones(trials)) for n in member.trials}
    if further or promoted != {row["trial"] for row in rows if row["promoted"]}:
        labels = plan.data.labels[plan.folds.split(0)[1]]
        folds = {number: plan.search.trial(number).fold(0) for number in epochs}
        goods = {n: goods_by_image(plan.metric, load_array(fold.judged_probs), labels) for n, fold in folds.items()}
        rows = compare([*epochs], epochs, goods, promoted)
        save_json(plan.search.standings, rows)
    for row in rows:
        if row["cut_is_tie"] and not plan.quiet:
            more = "; see --promote" if plan.promotion.kind == FULL else ""
            print(f"note: trial {row['trial']:03d} is not promoted, but tied with the last that is{more}")
    return epochs


def keep_probs_of_the_search(plan: Plan, members: Iterable[Member]) -> None:
    """Of who goes on in fold 0: what was compared."""
    for member in members:
        folder = plan.search.trial(member.trials[0]).fold(0)
        if not folder.search_probs.exists():
            save_array(folder.search_probs, load_array(folder.pred_probs))
