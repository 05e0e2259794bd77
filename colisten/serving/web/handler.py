"""The handler of requests: recommender and text encoder, kept open between requests, for one thread."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np

from colisten.arrays import Floats
from colisten.errors import ColistenError, SettingsError
from colisten.listening.events.item_words import ItemWords
from colisten.listening.events.store import TextPlace
from colisten.listening.histories import UserHistories
from colisten.serving.experiment.answering import Participant
from colisten.serving.experiment.exposures import Exposure
from colisten.serving.experiment.groups import open_experiment
from colisten.serving.profiles import Item
from colisten.serving.query import Query, item_named
from colisten.serving.recommending import Recommendations, Recommender
from colisten.serving.rules.availability import Window
from colisten.serving.rules.store import Rule
from colisten.serving.web import requests
from colisten.serving.web.live_recommender import LiveRecommender
from colisten.serving.web.responses import HealthResponse
from colisten.serving.why.explaining import Explainer
from colisten.serving.why.path_finder import Evidence
from colisten.serving.why.reasons import Reason
from colisten.settings import Settings
from colisten.text.item_text import item_text
from colisten.workdir import Workdir


class ConflictError(ColistenError):
    """A request with parameters that exclude each other."""


@dataclass(frozen=True)
class Explained:
    """What is to be explained to whom."""

    history: UserHistories
    heard: Sequence[int]
    """Items of the history, from which the graph may lead to those explained."""
    items: Sequence[int]


@dataclass(frozen=True)
class Answered:
    """Recommendations, what there is to explain of them, and what is to be logged before they are sent."""

    answer: Recommendations
    explained: Explained
    notes: list[str]
    exposure: Exposure | None


class RequestHandler:
    """Computes the result of each request. Not thread-safe, as SQLite and the embedded engine are not."""

    def __init__(self, workdir: Workdir, settings: Settings) -> None:
        self._workdir = workdir
        self._settings = settings
        self._live = LiveRecommender(workdir, settings)

    def close(self) -> None:
        self._live.close()

    def health(self, *, graph: bool, search: bool) -> HealthResponse:
        """What is being served; `graph`: whether the graph can be asked, `search`: whether texts can be encoded."""
        recommender = self._recommender
        types = recommender.profiles.vocabulary("item_type")
        return HealthResponse(
            index=recommender.collection.name,
            items=recommender.collection.count(),
            types=sorted(types, key=lambda name: name != recommender.target),
            signals=list(self._settings.signals.used),
            graph=graph,
            search=search,
            version=version("colisten"),
        )

    def recommend(self, asked: Sequence[requests.RecommendRequest]) -> list[Answered]:
        """Answer one request, or several with the same `asked_of_anybody` by one search."""
        try:
            query = asked[0].query()
        except SettingsError as error:
            raise ConflictError(str(error)) from error
        if asked[0].asked_of_anybody is None:
            (request,) = asked
            return [self._recommend(request, query)]
        recommender, users = self._recommender, [request.user or "" for request in asked]
        histories, unknown = recommender.profiles.read(users)
        answers = recommender.answers(users, histories, query)
        return [
            self._answered(answer, histories.take(np.array([place])), _notes(user in unknown))
            for place, (user, answer) in enumerate(zip(users, answers, strict=True))
        ]

    def _recommend(self, request: requests.RecommendRequest, query: Query) -> Answered:
        """Answer an anonymous user, one in a mood, or one in an experiment."""
        participant, notes = self._participant(request)
        recommender = self._live.recommender(participant.arm.index if participant else None)
        history, more = self._history(request, recommender)
        if participant:
            answer, exposure = participant.answer(recommender, history, query)
        else:
            answer, exposure = recommender.answer(history, query, request.user or ""), None
        return self._answered(answer, history, notes + more, exposure)

    def asked(self, request: requests.WhyRequest) -> Explained:
        """What is to be explained of one item."""
        recommender = self._recommender
        history, _ = self._history(request, recommender)
        return self._explained(history, [item_named(request.item, recommender.profiles).item])

    def explain(self, explained: Explained, evidence: Evidence) -> list[Reason]:
        """A reason for each item."""
        return self._explainer.explain(explained.history, explained.items, evidence)

    def similar(self, request: requests.SimilarRequest) -> Recommendations:
        return self._recommender.similar(request.item, request.query(), across=request.across)

    def check(self, request: requests.SearchRequest) -> None:
        """Validate a search, before its text is encoded."""
        self._recommender.check(request.query())

    def search(self, request: requests.SearchRequest, text: Floats) -> Recommendations:
        return self._recommender.search(text, request.query())

    def text_to_place(self, item_id: str, words: ItemWords) -> str:
        """The text by which an item is to be placed; empty for one that the catalogue has or that has none."""
        known = self._recommender.profiles.with_id(item_id)
        new = words.item_type and (known is None or known.retired)
        return item_text(words.title, words.description, words.genres) if new else ""

    def place(self, words: ItemWords, text: Floats) -> TextPlace | None:
        """Where the text of a new item lies; None where that cannot be told."""
        return self._recommender.placer.place(str(words.item_type), text)

    def withdraw(self, item_id: str) -> None:
        self._recommender.rules.add([Rule("withdraw", "item", item_id)])

    def restore(self, item_id: str) -> None:
        self._recommender.rules.remove([Rule("withdraw", "item", item_id)])

    def tell_availability(self, item_id: str, windows: Sequence[Window]) -> bool:
        return self._recommender.rules.tell_availability(item_id, windows)

    def untell_availability(self, item_id: str) -> bool:
        return self._recommender.rules.untell_availability(item_id)

    def titles(self, request: requests.TitlesRequest) -> list[Item]:
        return self._recommender.profiles.titled(request.q, request.k)

    def item(self, id_or_title: str) -> Item:
        return item_named(id_or_title, self._recommender.profiles)

    @property
    def _recommender(self) -> Recommender:
        return self._live.recommender()

    @property
    def _explainer(self) -> Explainer:
        recommender = self._recommender
        return Explainer(recommender.profiles, recommender.collection, recommender.placer.placed())

    def _participant(self, request: requests.RecommendRequest) -> tuple[Participant | None, list[str]]:
        """The part that the user takes in the experiment of the request, and a note where it is none."""
        if request.experiment is None:
            return None, []
        experiment = open_experiment(self._workdir.experiments, request.experiment)
        if request.user is None:
            return None, ["Nobody without a user id takes part in an experiment: answered as without one."]
        group = experiment.group_of(request.user)
        if group is None:
            return None, [f"The user takes no part in {experiment.name!r}: answered as without an experiment."]
        return Participant(experiment, group, request.user, request.request_id or uuid.uuid4().hex), []

    def _history(
        self, request: requests.RecommendRequest | requests.WhyRequest, recommender: Recommender
    ) -> tuple[UserHistories, list[str]]:
        if request.user is None:
            return recommender.anonymous_user(request.likes, request.features), []
        if request.features:
            raise ConflictError("Name a user, or give features of an anonymous user: not both.")
        history, unknown = recommender.profiles.read([request.user])
        if request.likes:
            history = recommender.in_mood(history, request.likes)
        return history, _notes(bool(unknown))

    def _answered(
        self, answer: Recommendations, history: UserHistories, notes: list[str], exposure: Exposure | None = None
    ) -> Answered:
        return Answered(answer, self._explained(history, [item.item for item in answer.items]), notes, exposure)

    def _explained(self, history: UserHistories, items: Sequence[int]) -> Explained:
        return Explained(history, self._explainer.heard(history), items)


def _notes(unknown: bool) -> list[str]:
    return ["Never seen before, so answered without a history."] if unknown else []
