"""Text from outside, as it is shown, looked up, taken from the command line and written where letters are lacking."""

from __future__ import annotations

import codecs
import json
import os
import re
import sys
import unicodedata
from io import TextIOWrapper

from colisten.errors import SettingsError

_BLANKS = re.compile(r"[\t-\r\x85\u2028\u2029]+")
_QUOTED = 100
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What steers a terminal, or turns the direction of the line it stands in."""


def printable(text: object) -> str:
    """One line that is safe on a terminal: line ends are blanks, control characters are `�`.

    >>> printable("[/x] \\x1b[31mred\\nnext")
    '[/x] �[31mred next'
    """
    return _CONTROLS.sub("�", _BLANKS.sub(" ", str(text)))


def json_line(value: object) -> str:
    r"""One line of JSON that is safe on a terminal: control characters are escaped, and mean the same.

    >>> print(json_line({"title": "caf\u00e9 \u009b31m"}))
    {"title": "café \u009b31m"}
    """
    line = json.dumps(value, ensure_ascii=False, default=str)
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def in_quotes(text: object) -> str:
    """One line between quotes, letter by letter, the first hundred: `repr` would double a backslash.

    >>> print(in_quotes(r"\\N"))
    '\\N'
    """
    line = printable(text)
    return f"'{line[:_QUOTED]}…'" if len(line) > _QUOTED else f"'{line}'"


def folded(text: str) -> str:
    """The same for all ways to write a title: composed or decomposed letters, small or capital ones."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def decoded(word: str, where: str) -> str:
    """An argument or a variable as UTF-8, in whatever encoding Python was told to read it.

    Raises:
        SettingsError: its bytes are no UTF-8.
    """
    try:
        word.encode()
    except UnicodeEncodeError:
        try:
            return os.fsencode(word).decode()
        except UnicodeError:
            shown = os.fsencode(word).decode(errors="replace")
            raise SettingsError(f"{where} {shown!r} is not valid UTF-8: write it in UTF-8.") from None
    return word


def escape_unknown_letters() -> None:
    """Letters that stdout and stderr cannot encode are written as in JSON, so that JSON stays JSON."""
    codecs.register_error("colisten.json", _escaped)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="colisten.json")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
