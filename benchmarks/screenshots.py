"""TensorBoard's pages of a search as pictures: what docs/tensorboard.md shows.

python -m benchmarks.screenshots OUT [--to docs]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks import browser
from trainables.layout import SearchFolder, load_json
from trainables.member import Member

_DRAWN_S = 3.0
"""From the moment that all is there until charts have ceased to move."""

_TICKS = "everywhere('.hparam-checkbox, .metric-checkbox')"


def hparams(tab: browser.Tab, address: str, path: Path) -> None:
    """The table with every column ticked."""
    tab.open(f"{address}/#hparams")
    tab.until(f"{_TICKS}.length > 0")
    tab.ask(f"{_TICKS}.filter(box => !box.checked).forEach(box => box.click())")
    tab.until(f"everywhere('vaadin-grid-cell-content').length > 2 * {_TICKS}.length")
    time.sleep(_DRAWN_S)
    tab.picture(path)


def time_series(tab: browser.Tab, address: str, runs: str, tags: str, path: Path) -> None:
    """Curves and images of the runs and the tags that match, all runs ticked."""
    tab.open(f"{address}/?runFilter={runs}&tagFilter={tags}&smoothing=0#timeseries")
    tab.until("everywhere('runs-data-table mat-checkbox input').length > 1")
    tab.ask("everywhere('runs-data-table mat-checkbox input').filter(b => !b.checked).slice(0, 1).map(b => b.click())")
    tab.until("everywhere('card-view').length > 0")
    tab.until("everywhere('card-view mat-spinner').length == 0")
    for button in ("Close side pane", "Toggle actual image size"):
        time.sleep(_DRAWN_S)
        tab.ask(f"everywhere('button[aria-label=\"{button}\"]').forEach(button => button.click())")
    time.sleep(_DRAWN_S)
    tab.picture(path)


def error_bands(tab: browser.Tab, address: str, runs: str, path: Path) -> None:
    """Metrics between one standard error less and one more."""
    tab.open(f"{address}/?runFilter={runs}#custom_scalars")
    tab.until("everywhere('#toggle-all').length > 0")
    tab.ask(f"everywhere('tf-multi-checkbox').forEach(list => {{ list.regex = '{runs}' }})")
    time.sleep(_DRAWN_S)
    tab.ask("everywhere('#toggle-all').forEach(button => button.click())")
    tab.until("everywhere('tf-custom-scalar-margin-chart-card').length > 0")
    time.sleep(3 * _DRAWN_S)
    tab.picture(path)


def main(arguments: list[str] | None = None) -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.screenshots", description=str(__doc__).splitlines()[0])
    parser.add_argument("out", type=Path, help="OUT of a finished search")
    parser.add_argument("--to", type=Path, default=Path("docs"), help="folder of the pictures")
    flags = parser.parse_args(arguments)
    if browser.missing():
        print(f"benchmarks.screenshots: {browser.missing()}", file=sys.stderr)
        return 2
    search = SearchFolder(flags.out)
    best = Member.of(load_json(search.promoted)[0], 1).trials[0]
    with browser.tensorboard(search.path) as address, browser.tab(1900, 900) as tab:
        hparams(tab, address, flags.to / "tensorboard_hparams.png")
        time_series(tab, address, "fold0", "validation/", flags.to / "tensorboard_curves.png")
        time_series(tab, address, "search", "best_|rungs", flags.to / "tensorboard_search.png")
        time_series(tab, address, f"{best:03d}$", "out_of_fold", flags.to / "tensorboard_images.png")
        error_bands(tab, address, f"{best:03d}/", flags.to / "tensorboard_bands.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
