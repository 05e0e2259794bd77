"""The handler of requests: recommender, path finder and text encoder, kept open between requests, for one thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from colisten.errors import ColistenError
from colisten.graph_store.inspection.show import ItemView
from colisten.listening.histories import UserHistories
from colisten.serving.profiles import Item
from colisten.serving.query import item_named
from colisten.serving.recommending import Recommendations, Recommender
from colisten.serving.web import requests
from colisten.serving.web.live_recommender import LiveRecommender
from colisten.serving.web.responses import HealthResponse
from colisten.serving.why.explaining import Explainer
from colisten.serving.why.path_finder import PathFinder
from colisten.serving.why.reasons import Reason
from colisten.settings import Settings
from colisten.workdir import Workdir

if TYPE_CHECKING:
    from colisten.text.encoder import Encoder

_RETRY_SECONDS = 30.0


class ConflictError(ColistenError):
    """A request with parameters that exclude each other."""


class RequestHandler:
    """Computes the result of each request. Not thread-safe, as SQLite and the embedded engine are not."""

    def __init__(self, workdir: Workdir, settings: Settings) -> None:
        self._workdir = workdir
        self._settings = settings
        self._live = LiveRecommender(workdir, settings)
        self._path_finder = PathFinder.open(workdir, settings)
        self._tried_at = time.monotonic()
        self._encoder: Encoder | None = None

    def close(self) -> None:
        self._path_finder.close()
        self._live.close()

    def load_encoder(self) -> Encoder:
        """The text encoder, which takes seconds to load the first time.

        Raises:
            SettingsError: it cannot be loaded.
        """
        if self._encoder is None:
            from colisten.text.encoder import Encoder

            self._encoder = Encoder(self._settings.text)
        return self._encoder

    def health(self) -> HealthResponse:
        recommender = self._recommender
        types = recommender.profiles.vocabulary("item_type")
        return HealthResponse(
            index=recommender.collection.name,
            items=recommender.collection.count(),
            types=sorted(types, key=lambda name: name != recommender.target),
            graph=self._reconnected_path_finder.unavailable is None,
            search=self._encoder is not None,
            version=version("colisten"),
        )

    def recommend(self, request: requests.RecommendRequest) -> tuple[Recommendations, list[Reason] | None, list[str]]:
        """Recommendations, their reasons if requested, and notes."""
        recommender = self._recommender
        history, notes = self._history(request, recommender)
        answer = recommender.answer(history, request.query())
        if not request.why:
            return answer, None, notes
        reasons = self._explain(recommender, history, [item.item for item in answer.items])
        return answer, reasons, notes + self._graph_notes()

    def why(self, request: requests.WhyRequest) -> Reason:
        recommender = self._recommender
        history, _ = self._history(request, recommender)
        return self._explain(recommender, history, [item_named(request.item, recommender.profiles).item])[0]

    def similar(self, request: requests.SimilarRequest) -> Recommendations:
        return self._recommender.similar(request.item, request.query(), across=request.across)

    def search(self, request: requests.SearchRequest) -> Recommendations:
        recommender = self._recommender
        recommender.check(request.query())
        return recommender.search(self.load_encoder().encode([request.q])[0], request.query())

    def titles(self, request: requests.TitlesRequest) -> list[Item]:
        return self._recommender.profiles.titled(request.q, request.k)

    def neighbourhood(self, request: requests.NeighbourhoodRequest) -> tuple[Item, ItemView | None]:
        """The item and its neighbourhood in the graph, None if the graph does not have the item.

        Raises:
            GraphError: Neo4j is not available.
        """
        item = item_named(request.item, self._recommender.profiles)
        return item, self._reconnected_path_finder.neighbourhood(item.item_id, request.k)

    @property
    def _recommender(self) -> Recommender:
        return self._live.recommender()

    @property
    def _reconnected_path_finder(self) -> PathFinder:
        """The path finder, reconnected after a while if Neo4j was not available."""
        if self._path_finder.unavailable and time.monotonic() - self._tried_at > _RETRY_SECONDS:
            self._path_finder.close()
            self._path_finder, self._tried_at = PathFinder.open(self._workdir, self._settings), time.monotonic()
        return self._path_finder

    def _history(
        self, request: requests.RecommendRequest | requests.WhyRequest, recommender: Recommender
    ) -> tuple[UserHistories, list[str]]:
        if request.user is None:
            return recommender.anonymous_user(request.likes, request.features), []
        if request.likes or request.features:
            raise ConflictError("Name a user, or give likes and features of an anonymous user: not both.")
        history, unknown = recommender.profiles.read([request.user])
        return history, ["Never seen before, so answered without a history."] if unknown else []

    def _explain(self, recommender: Recommender, history: UserHistories, items: Sequence[int]) -> list[Reason]:
        explainer = Explainer(recommender.profiles, recommender.collection, self._reconnected_path_finder)
        return explainer.explain(history, items)

    def _graph_notes(self) -> list[str]:
        unavailable = self._path_finder.unavailable
        return [f"Reasons are without paths of shared listeners. {unavailable}"] if unavailable else []
