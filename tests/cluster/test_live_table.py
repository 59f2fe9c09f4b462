"""The live table on screens of several sizes, drawn from trials that are made up."""

import io
import random
import re
from typing import Any

import pytest
from rich.console import Console

from cluster.live_table import RUNNING, LiveTable, Seen
from search_spaces import Recipe, load_space

RUNGS = (2, 6)


def row(epoch: int, loss: float) -> dict[str, Any]:
    scores = {
        "val_robust_loss": loss,
        "val_robust_loss_se": 0.02,
        "val_accuracy": 1 - loss / 2,
        "val_accuracy_se": 0.01,
    }
    return {"epoch": epoch, **scores, "seconds": 10.0, "diverged": False}


def seen_of(recipes: list[Recipe], running: int) -> dict[int, Seen]:
    """A fifth has not begun, the last of the others run, and one in forty has diverged."""
    rng, begun = random.Random(0), max(1, len(recipes) * 4 // 5)
    seen = {}
    for number, recipe in enumerate(recipes[:begun]):
        epoch = rng.choice((2, 2, 2, 6, recipe.epochs))
        status = RUNNING if number >= begun - running else "finished" if epoch == recipe.epochs else "stopped"
        seen[number] = Seen(recipe, status, epoch, row(epoch, rng.uniform(0.3, 0.9)))
        if status != RUNNING and number % 40 == 39:
            seen[number] = Seen(recipe, "diverged", epoch, {**row(epoch, 0.1), "diverged": True})
    return seen


def screen(width: int, height: int, recipes: list[Recipe], seen: dict[int, Seen], at_once: int = 4) -> list[str]:
    """The lines that are drawn."""
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    table = LiveTable(console, recipes, "val_robust_loss", RUNGS)
    table.draw(seen, len(recipes), 500.0, at_once)
    console.file = drawn = io.StringIO()
    console.print(table._live.renderable)
    return drawn.getvalue().splitlines()


@pytest.mark.parametrize("space", ["digits", "leaves", "cassava"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40)])
@pytest.mark.parametrize(("count", "running"), [(3, 2), (40, 4), (200, 4), (200, 64)])
def test_it_keeps_to_the_screen(space: str, width: int, height: int, count: int, running: int) -> None:
    recipes = load_space(space).recipes(count, 0)
    seen = seen_of(recipes, running)
    lines = screen(width, height, recipes, seen, running)
    assert len(lines) < height, "a line is left for the cursor"
    assert max(map(len, lines)) <= width
    assert f"/{count} about 8 min left" in lines[0]
    head = lines[1].split()
    assert head[:5] == ["trial", "status", "epoch", "val_robust_loss", "val_accuracy"]
    shown = {int(found[1]): line for line in lines if (found := re.match(r"  (\d{3}) ", line))}
    for number, line in shown.items():
        assert f" {seen[number].status} " in line
        assert len(re.findall(r"0\.\d{4} ± 0\.\d{4}", line)) == 2
        assert line[lines[1].index("backbone") :].startswith(recipes[number].backbone[:21])
    told = re.findall(r"(\d+) (?:running|finished|stopped|diverged)", lines[-1]) if "more" in lines[-1] else []
    assert len(shown) + sum(map(int, told)) == len(seen)
    assert sum(seen[number].status == RUNNING for number in shown) >= min(running, (height - 6) // 2)
    best = min(
        (n for n in seen if seen[n].status == "finished"), key=lambda n: seen[n].row["val_robust_loss"], default=0
    )  # type: ignore[index]
    assert best in shown


def test_rows_stay_where_they_are_while_trials_report_and_others_take_their_turn() -> None:
    recipes = load_space("digits").recipes(200, 0)
    seen = seen_of(recipes, 4)
    before = screen(80, 24, recipes, seen)
    running = [number for number, each in seen.items() if each.status == RUNNING]
    seen[running[2]].row, seen[running[2]].epoch = row(6, 0.31), 6
    after = screen(80, 24, recipes, seen)
    changed = [line for line, earlier in zip(after, before, strict=True) if line != earlier]
    assert [line.split()[0] for line in changed] == [f"{running[2]:03d}"]
    seen[running[0]].status = "stopped"  # and before the next one begins
    between = screen(80, 24, recipes, seen)
    best = slice(1, [line.strip() for line in before].index(""))
    assert between[best] == before[best]


def test_the_last_one_has_no_room_for_what_runs() -> None:
    recipes = load_space("digits").recipes(40, 0)
    seen = {number: Seen(recipe, "stopped", 2, row(2, 0.5)) for number, recipe in enumerate(recipes)}
    lines = screen(80, 24, recipes, seen, at_once=0)
    assert len(lines) == 2 + (24 - 6) + 1
    assert lines[-1].strip() == "and 22 more: 22 stopped"


def test_the_best_is_marked_wherever_it_stands() -> None:
    recipes = load_space("digits").recipes(3, 0)
    seen = {n: Seen(recipe, "stopped", 2, row(2, 0.5 + 0.1 * n)) for n, recipe in enumerate(recipes)}
    seen[2] = Seen(recipes[2], RUNNING, 3, row(3, 0.6))
    console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True, color_system="standard")
    table = LiveTable(console, recipes, "val_robust_loss", RUNGS)
    table.draw(seen, 3, None, 1)
    console.file = drawn = io.StringIO()
    console.print(table._live.renderable)
    (marked,) = [line for line in drawn.getvalue().splitlines() if "\x1b[1;32m" in line and "±" in line]
    assert "002" in marked


def test_its_columns_are_what_differs_between_recipes() -> None:
    recipes = load_space("digits").fixed(backbone="test_resnet", image_size=32, t1=0.8, t2=1.2).recipes(8, 0)
    head = screen(200, 24, recipes, seen_of(recipes, 2))[1].split()
    assert head[5:] == ["lr", "batch", "smooth", "tta", "rung"]
