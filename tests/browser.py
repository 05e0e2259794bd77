"""A real browser without a window, which may reach this machine only."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

_AS_3_AND_4 = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(word), fcntl.F_DUPFD, 10) for word in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Becomes the browser, whose pipes have these numbers."""
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@dataclass(frozen=True)
class Browser:
    """Opens a page, lets its scripts run, and says what is to be seen."""

    program: str
    profile: Path

    def text(self, url: str) -> str:
        """The page's elements as HTML, after its scripts."""
        return self._run("--dump-dom", url).stdout

    def picture(self, url: str, path: Path, *, height: int = 1000) -> np.ndarray:
        """Pixels [height, 1400, 3] between 0 and 1."""
        self._run(f"--window-size=1400,{height}", f"--screenshot={path}", url)
        return pixels(path)

    @contextmanager
    def opened(self, url: str, *, width: int = 1400, height: int = 1000) -> Iterator[Callable[[str], Any]]:
        """A function that evaluates JavaScript on the page, a promise to its end; a narrow one is a phone's.

        It speaks DevTools' protocol over a pipe, which takes no library.
        """
        read, to_browser = os.pipe()
        from_browser, write = os.pipe()
        words = [sys.executable, "-c", _AS_3_AND_4, str(read), str(write), *self._command("--remote-debugging-pipe")]
        with (
            subprocess.Popen(words, pass_fds=[read, write], stderr=subprocess.DEVNULL) as process,
            os.fdopen(to_browser, "wb", buffering=0) as sent,
            os.fdopen(from_browser, "rb") as received,
        ):
            os.close(read)
            os.close(write)
            numbers = count(1)

            def call(method: str, session: dict[str, str], **parameters: object) -> dict[str, Any]:
                number = next(numbers)
                message = {"id": number, "method": method, "params": parameters} | session
                sent.write(json.dumps(message).encode() + b"\0")
                while (answer := json.loads(_until_zero(received))).get("id") != number:
                    pass
                assert "error" not in answer, answer
                found: dict[str, Any] = answer["result"]
                return found

            target = call("Target.createTarget", {}, url="about:blank")["targetId"]
            session = {"sessionId": call("Target.attachToTarget", {}, targetId=target, flatten=True)["sessionId"]}
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            call("Emulation.setDeviceMetricsOverride", session, **size)
            call("Page.navigate", session, url=url)

            def evaluate(code: str) -> Any:
                answer = call("Runtime.evaluate", session, expression=code, awaitPromise=True, returnByValue=True)
                assert "exceptionDetails" not in answer, answer
                return answer["result"].get("value")

            try:
                yield evaluate
            finally:
                process.kill()

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = self._command("--virtual-time-budget=15000", *words)
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)

    def _command(self, *words: str) -> list[str]:
        options = [
            "--headless=new", "--disable-gpu", "--hide-scrollbars",
            f"--user-data-dir={self.profile}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]  # fmt: skip
        alone = ["--no-sandbox"] if os.geteuid() == 0 else []
        return [self.program, *options, *alone, *words]


def _until_zero(received: Any) -> bytes:
    found = b"".join(iter(lambda: received.read(1), b"\0"))
    assert found, "the browser has gone"
    return found


def find_browser(profile: Path) -> Browser:
    """The browser of this machine; skips the test where there is none."""
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip("no browser here: install chromium to see the pages for real")
    return Browser(program, profile)


def pixels(path: Path) -> np.ndarray:
    """A PNG as [height, width, 3] between 0 and 1."""
    return imread(path)[:, :, :3]


def share_of(picture: np.ndarray, colour: str) -> float:
    """Share of the pixels that have (nearly) this colour."""
    return float((np.abs(picture - to_rgb(colour)).max(axis=2) < 0.06).mean())
