"""The report in a real browser: no error, no overflow on a phone, tables that sort, by keyboard too, light and dark.

Headless Chromium through the DevTools protocol, over its pipe: https://chromedevtools.github.io/devtools-protocol/
"""

import base64
import fcntl
import json
import os
import select
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import analysis
from analysis.report import write_report
from trainables.layout import SearchFolder

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
Written = Callable[..., SearchFolder]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs a Chromium on the path; `apt-get install chromium` brings one"),
]

PHONE_PX = 380
PATIENCE_S = 120


class Browser:
    """One tab. Chromium reads commands from its descriptor 3 and answers on 4, JSON that ends with a zero byte."""

    def __init__(self, profile: Path) -> None:
        (theirs_in, self._to), (self._from, theirs_out) = _pipe(), _pipe()
        flags = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        ]
        ends = [(os.POSIX_SPAWN_DUP2, theirs_in, 3), (os.POSIX_SPAWN_DUP2, theirs_out, 4)]
        with (profile / "chromium.log").open("w") as log:
            ends += [(os.POSIX_SPAWN_DUP2, log.fileno(), each) for each in (1, 2)]
            self._pid = os.posix_spawn(str(CHROMIUM), ["chromium", *flags], os.environ, file_actions=ends)
        os.close(theirs_in)
        os.close(theirs_out)
        self._said, self._count, self._session = b"", 0, ""
        self.errors: list[str] = []
        tab = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=tab, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """What a command answers, once it does."""
        self._count += 1
        command = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            command["sessionId"] = self._session
        os.write(self._to, json.dumps(command).encode() + b"\0")
        return self._until(lambda message: message.get("id") == self._count)["result"]

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        ends = time.monotonic() + PATIENCE_S
        while True:
            while b"\0" in self._said:
                line, self._said = self._said.split(b"\0", 1)
                message = json.loads(line)
                self._note(message)
                if wanted(message):
                    assert "error" not in message, message["error"]
                    return message
            ready, _, _ = select.select([self._from], [], [], max(0.0, ends - time.monotonic()))
            assert ready, f"Chromium said nothing for {PATIENCE_S} s"
            more = os.read(self._from, 1 << 16)
            assert more, "Chromium has ended"
            self._said += more

    def _note(self, message: dict[str, Any]) -> None:
        about = message.get("params", {})
        wrong = {
            "Runtime.exceptionThrown": True,
            "Runtime.consoleAPICalled": about.get("type") in ("error", "warning", "assert"),
            "Log.entryAdded": about.get("entry", {}).get("level") in ("error", "warning"),
        }
        if wrong.get(message.get("method", "")):
            self.errors.append(json.dumps(about)[:500])

    def open(self, page: Path, width: int = 1280, theme: str = "light", scripts: bool = True) -> None:
        """Show a page. `width` in CSS px; a narrow one is a phone."""
        self.errors.clear()
        mobile = width < 600
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1 + mobile, mobile=mobile
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        self.call("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.call("Page.navigate", url=page.resolve().as_uri())
        self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def evaluate(self, script: str) -> Any:
        """The value of an expression."""
        told = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def press(self, key: str, text: str = "") -> None:
        about = {"key": key, "code": key, "windowsVirtualKeyCode": {"Tab": 9, "Enter": 13}[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def picture(self, path: Path, whole: bool = False) -> None:
        """A screenshot, to look at by hand."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self._session = ""
        self.call("Browser.close")
        os.close(self._to)
        os.close(self._from)
        os.waitpid(self._pid, 0)


def _pipe() -> tuple[int, int]:
    """Descriptors above 9, so that none of them is one of Chromium's."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    browser = Browser(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


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


def too_wide(browser: Browser, width: int) -> tuple[bool, list[str]]:
    """Whether the page scrolls sideways, and the beginnings of what stands out of the screen; tables may, in theirs."""
    script = f"""
    (() => {{
      const wide = [...document.querySelectorAll("body *")].filter((each) =>
        !each.closest(".scroll > *") && each.getBoundingClientRect().right > {width + 0.5});
      return [document.documentElement.scrollWidth > {width}, wide.map((each) => each.outerHTML.slice(0, 80))];
    }})()
    """
    scrolls, wide = browser.evaluate(script)
    return scrolls, wide


@pytest.mark.parametrize("width", [PHONE_PX, 800, 1280])
def test_nothing_is_wider_than_the_screen(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width)
    assert browser.errors == []
    assert browser.evaluate("innerWidth") == width
    assert too_wide(browser, width) == (False, [])


def test_what_is_too_wide_is_seen(browser: Browser, page: Path) -> None:
    browser.open(page, PHONE_PX)
    browser.evaluate("document.body.insertAdjacentHTML('beforeend', '<div style=\"width: 500px\">wide</div>')")
    assert too_wide(browser, PHONE_PX) == (True, ['<div style="width: 500px">wide</div>'])


def test_errors_are_seen(browser: Browser, tmp_path: Path) -> None:
    bad = tmp_path / "bad.html"
    bad.write_text("<script>console.error('one'); nobody()</script><img src='nowhere.png'>")
    browser.open(bad)
    assert len(browser.errors) == 3


TRIALS = "document.querySelector('#search table')"


def column(browser: Browser, name: str) -> list[str]:
    """The cells of a column of the table of trials, downwards."""
    script = f"""
    (() => {{
      const at = [...{TRIALS}.tHead.rows[0].cells].findIndex((cell) => cell.textContent === "{name}");
      return [...{TRIALS}.tBodies[0].rows].map((row) => row.cells[at].textContent);
    }})()
    """
    return browser.evaluate(script)


def click(browser: Browser, name: str) -> str:
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
    return browser.evaluate(script)


def test_numbers_sort_as_numbers_and_what_is_missing_stays_last(browser: Browser, page: Path) -> None:
    browser.open(page)
    rates = column(browser, "learning_rate")
    as_they_were = column(browser, "trial")
    assert click(browser, "learning_rate") == "learning_rate ascending"
    assert column(browser, "learning_rate") == sorted(rates, key=float) != sorted(rates)
    assert click(browser, "learning_rate") == "learning_rate descending"
    assert column(browser, "learning_rate") == sorted(rates, key=float, reverse=True)
    assert click(browser, "learning_rate") == ""
    assert column(browser, "trial") == as_they_were

    behind = [each for each in column(browser, "behind the first ± SE") if each != "–"]
    assert 1 < len(behind) < 30
    for direction, backwards in (("ascending", False), ("descending", True)):
        assert click(browser, "behind the first ± SE") == f"behind the first ± SE {direction}"
        cells = column(browser, "behind the first ± SE")
        numbers = [float(each.split(" ± ")[0]) for each in cells[: len(behind)]]
        assert numbers == sorted(numbers, reverse=backwards)
        assert {*cells[len(behind) :]} == {"–"}

    assert click(browser, "backbone") == "backbone ascending", "another heading begins anew"
    assert column(browser, "backbone") == sorted(column(browser, "backbone"))
    assert browser.errors == []


def test_the_sum_of_a_table_stays_below_it(browser: Browser, page: Path) -> None:
    browser.open(page)
    table = "document.querySelector('#promotion table')"
    browser.evaluate(f"{table}.tHead.querySelector('button').click()")
    browser.evaluate(f"{table}.tHead.querySelector('button').click()")
    rows = browser.evaluate(f"[...{table}.rows].map((row) => row.cells[0].textContent)")
    assert rows == ["trial", "002", "001", "000", "ensemble"]


def test_the_keyboard_reaches_the_headings_and_sorts(browser: Browser, page: Path) -> None:
    browser.open(page)
    active = "document.activeElement"
    for _ in range(60):
        browser.press("Tab")
        if browser.evaluate(f"{active}.tagName === 'BUTTON' && {active}.closest('table') === {TRIALS}"):
            break
    else:
        pytest.fail("sixty times Tab reach no heading of the table of trials")
    assert browser.evaluate(f"getComputedStyle({active}).outlineStyle") == "solid", "one sees where one is"
    before = column(browser, "trial")
    browser.press("Enter", "\r")
    browser.press("Enter", "\r")
    assert browser.evaluate(f"{active}.closest('th').getAttribute('aria-sort')") == "descending"
    assert column(browser, "trial") == sorted(before, reverse=True)


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


def test_pictures_are_readable_in_the_light_and_in_the_dark(browser: Browser, page: Path) -> None:
    grounds = {}
    for theme in ("light", "dark"):
        browser.open(page, theme=theme)
        grounds[theme], contrast = browser.evaluate(SHADES)
        assert contrast >= 4.5, theme
        assert browser.errors == []
    assert grounds["light"] > 0.9
    assert grounds["dark"] < 0.02


def test_without_scripts_the_page_is_whole(browser: Browser, page: Path) -> None:
    browser.open(page, scripts=False)
    document = browser.call("DOM.getDocument")["root"]["nodeId"]

    def count(selector: str) -> int:
        return len(browser.call("DOM.querySelectorAll", nodeId=document, selector=selector)["nodeIds"])

    assert count("#search tbody tr") == 30
    assert count("th button") == 0
    assert count("[hidden], noscript, template") == 0


def test_the_report_of_a_real_search(browser: Browser, finished_search: Path) -> None:
    for width in (PHONE_PX, 1280):
        browser.open(SearchFolder(finished_search).report, width)
        assert browser.errors == []
        assert too_wide(browser, width) == (False, [])
    tables = browser.evaluate("[...document.querySelectorAll('table.sortable')].map((table) => table.rows.length)")
    assert len(tables) >= 8
    sorting = "[...document.querySelectorAll('table.sortable')].filter((table) => table.querySelector('button')).length"
    assert browser.evaluate(sorting) >= 5
