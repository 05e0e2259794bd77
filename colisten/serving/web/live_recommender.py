"""Hot reload: recommenders are reopened after each publish, rollback or run."""

from __future__ import annotations

import time

from colisten.serving.index.opening import open_index
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.workdir import Workdir

_CHECK_SECONDS = 1.0


class LiveRecommender:
    """Keeps a `Recommender` open, and one of each collection that experiments name; checks once a second whether the
    alias or the profiles were replaced."""

    def __init__(self, workdir: Workdir, settings: Settings) -> None:
        self._workdir = workdir
        self._settings = settings
        self._index = open_index(workdir, settings)
        self._opened: dict[str | None, Recommender] = {}
        self._state: object = None
        self._checked_at = 0.0

    def recommender(self, name: str | None = None) -> Recommender:
        """The recommender of what is published now, or of the collection of that `name`.

        Raises:
            IndexStoreError, WorkdirError: see `Recommender.open`.
        """
        now = time.monotonic()
        if name in self._opened and now - self._checked_at < _CHECK_SECONDS:
            return self._opened[name]
        state = self._published_state()
        if name not in self._opened or state != self._state:
            fresh = Recommender.open(self._workdir, self._settings, name)
            if state != self._state:
                self.close()
            self._opened[name], self._state = fresh, state
        self._checked_at = now
        return self._opened[name]

    def close(self) -> None:
        while self._opened:
            self._opened.popitem()[1].close()

    def _published_state(self) -> object:
        profiles = self._workdir.profiles
        return self._index.live(), profiles.stat().st_mtime_ns if profiles.exists() else None
