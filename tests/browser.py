"""A real browser without a window, which may reach this machine only."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

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

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = [
            "--headless=new", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=15000",
            f"--user-data-dir={self.profile}", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        ]  # fmt: skip
        alone = ["--no-sandbox"] if os.geteuid() == 0 else []
        return subprocess.run(
            [self.program, *options, *alone, *words], capture_output=True, text=True, check=True, timeout=120
        )


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
