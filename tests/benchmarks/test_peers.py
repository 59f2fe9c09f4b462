import math
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import peers
from benchmarks.peer_systems.work import Work

FOUND = pd.DataFrame(
    [
        {"system": system, "seed": seed, "wall_s": wall + seed, "to_target_s": target, "overhead_s": 10.0 * wall,
         "turnover_s": 0.1, "epochs": 8.0, "test_accuracy": 0.9}
        for system, wall, target in (("with_optuna", 4.0, 3.0), ("ours", 2.0, math.nan))
        for seed in range(3)
    ]
)  # fmt: skip


def test_json_has_medians_by_system_and_null_where_the_target_was_not_reached() -> None:
    told = peers.as_json(FOUND)
    assert {name: told["with_optuna"][name] for name in peers.MEASURES} == {
        "wall_s": 5.0, "to_target_s": 3.0, "overhead_s": 40.0, "turnover_s": 0.1, "epochs": 8.0, "test_accuracy": 0.9,
    }  # fmt: skip
    assert told["ours"]["to_target_s"] is None
    assert len(told["ours"]["searches"]) == 3  # type: ignore[arg-type]


def test_the_table_has_every_system_and_ours_as_a_share(capsys: pytest.CaptureFixture[str]) -> None:
    peers.tell(FOUND)
    said = capsys.readouterr().out
    assert "| ours | 3.0 (2.0–4.0) |" in said
    assert "- with_optuna: wall_s 0.60 (0.50–0.67)" in said


def test_each_system_is_first_once() -> None:
    systems = list(peers.SYSTEMS)
    assert {peers.in_turn(systems, seed)[0] for seed in range(4)} == set(systems)
    assert all(sorted(peers.in_turn(systems, seed)) == sorted(systems) for seed in range(4))


def test_a_system_s_work_is_read_as_it_was_written(tmp_path: Path) -> None:
    work = Work(tmp_path, tmp_path / "data", tmp_path / "folds.json", tmp_path / "recipes.json", 4, 4, 2, 2, 3, 0)
    assert Work.load(work.save()) == work


def test_turnover_is_what_a_slot_waits_between_two_trials() -> None:
    """Two slots: trial 0 ends at 4, and 2 begins at 4.5; 1 ends at 6, and 3 begins at 6.3."""
    spans = {0: (0.0, 4.0), 1: (1.0, 6.0), 2: (4.5, 8.0), 3: (6.3, 7.0)}
    rows = [
        {"trial": trial, "ended_at": end, "seconds": end - begin}
        for trial, (first, last) in spans.items()
        for begin, end in ((first, (first + last) / 2), ((first + last) / 2, last))
    ]
    assert peers.turnover_s(pd.DataFrame(rows), 2) == pytest.approx(0.4)
    assert math.isnan(peers.turnover_s(pd.DataFrame(rows[:4]), 2))
