"""TensorBoard's pages of a search as pictures: what docs/tensorboard.md shows.

python -m benchmarks.screenshots OUT [--to docs]
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks import browser
from trainables.files import load_json
from trainables.layout import SearchFolder
from trainables.member import Member

_DRAWN_S = 8.0
"""From the moment that all is there until charts have ceased to move."""


def hparams(tab: browser.Tab, address: str, path: Path) -> None:
    """The table with every parameter, in a window that is wide enough; TensorBoard itself ticks the first five."""
    tab.call("Emulation.setDeviceMetricsOverride", width=2300, height=800, deviceScaleFactor=1, mobile=False)
    tab.open(f"{address}/#hparams")
    tab.until("everywhere('vaadin-grid-cell-content').length > 20")
    tab.ask("everywhere('.hparam-checkbox').filter(box => !box.checked).forEach(box => box.click())")
    time.sleep(_DRAWN_S)
    tab.picture(path)
    tab.call("Emulation.clearDeviceMetricsOverride")


def time_series(tab: browser.Tab, address: str, runs: str, tags: str, path: Path) -> None:
    """Curves of the runs and the tags that match, all runs ticked."""
    tab.open(f"{address}/?runFilter={runs}&tagFilter={tags}&smoothing=0#timeseries")
    tab.until("everywhere('runs-data-table mat-checkbox input').length > 1")
    tab.ask("everywhere('runs-data-table mat-checkbox input').filter(b => !b.checked).slice(0, 1).map(b => b.click())")
    tab.until("everywhere('card-view').length > 0")
    tab.until("everywhere('card-view mat-spinner').length == 0")
    tab.ask("everywhere('button[aria-label=\"Close side pane\"]').forEach(button => button.click())")
    time.sleep(_DRAWN_S)
    tab.picture(path)


def error_bands(tab: browser.Tab, address: str, runs: str, path: Path) -> None:
    """Metrics between one standard error less and one more."""
    tab.open(f"{address}/#custom_scalars")
    _tick(tab, runs)
    tab.until("everywhere('tf-custom-scalar-margin-chart-card').length > 0")
    time.sleep(_DRAWN_S)
    tab.picture(path)


def images(tab: browser.Tab, address: str, runs: str, path: Path) -> None:
    """The first pictures of the runs that match, as large as they are."""
    tab.call("Emulation.setDeviceMetricsOverride", width=2060, height=1080, deviceScaleFactor=1, mobile=False)
    tab.open(f"{address}/#images")
    _tick(tab, runs)
    tab.until("everywhere('tf-image-loader').length > 0")
    tab.ask("everywhere('paper-checkbox').filter(b => b.textContent.includes('actual image size')).map(b => b.click())")
    time.sleep(_DRAWN_S)
    tab.picture(path)
    tab.call("Emulation.clearDeviceMetricsOverride")


def _tick(tab: browser.Tab, runs: str) -> None:
    """Only the runs that match, on a page of the older kind; some of them are ticked at first, or none."""
    boxes = "everywhere('tf-multi-checkbox').flatMap(list => everywhere('paper-checkbox', list.shadowRoot))"
    tab.until(f"everywhere('#toggle-all').length > 0 && {boxes}.length > 0")
    tab.ask(f"everywhere('tf-multi-checkbox').forEach(list => {{ list.regex = '{runs}' }})")
    time.sleep(_DRAWN_S)
    tab.ask(f"{boxes}.every(b => !b.checked) && everywhere('#toggle-all').forEach(button => button.click())")


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
    with browser.tensorboard(search.path) as address, browser.tab(1500, 900) as tab:
        hparams(tab, address, flags.to / "tensorboard_hparams.png")
        time_series(tab, address, "fold0", "validation/", flags.to / "tensorboard_curves.png")
        time_series(tab, address, "search", "best_|rungs", flags.to / "tensorboard_search.png")
        images(tab, address, f"{best:03d}$", flags.to / "tensorboard_images.png")
        error_bands(tab, address, f"{best:03d}/", flags.to / "tensorboard_bands.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
