"""A search on digits beside the same search with faults: what was lost, what was trained twice, what differs.

python -m benchmarks.chaos --faults 30 --out FOLDER [--seed 0] [--kinds driver worker ...] [--json FILE]
                           [search.py's flags]

One trial at a time, so that every number should be the same to the bit. Faults are drawn from the seed, and each
strikes after an epoch was trained since the one before it; only processes of this search are killed. With
`cluster_node` a second struck search runs on a simulated cluster, where drivers and trainings are killed as well.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
from rich.console import Console

from benchmarks.chaos.disk import small_disk
from benchmarks.chaos.faults import FAULTS
from benchmarks.chaos.nodes import Nodes
from benchmarks.chaos.search import Search
from benchmarks.chaos.table import Outcome, as_json, drawn, outcome

FLAGS = ("--trials", "16", "--epochs", "12", "--promote", "2", "--folds", "3", "--concurrent", "1", "--quiet")

_LONGEST_WAIT_S = 0.5
_LOCAL, _CLUSTER = "this machine", "a cluster"
_ON_BOTH = ("driver", "worker", "nan")


def dealt(kinds: Sequence[str]) -> dict[str, list[str]]:
    """The faults of the search on this machine, and of the one on a cluster where nodes are to vanish."""
    if "cluster_node" not in kinds:
        return {_LOCAL: list(kinds)}
    where: dict[str, list[str]] = {_LOCAL: [], _CLUSTER: []}
    turns = {kind: itertools.cycle((_CLUSTER, _LOCAL)) for kind in _ON_BOTH}
    turns["cluster_node"] = itertools.cycle((_CLUSTER,))
    for kind in kinds:
        where[next(turns[kind]) if kind in turns else _LOCAL].append(kind)
    return {name: theirs for name, theirs in where.items() if theirs}


def strike(search: Search, kinds: Sequence[str], rng: random.Random) -> Counter[str]:
    """Run a search through faults to its end, and say which struck; fewer than asked where it ended before."""
    struck: Counter[str] = Counter()
    left = deque(kinds)
    search.start()
    while left:
        if not search.wait_for_an_epoch():
            search.wait_for_the_end()
        time.sleep(rng.uniform(0.0, _LONGEST_WAIT_S))
        if search.finished():
            break
        if search.alive():
            kind = left.popleft()
            if FAULTS[kind](search):
                struck[kind] += 1
                print(f"{sum(struck.values())} of {len(kinds)}: {kind}", flush=True)
            else:
                left.append(kind)
        if not search.alive() and not search.finished():
            search.start()
    search.go_on_to_the_end()
    return struck


def struck_search(where: str, straight: Search, kinds: Sequence[str], rng: random.Random) -> Outcome:
    """A search like another, with faults."""
    search = Search(straight.out.with_name(where.replace(" ", "_")), straight.flags)
    with small_disk(search.out) if "full_disk" in kinds else nullcontext(True) as mounted:
        left_out = [] if mounted else ["full_disk"]
        try:
            if where == _CLUSTER:
                search.nodes = Nodes(threads_of(straight), search.environment())
            struck = strike(search, [kind for kind in kinds if kind not in left_out], rng)
        finally:
            search.close()
    return outcome(where, straight, search, struck, left_out)


def threads_of(search: Search) -> int:
    """How many it trained with; other numbers of threads may give other bits."""
    rows = pd.read_csv(next(search.out.glob("trials/*/fold0/metrics.csv")))
    return int(rows["threads"].iloc[0])


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 where a trial was lost, a decision differs, or a driver ended without a word."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=str(__doc__).splitlines()[0])
    parser.add_argument("--faults", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--kinds", nargs="+", choices=list(FAULTS), default=list(FAULTS))
    parser.add_argument("--json", type=Path, metavar="FILE", help="the table for programs")
    asked, more = parser.parse_known_args(arguments)
    rng = random.Random(asked.seed)
    kinds = [asked.kinds[number % len(asked.kinds)] for number in range(asked.faults)]
    rng.shuffle(kinds)
    out = asked.out.resolve()
    if out.exists():
        parser.error(f"--out must be a new folder, and {out} exists")
    out.mkdir(parents=True)
    straight = Search(out / "straight", (*FLAGS, *more))
    try:
        strike(straight, [], rng)
    finally:
        straight.close()
    outcomes = [struck_search(where, straight, theirs, rng) for where, theirs in dealt(kinds).items()]
    Console().print(drawn(outcomes))
    if asked.json:
        asked.json.write_text(json.dumps(as_json(outcomes), indent=1) + "\n")
    return 0 if all(each.good for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
