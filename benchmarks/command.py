"""The command line, as a child process of this Python."""

from __future__ import annotations

import sys

MAIN = "from colisten.cli.main import main; main()"
COLISTEN = (sys.executable, "-c", MAIN)
"""The words that `colisten` stands for."""
