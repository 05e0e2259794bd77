"""Assignment of users to the groups of an A/B test, by hash: no assignment has to be stored.

`W/experiments/NAME/experiment.json` is the one place where an experiment is declared: its groups, their shares and how
each is answered. It is no setting, since settings may change from one command to the next, and this must not.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

from colisten.errors import SettingsError, WorkdirError
from colisten.serving.experiment.arms import Arm, parse_arm
from colisten.workdir import write_json

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Experiment:
    """An A/B test: groups and their shares of the users; the first group is the control.

    >>> both = Experiment("shelf", "shelf", {"control": 0.5, "fresh": 0.5})
    >>> both.group_of("u17") == both.group_of("u17")
    True
    """

    name: str
    salt: str
    """Hashed with the user id: experiments with other salts have independent groups."""
    groups: Mapping[str, float]
    """Name → share of all users; with a sum below 1, the rest of the users takes no part."""
    arms: Mapping[str, Arm] = field(default_factory=dict)
    """Name → how that group is answered; one that is not named is answered as without an experiment."""

    def group_of(self, user_id: str) -> str | None:
        """The group that a user is in, always the same; None for one who takes no part."""
        digest = hashlib.blake2b(f"{self.salt}\0{user_id}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest, "big") / 2**64
        names, ends = list(self.groups), list(accumulate(self.groups.values()))
        found = bisect_right(ends, place)
        if found < len(names):
            return names[found]
        return names[-1] if ends[-1] > 1 - _TOLERANCE else None

    def arm(self, group: str) -> Arm:
        """How a group is answered."""
        return self.arms.get(group, Arm())

    def members(self, user_ids: Iterable[str], group: str | None = None) -> dict[str, str]:
        """User → group of those who take part, in order; only those of `group` if it is named.

        Raises:
            SettingsError: there is no such group.
        """
        if group is not None and group not in self.groups:
            raise SettingsError(f"{self.name!r} has no group {group!r}: there are {', '.join(self.groups)}.")
        assigned = {user_id: self.group_of(user_id) for user_id in dict.fromkeys(user_ids)}
        return {user_id: mine for user_id, mine in assigned.items() if mine is not None and group in (None, mine)}


def create_experiment(
    folder: Path,
    name: str,
    groups: Mapping[str, float],
    salt: str | None = None,
    arms: Mapping[str, Mapping[str, object]] | None = None,
) -> Experiment:
    """Keep a new experiment in `folder/NAME`, or open the one there if it is the same.

    Args:
        folder: where experiments lie.
        name: of the experiment.
        groups: name → share; the first is the control.
        salt: hashed with the user id; None: the name.
        arms: group → fields of `Arm`, how it is answered.

    Raises:
        SettingsError: a name, share or answer that cannot be, or the experiment is there with others.
    """
    _check(name, groups)
    new = Experiment(name, salt or name, dict(groups), _parsed(groups, arms or {}))
    if _file(folder, name).exists():
        if (kept := open_experiment(folder, name)) != new:
            raise SettingsError(
                f"The experiment {name!r} is under way with {_words(kept.groups)}, other answers or another salt: "
                "changing it would mix what is compared. Give the new one another name."
            )
        return kept
    write_json(_file(folder, name), _as_json(new))
    return new


def open_experiment(folder: Path, name: str) -> Experiment:
    """The experiment that `create_experiment` has kept under this name.

    Raises:
        SettingsError: there is none.
        WorkdirError: its file is damaged.
    """
    path = _file(folder, name)
    if not _NAME.fullmatch(name) or not path.exists():
        known = ", ".join(sorted(found.parent.name for found in folder.glob("*/experiment.json"))) or "none"
        raise SettingsError(
            f"There is no experiment {name!r} (there are: {known}): `colisten experiment assign` first."
        )
    try:
        found = json.loads(path.read_text())
        arms = {group: parse_arm(group, values) for group, values in found.pop("arms", {}).items()}
        return Experiment(**found, arms=arms)
    except (ValueError, TypeError, AttributeError, SettingsError) as error:
        raise WorkdirError(
            f"{path} is damaged: remove it, and `colisten experiment assign` it with the same groups and salt again."
        ) from error


def _file(folder: Path, name: str) -> Path:
    return folder / name / "experiment.json"


def _as_json(experiment: Experiment) -> dict[str, object]:
    arms = {group: arm.model_dump(exclude_unset=True) for group, arm in experiment.arms.items()}
    return {"name": experiment.name, "salt": experiment.salt, "groups": experiment.groups, "arms": arms}


def _parsed(groups: Mapping[str, float], arms: Mapping[str, Mapping[str, object]]) -> dict[str, Arm]:
    for group in arms:
        if group not in groups:
            raise SettingsError(f"There is no group {group!r} to be answered so: there are {', '.join(groups)}.")
    return {group: parse_arm(group, values) for group, values in arms.items()}


def _check(name: str, groups: Mapping[str, float]) -> None:
    for word in (name, *groups):
        if not _NAME.fullmatch(word):
            raise SettingsError(f"{word!r} cannot be a name here: use small letters, digits, - and _.")
    shares = groups.values()
    if len(groups) < 2 or not all(share > 0 for share in shares) or sum(shares) > 1 + _TOLERANCE:
        raise SettingsError(
            f"{_words(groups) or 'No group'} cannot be compared: name two groups or more, shares up to 1."
        )


def _words(groups: Mapping[str, float]) -> str:
    return ", ".join(f"{name}={share:g}" for name, share in groups.items())
