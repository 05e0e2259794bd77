"""Everything that answers are made from, kept open between questions, for one thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from colisten.errors import ColistenError
from colisten.graph_store.inspection.show import ItemView
from colisten.serving.profiles import Item
from colisten.serving.recommending import Recommendations, Recommender
from colisten.serving.web import questions
from colisten.serving.web.live import Live
from colisten.serving.web.replies import Health
from colisten.serving.why.explaining import Explainer
from colisten.serving.why.graph import Graph
from colisten.serving.why.reasons import Reason
from colisten.serving.wishes import item_named
from colisten.settings import Settings
from colisten.towers.listeners import Listeners
from colisten.workdir import Workdir

if TYPE_CHECKING:
    from colisten.gnn.encoder import Encoder

_SECONDS_BETWEEN_TRIES = 30.0


class ConflictError(ColistenError):
    """A question that asks for two things at once."""


class Answers:
    """Answers questions. Not for several threads at once: SQLite and the embedded engine are not."""

    def __init__(self, workdir: Workdir, settings: Settings) -> None:
        self._workdir = workdir
        self._settings = settings
        self._live = Live(workdir, settings)
        self._graph = Graph.open(workdir, settings)
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
            from colisten.gnn.encoder import Encoder

            self._encoder = Encoder(self._settings.text)
        return self._encoder

    def health(self) -> Health:
        recommender = self._recommender
        types = recommender.profiles.vocabulary("item_type")
        return Health(
            index=recommender.collection.name,
            items=recommender.collection.count(),
            types=sorted(types, key=lambda name: name != recommender.target),
            graph=self._running.absent is None,
            search=self._encoder is not None,
            version=version("colisten"),
        )

    def recommend(self, asked: questions.Recommend) -> tuple[Recommendations, list[Reason] | None, list[str]]:
        """The answer, reasons if they were asked for, and notes."""
        recommender = self._recommender
        somebody, notes = self._who(asked, recommender)
        answer = recommender.answer(somebody, asked.wish(include_heard=asked.include_heard))
        if not asked.why:
            return answer, None, notes
        reasons = self._explain(recommender, somebody, [item.item for item in answer.items])
        return answer, reasons, notes + self._without_graph()

    def why(self, asked: questions.Why) -> Reason:
        recommender = self._recommender
        somebody, _ = self._who(asked, recommender)
        return self._explain(recommender, somebody, [item_named(asked.item, recommender.profiles).item])[0]

    def similar(self, asked: questions.Similar) -> Recommendations:
        return self._recommender.similar(asked.item, asked.wish(), across=asked.across)

    def search(self, asked: questions.Search) -> Recommendations:
        recommender = self._recommender
        recommender.check(asked.wish())
        return recommender.search(self.load_encoder().encode([asked.q])[0], asked.wish())

    def titles(self, asked: questions.Titles) -> list[Item]:
        return self._recommender.profiles.titled(asked.q, asked.k)

    def neighbourhood(self, asked: questions.Neighbourhood) -> tuple[Item, ItemView | None]:
        """The item and its place in the graph, if it has one.

        Raises:
            GraphError: Neo4j cannot be asked.
        """
        item = item_named(asked.item, self._recommender.profiles)
        return item, self._running.view(item.item_id, asked.k)

    @property
    def _recommender(self) -> Recommender:
        return self._live.recommender()

    @property
    def _running(self) -> Graph:
        """The graph; one that was absent is looked for again after a while."""
        if self._graph.absent and time.monotonic() - self._tried > _SECONDS_BETWEEN_TRIES:
            self._graph.close()
            self._graph, self._tried = Graph.open(self._workdir, self._settings), time.monotonic()
        return self._graph

    def _who(self, asked: questions.Recommend | questions.Why, recommender: Recommender) -> tuple[Listeners, list[str]]:
        if asked.user is None:
            return recommender.somebody(asked.likes, asked.features), []
        if asked.likes or asked.features:
            raise ConflictError("Name a user, or say what somebody with no account likes and is: not both.")
        somebody, unknown = recommender.profiles.read([asked.user])
        return somebody, ["Never seen before, so answered without a history."] if unknown else []

    def _explain(self, recommender: Recommender, somebody: Listeners, items: Sequence[int]) -> list[Reason]:
        return Explainer(recommender.profiles, recommender.collection, self._running).explain(somebody, items)

    def _without_graph(self) -> list[str]:
        return [f"Reasons are without paths of shared listeners. {self._graph.absent}"] if self._graph.absent else []
