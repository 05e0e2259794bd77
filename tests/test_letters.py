"""Text from outside is shown, found and read in whatever way it is written."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colisten.errors import SettingsError
from colisten.letters import decoded, folded, printable


@given(st.text())
def test_nothing_that_is_shown_steers_the_terminal(text: str) -> None:
    shown = printable(text)
    assert not [letter for letter in shown if unicodedata.category(letter) in ("Cc", "Zl", "Zp")]
    assert all(letter in shown for letter in text if letter.isalnum())


@given(st.text())
def test_however_a_title_is_written_it_is_the_same(title: str) -> None:
    for form in ("NFC", "NFD"):
        written = unicodedata.normalize(form, title)
        assert folded(written) == folded(title)
    assert folded(folded(title)) == folded(title)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_an_argument_is_utf8_however_python_read_it(word: str) -> None:
    assert decoded(word, "The argument") == word
    if os.fsencode("é") == "é".encode():
        assert decoded(word.encode().decode("ascii", "surrogateescape"), "The argument") == word


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(SettingsError, match="argument 'caf�' is not valid UTF-8"):
        decoded(os.fsdecode(b"caf\xe9"), "The argument")
