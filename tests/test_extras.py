import pytest

from colisten.errors import SettingsError
from colisten.extras import require


def test_a_missing_package_says_how_to_install_it() -> None:
    require("plots", "json")
    with pytest.raises(SettingsError, match=r"needs no_such_package, .*colisten\[plots\].*--extra plots") as told:
        require("plots", "json", "no_such_package")
    assert "\n" not in str(told.value)
