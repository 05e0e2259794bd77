"""Everything that answers are made from, kept open between questions, for one thread."""

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

_SECONDS_BETWEEN_TRIES = 30.0


class ConflictError(ColistenError):
    """A question that asks for two things at once."""


class RequestHandler:
    """Answers questions. Not for several threads at once: SQLite and the embedded engine are not."""

    def __init__(self, workdir: Workdir, settings: Settings) -> None:
        self._workdir = workdir
        self._settings = settings
        self._live = LiveRecommender(workdir, settings)
        self._graph = PathFinder.open(workdir, settings)
        self._tried = time.monotonic()
        self._encoder: Encoder | None = None

    def close(self) -> None:
        self._graph.close()
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
            graph=self._running.absent is None,
            search=self._encoder is not None,
            version=version("colisten"),
        )

    def recommend(self, request: requests.RecommendRequest) -> tuple[Recommendations, list[Reason] | None, list[str]]:
        """The answer, reasons if they were asked for, and notes."""
        recommender = self._recommender
        history, notes = self._who(request, recommender)
        answer = recommender.answer(history, request.query(include_heard=request.include_heard))
        if not request.why:
            return answer, None, notes
        reasons = self._explain(recommender, history, [item.item for item in answer.items])
        return answer, reasons, notes + self._without_graph()

    def why(self, request: requests.WhyRequest) -> Reason:
        recommender = self._recommender
        history, _ = self._who(request, recommender)
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
        """The item and its place in the graph, if it has one.

        Raises:
            GraphError: Neo4j cannot be asked.
        """
        item = item_named(request.item, self._recommender.profiles)
        return item, self._running.view(item.item_id, request.k)

    @property
    def _recommender(self) -> Recommender:
        return self._live.recommender()

    @property
    def _running(self) -> PathFinder:
        """The graph; one that was absent is looked for again after a while."""
        if self._graph.absent and time.monotonic() - self._tried > _SECONDS_BETWEEN_TRIES:
            self._graph.close()
            self._graph, self._tried = PathFinder.open(self._workdir, self._settings), time.monotonic()
        return self._graph

    def _who(
        self, request: requests.RecommendRequest | requests.WhyRequest, recommender: Recommender
    ) -> tuple[UserHistories, list[str]]:
        if request.user is None:
            return recommender.history(request.likes, request.features), []
        if request.likes or request.features:
            raise ConflictError("Name a user, or say what somebody with no account likes and is: not both.")
        history, unknown = recommender.profiles.read([request.user])
        return history, ["Never seen before, so answered without a history."] if unknown else []

    def _explain(self, recommender: Recommender, history: UserHistories, items: Sequence[int]) -> list[Reason]:
        return Explainer(recommender.profiles, recommender.collection, self._running).explain(history, items)

    def _without_graph(self) -> list[str]:
        return [f"Reasons are without paths of shared listeners. {self._graph.absent}"] if self._graph.absent else []
