"""A TensorBoard server, and a real browser without a screen to look at its pages. Both listen on the loopback only."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE_S = 240.0
_EVERY_S = 0.25

_EVERYWHERE = """
const everywhere = (selector, root = document) => [
  ...root.querySelectorAll(selector),
  ...[...root.querySelectorAll('*')].filter(e => e.shadowRoot).flatMap(e => everywhere(selector, e.shadowRoot)),
];
"""
"""Pages made of custom elements hide them from `querySelectorAll`."""


def missing() -> str | None:
    """Why there is no browser, or None where there is one."""
    return None if _browser() else f"needs one of {', '.join(_NAMES)} (apt-get install chromium) on the PATH"


def _browser() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Tab:
    """A page of the browser, through its DevTools protocol: https://chromedevtools.github.io/devtools-protocol/"""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._loop, self._socket, self._numbers = loop, socket, count(1)
        self.errors: list[str] = []
        """What the page's console was told of errors and warnings since it was opened."""
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result; `RuntimeError` with what the browser says of a wrong one."""
        number = next(self._numbers)
        self._loop.run_until_complete(self._socket.send_json({"id": number, "method": method, "params": parameters}))
        message = self._until(lambda message: message.get("id") == number)
        if "error" in message:
            raise RuntimeError(f"{method}: {message['error']}")
        result: dict[str, Any] = message["result"]
        return result

    def _until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            received = self._loop.run_until_complete(self._socket.receive(timeout=_PATIENCE_S))
            message: dict[str, Any] = json.loads(received.data)
            if _is_wrong(message):
                self.errors.append(json.dumps(message["params"])[:500])
            if wanted(message):
                return message

    def open(self, address: str) -> None:
        """Load a page, from its very beginning also where only what follows the # differs."""
        for each in ("about:blank", address):
            self.errors.clear()
            self.call("Page.navigate", url=each)
            self._until(lambda message: message.get("method") == "Page.loadEventFired")

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression, which may call `everywhere(SELECTOR)`."""
        function = f"(() => {{ {_EVERYWHERE} return ({expression}); }})()"
        result = self.call("Runtime.evaluate", expression=function, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def until(self, expression: str) -> Any:
        """Ask until the answer is true, and return it; `TimeoutError` after four minutes."""
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            answer = self.ask(expression)
            if answer:
                return answer
            time.sleep(_EVERY_S)
        raise TimeoutError(f"not within {_PATIENCE_S:.0f} s: {expression}")

    def texts(self, selector: str) -> list[str]:
        """What elements say, in the order of the page."""
        said: list[str] = self.ask(f"everywhere({json.dumps(selector)}).map(e => e.textContent.trim())")
        return said

    def picture(self, path: Path) -> None:
        """What the window shows, PNG."""
        shown = self.call("Page.captureScreenshot", format="png")["data"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(shown))


def _is_wrong(message: dict[str, Any]) -> bool:
    about = message.get("params", {})
    wrong = {
        "Runtime.exceptionThrown": True,
        "Runtime.consoleAPICalled": about.get("type") in ("error", "warning", "assert"),
        "Log.entryAdded": about.get("entry", {}).get("level") in ("error", "warning"),
    }
    return wrong.get(message.get("method", ""), False)


@contextmanager
def tab(width: int = 1400, height: int = 900) -> Iterator[Tab]:
    """A browser with one window of this size, px."""
    browser = _browser()
    assert browser, missing()
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as profile:
        # The sandbox needs rights that a container does not give; the pages are our own.
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"]
        flags += [f"--window-size={width},{height}", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
        with _process([browser, *flags, "about:blank"], Path(profile) / "log"):
            port = _soon(lambda: (Path(profile) / "DevToolsActivePort").read_text().splitlines()[0])
            with asyncio.Runner() as runner:
                yield from _connected(runner.get_loop(), port)


def _connected(loop: asyncio.AbstractEventLoop, port: str) -> Iterator[Tab]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json") as answer:
        pages = [each for each in json.load(answer) if each["type"] == "page"]
    http, socket = loop.run_until_complete(_connect(pages[0]["webSocketDebuggerUrl"]))
    try:
        yield Tab(loop, socket)
    finally:
        loop.run_until_complete(http.close())


async def _connect(address: str) -> tuple[aiohttp.ClientSession, aiohttp.ClientWebSocketResponse]:
    http = aiohttp.ClientSession()
    return http, await http.ws_connect(address, max_msg_size=0)


@contextmanager
def tensorboard(logdir: Path, *flags: str) -> Iterator[str]:
    """The address of a TensorBoard that reads a folder, and reads it again every second."""
    with tempfile.TemporaryDirectory(prefix="tensorboard-") as scratch:
        log = Path(scratch) / "log"
        own = ["--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0", "--reload_interval", "1"]
        with _process([sys.executable, "-m", "tensorboard.main", *own, *flags], log):
            words = _soon(lambda: log.read_text().split("http://127.0.0.1:")[1].split("/")[0])
            yield f"http://127.0.0.1:{words}"


@contextmanager
def _process(command: Sequence[str], log: Path) -> Iterator[None]:
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            yield
        finally:
            process.terminate()
            process.wait()


def _soon(look: Callable[[], str]) -> str:
    """What a process that has just begun writes down somewhere."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return look()
        except (OSError, IndexError):
            if time.monotonic() > deadline:
                raise
            time.sleep(_EVERY_S)
