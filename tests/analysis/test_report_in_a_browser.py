"""The report in a real browser: no error, no overflow on a phone, tables that sort, by keyboard too, light and dark."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import analysis
from analysis.report import write_report
from benchmarks import browser
from benchmarks.browser import Tab
from trainables.layout import SearchFolder

Written = Callable[..., SearchFolder]
pytestmark = [pytest.mark.slow, pytest.mark.skipif(browser.missing() is not None, reason=browser.missing() or "")]

PHONE_PX = 380


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with browser.tab() as tab:
        yield tab


def show(tab: Tab, page: Path, width: int = 1280, theme: str = "light", scripts: bool = True) -> None:
    """Open a page. `width` in CSS px; a narrow one is a phone."""
    mobile = width < 600
    tab.call("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1 + mobile, mobile=mobile)
    tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
    tab.call("Emulation.setScriptExecutionDisabled", value=not scripts)
    tab.open(page.resolve().as_uri())


def press(tab: Tab, key: str, text: str = "") -> None:
    about = {"key": key, "code": key, "windowsVirtualKeyCode": {"Tab": 9, "Enter": 13}[key]}
    tab.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
    tab.call("Input.dispatchKeyEvent", type="keyUp", **about)


@pytest.fixture(scope="module")
def page(written: Written) -> Path:
    """Of thirty trials of three backbones, one of which diverged; three are promoted, and one is denoised too."""
    backbones = ("test_resnet", "test_byobnet", "test_efficientnet")
    told = [
        {
            "t1": 1 - n / 200,
            "learning_rate": 2e-5 * 1.2 ** (7 * n % 30),
            "tta_count": 1 + n % 2,
            "backbone": backbones[n % 3],
        }
        | {"status": "finished" if n < 5 else "diverged" if n == 9 else "stopped", "right": 0.9 - n / 200}
        for n in range(30)
    ]
    return write_report(analysis.load(written(told, [0, 1, 2], denoised=True, soft=True).path))


def too_wide(tab: Tab, width: int) -> tuple[bool, list[str]]:
    """Whether the page scrolls sideways, and the beginnings of what stands out of the screen; tables may, in theirs."""
    script = f"""
    (() => {{
      const wide = [...document.querySelectorAll("body *")].filter((each) =>
        !each.closest(".scroll > *") && each.getBoundingClientRect().right > {width + 0.5});
      return [document.documentElement.scrollWidth > {width}, wide.map((each) => each.outerHTML.slice(0, 80))];
    }})()
    """
    scrolls, wide = tab.ask(script)
    return scrolls, wide


@pytest.mark.parametrize("width", [PHONE_PX, 800, 1280])
def test_nothing_is_wider_than_the_screen(tab: Tab, page: Path, width: int) -> None:
    show(tab, page, width)
    assert tab.errors == []
    assert tab.ask("innerWidth") == width
    assert too_wide(tab, width) == (False, [])


def test_what_is_too_wide_is_seen(tab: Tab, page: Path) -> None:
    show(tab, page, PHONE_PX)
    tab.ask("document.body.insertAdjacentHTML('beforeend', '<div style=\"width: 500px\">wide</div>')")
    assert too_wide(tab, PHONE_PX) == (True, ['<div style="width: 500px">wide</div>'])


def test_errors_are_seen(tab: Tab, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<script>console.error('one'); nobody()</script><img src='nowhere.png'>")
    show(tab, bad)
    assert len(tab.errors) == 3


TRIALS = "document.querySelector('#search table')"


def column(tab: Tab, name: str) -> list[str]:
    """The cells of a column of the table of trials, downwards."""
    script = f"""
    (() => {{
      const at = [...{TRIALS}.tHead.rows[0].cells].findIndex((cell) => cell.textContent === "{name}");
      return [...{TRIALS}.tBodies[0].rows].map((row) => row.cells[at].textContent);
    }})()
    """
    return tab.ask(script)


def click(tab: Tab, name: str) -> str:
    """Click a heading of the table of trials; returns how the column says it is sorted."""
    script = f"""
    (() => {{
      const cells = [...{TRIALS}.tHead.rows[0].cells];
      const heading = cells.find((cell) => cell.textContent === "{name}");
      heading.querySelector("button").click();
      const sorted = cells.filter((cell) => cell.getAttribute("aria-sort") !== "none");
      return sorted.map((cell) => cell.textContent + " " + cell.getAttribute("aria-sort")).join();
    }})()
    """
    return tab.ask(script)


def test_numbers_sort_as_numbers_and_what_is_missing_stays_last(tab: Tab, page: Path) -> None:
    show(tab, page)
    rates = column(tab, "learning_rate")
    as_they_were = column(tab, "trial")
    assert click(tab, "learning_rate") == "learning_rate ascending"
    assert column(tab, "learning_rate") == sorted(rates, key=float) != sorted(rates)
    assert click(tab, "learning_rate") == "learning_rate descending"
    assert column(tab, "learning_rate") == sorted(rates, key=float, reverse=True)
    assert click(tab, "learning_rate") == ""
    assert column(tab, "trial") == as_they_were

    behind = [each for each in column(tab, "behind the first ± SE") if each != "–"]
    assert 1 < len(behind) < 30
    for direction, backwards in (("ascending", False), ("descending", True)):
        assert click(tab, "behind the first ± SE") == f"behind the first ± SE {direction}"
        cells = column(tab, "behind the first ± SE")
        numbers = [float(each.split(" ± ")[0]) for each in cells[: len(behind)]]
        assert numbers == sorted(numbers, reverse=backwards)
        assert {*cells[len(behind) :]} == {"–"}

    assert click(tab, "backbone") == "backbone ascending", "another heading begins anew"
    assert column(tab, "backbone") == sorted(column(tab, "backbone"))
    assert tab.errors == []


def test_the_sum_of_a_table_stays_below_it(tab: Tab, page: Path) -> None:
    show(tab, page)
    table = "document.querySelector('#promotion table')"
    tab.ask(f"{table}.tHead.querySelector('button').click()")
    tab.ask(f"{table}.tHead.querySelector('button').click()")
    rows = tab.ask(f"[...{table}.rows].map((row) => row.cells[0].textContent)")
    assert rows == ["trial", "002", "001", "000", "ensemble"]


def test_the_keyboard_reaches_the_headings_and_sorts(tab: Tab, page: Path) -> None:
    show(tab, page)
    active = "document.activeElement"
    for _ in range(60):
        press(tab, "Tab")
        if tab.ask(f"{active}.tagName === 'BUTTON' && {active}.closest('table') === {TRIALS}"):
            break
    else:
        pytest.fail("sixty times Tab reach no heading of the table of trials")
    assert tab.ask(f"getComputedStyle({active}).outlineStyle") == "solid", "one sees where one is"
    before = column(tab, "trial")
    press(tab, "Enter", "\r")
    press(tab, "Enter", "\r")
    assert tab.ask(f"{active}.closest('th').getAttribute('aria-sort')") == "descending"
    assert column(tab, "trial") == sorted(before, reverse=True)


SHADES = """
(() => {
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const ground = luminance(getComputedStyle(document.body).backgroundColor);
  const words = [...document.querySelectorAll("svg text")].filter((each) =>
    !each.closest("svg").getAttribute("aria-label").startsWith("Heat map"));
  const contrasts = words.map((each) => luminance(getComputedStyle(each).fill))
    .map((shade) => (Math.max(shade, ground) + 0.05) / (Math.min(shade, ground) + 0.05));
  return [ground, Math.min(...contrasts)];
})()
"""


def test_pictures_are_readable_in_the_light_and_in_the_dark(tab: Tab, page: Path) -> None:
    grounds = {}
    for theme in ("light", "dark"):
        show(tab, page, theme=theme)
        grounds[theme], contrast = tab.ask(SHADES)
        assert contrast >= 4.5, theme
        assert tab.errors == []
    assert grounds["light"] > 0.9
    assert grounds["dark"] < 0.02


def test_without_scripts_the_page_is_whole(tab: Tab, page: Path) -> None:
    show(tab, page, scripts=False)
    document = tab.call("DOM.getDocument")["root"]["nodeId"]

    def count(selector: str) -> int:
        return len(tab.call("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

    assert count("#search tbody tr") == 30
    assert count("th button") == 0
    assert count("[hidden], noscript, template") == 0


def test_the_report_of_a_real_search(tab: Tab, finished_search: Path) -> None:
    for width in (PHONE_PX, 1280):
        show(tab, SearchFolder(finished_search).report, width)
        assert tab.errors == []
        assert too_wide(tab, width) == (False, [])
    tables = tab.ask("[...document.querySelectorAll('table.sortable')].map((table) => table.rows.length)")
    assert len(tables) >= 8
    sorting = "[...document.querySelectorAll('table.sortable')].filter((table) => table.querySelector('button')).length"
    assert tab.ask(sorting) >= 5
