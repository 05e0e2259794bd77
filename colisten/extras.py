"""Optional dependencies (extras), checked where they are needed."""

from __future__ import annotations

from importlib.util import find_spec

from colisten.errors import SettingsError


def require(extra: str, *modules: str) -> None:
    """Make sure that the packages of an extra are installed.

    Raises:
        SettingsError: one is missing; the message has the install command.
    """
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise SettingsError(
            f"This needs {' and '.join(missing)}, which come with the extra {extra!r}: "
            f"`pip install 'colisten[{extra}]'`, or `uv sync --extra {extra}` in a checkout."
        )
