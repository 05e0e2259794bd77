"""The recommender: encode the user's history, search the item vectors, add sparse scores, exclude what was heard.

Imports neither torch nor polars: an answer takes one small matrix product, some rows of sparse matrices and one search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, Self

import numpy as np

from colisten.arrays import Floats, Int32s
from colisten.errors import IndexStoreError, SettingsError
from colisten.listening.histories import UserHistories
from colisten.ragged import distinct
from colisten.serving.eligible import Eligible, search_eligible
from colisten.serving.events.recent import with_events
from colisten.serving.index.collection import Collection, Conditions
from colisten.serving.index.layout import HGNN, TEXT
from colisten.serving.index.opening import encoder_folder, open_index
from colisten.serving.payload_index import ALL, PayloadIndex
from colisten.serving.placed_items import ExtendedVectors
from colisten.serving.placing import Placer
from colisten.serving.profiles import Item, Profiles
from colisten.serving.query import Query, conditions_by_quota, conditions_of, item_named, parsed_features
from colisten.serving.ranking import NOTHING, ExcludedItems, ItemSource, Ranked, at_hand, best_of, one_ranking, rank
from colisten.serving.rules.rulebook import Audience, Rulebook
from colisten.serving.rules.store import RuleStore
from colisten.serving.selection import Shortlists, pool_size, select
from colisten.settings import Settings
from colisten.towers.user_encoder import UserEncoder
from colisten.towers.user_vectors import UserVectors
from colisten.workdir import Workdir


@dataclass(frozen=True)
class Recommendations:
    """Recommended items, row by row: users in the order asked for, best items first."""

    user_ids: Sequence[str]
    """[r] empty strings for an anonymous user."""
    items: Sequence[Item]
    scores: Floats
    ranks: Int32s
    unknown: Sequence[str]
    """Users without a profile, who got the cold-start answer."""

    def between(self, begin: int, end: int) -> Recommendations:
        """Those rows alone."""
        rows = slice(begin, end)
        return replace(
            self, user_ids=self.user_ids[rows], items=self.items[rows], scores=self.scores[rows], ranks=self.ranks[rows]
        )

    def rows(self) -> Iterator[dict[str, Any]]:
        """Rows of `user_id`, `item_id`, `item_type`, `score`, `rank`."""
        for user_id, row in zip(self.user_ids, self.titled(), strict=True):
            del row["title"]
            yield {"user_id": user_id, **row}

    def titled(self) -> Iterator[dict[str, Any]]:
        """Rows of `item_id`, `item_type`, `title`, `score`, `rank`: those of one user, with titles."""
        for item, score, position in zip(self.items, self.scores.tolist(), self.ranks.tolist(), strict=True):
            yield {**item.as_json(), "score": score, "rank": position}


@dataclass(frozen=True)
class Recommender:
    """User profiles, user encoder and item vectors, opened once. Use it as a context manager, or `close` it."""

    profiles: Profiles
    encoder: UserEncoder
    collection: Collection
    payload_index: PayloadIndex
    target: str
    rules: Rulebook
    exploration: float = 0
    """Of queries that name none, as is `diversity`."""
    diversity: float = 0

    @classmethod
    def open(cls, workdir: Workdir, settings: Settings, name: str | None = None) -> Self:
        """Open the live index (or the collection of that `name`), the user encoder published with it, and the profiles.

        Raises:
            IndexStoreError: nothing is published, Qdrant cannot be used, or the index is from another working folder.
            WorkdirError: there are no profiles.
        """
        with ExitStack() as opening:
            profiles = opening.enter_context(Profiles.open(workdir.profiles))
            collection = open_index(workdir, settings).open(name)
            folder = encoder_folder(workdir, collection.name)
            if not folder.exists():
                raise IndexStoreError(
                    f"The live index {collection.name} was published from another working folder: publish from this "
                    "one, or set qdrant.alias to a name of its own."
                )
            encoder = UserEncoder.load(folder)
            encoder = replace(encoder, item_vectors=at_hand(encoder.item_vectors))
            payload_index = PayloadIndex.open(folder)
            opening.pop_all()
        profiles.published = int(payload_index.lists[ALL][-1])
        rules, serve = Rulebook(RuleStore(workdir.rules), profiles), settings.serve
        return cls(
            profiles, encoder, collection, payload_index, settings.target, rules, serve.exploration, serve.diversity
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.profiles.close()
        self.rules.close()

    def recommend(self, user_ids: Sequence[str], query: Query) -> Recommendations:
        """Recommend items to users by id; a user without a profile gets the cold-start answer.

        Raises:
            SettingsError: the query names a type, language or genre that no item has.
        """
        ranked, unknown = self.rank(user_ids, query)
        return self._recommendations(user_ids, ranked, unknown)

    def recommend_for(self, likes: Sequence[str], features: Mapping[str, object], query: Query) -> Recommendations:
        """Recommend items to an anonymous user who likes these items (ids or titles) and has these features.

        Raises:
            SettingsError: no such item, or nothing was learned about a feature.
        """
        return self.answer(self.anonymous_user(likes, features), query)

    @cached_property
    def placer(self) -> Placer:
        """Places new items among those of the index."""
        return Placer(self.profiles, self.encoder, self.collection, self.payload_index)

    def answer(self, history: UserHistories, query: Query, user_id: str = "") -> Recommendations:
        """Recommend items to the one user in `history`, with a profile (and rules of their own) or anonymous.

        Raises:
            SettingsError: the query names a type, language or genre that no item has.
        """
        return self.answers([user_id], history, query)[0]

    def answers(self, user_ids: Sequence[str], histories: UserHistories, query: Query) -> list[Recommendations]:
        """Like `answer`, for each of several users, by one search."""
        ranked = self.rank_histories(user_ids, histories, query)
        begin = np.searchsorted(ranked.users, np.arange(len(user_ids) + 1)).tolist()
        together = self._recommendations([""] * len(user_ids), ranked, [])
        return [together.between(*rows) for rows in pairwise(begin)]

    def anonymous_user(self, likes: Sequence[str], features: Mapping[str, object]) -> UserHistories:
        """The history of a user without an account: what they like counts as streamed at the end of the data.

        Raises:
            SettingsError: no such item, or nothing was learned about a feature.
        """
        self.profiles.follow()
        facts = self.profiles.facts
        liked = np.array([item_named(word, self.profiles).item for word in likes], np.int64)
        items = distinct(liked).astype(np.int32)
        known = {name: [value] for name, value in parsed_features(features, self.profiles).items()}
        return UserHistories(
            np.array([0, len(items)], np.int64), items, np.zeros(len(items), np.uint8),
            np.full(len(items), facts.latest, np.int64), known,
        )  # fmt: skip

    def in_mood(self, history: UserHistories, likes: Sequence[str]) -> UserHistories:
        """The history of one user as if they had just streamed what they like at the moment (ids or titles).

        Raises:
            SettingsError: no such item.
        """
        liked = self.anonymous_user(likes, {})
        now = max([*liked.timestamps[:1].tolist(), *history.timestamps.tolist()], default=0)
        events = np.zeros((len(liked.items), 4), np.int64)
        events[:, 1], events[:, 3] = liked.items, now
        return with_events(history, events)

    def similar(self, id_or_title: str, query: Query, *, across: bool = False) -> Recommendations:
        """The items nearest to one (an id or a title), by cosine of their graph network embeddings (`hgnn`).

        They are of the query's item type; of the item's own type if the query names none, of all types if `across`.

        Raises:
            SettingsError: no such item, or one that is not in the live index, or the query names a type, language
                or genre that no item has.
        """
        self.profiles.follow()
        item = item_named(id_or_title, self.profiles)
        vector = self.placer.placed().vector(HGNN, item.item)
        if vector is None:
            vector = self.collection.vectors(HGNN, [item.item]).get(item.item)
        if vector is None:
            raise SettingsError(
                f"{item.title or item.item_id!r} is not in the live index: it left the catalogue, or publish again."
            )
        return self._nearest(HGNN, vector, query, None if across else item.item_type, exclude=item.item)

    def check(self, query: Query) -> None:
        """Validate a query.

        Raises:
            SettingsError: the query names a type, language or genre that no item has.
        """
        self.profiles.follow()
        conditions_of(query, None, self.profiles)

    def search(self, text: Floats, query: Query) -> Recommendations:
        """Semantic search: the items whose texts are nearest by cosine, of all types if the query names none.

        Args:
            text: float32 [width], from the sentence encoder that encoded the items' texts.

        Raises:
            SettingsError: the query names a type, language or genre that no item has.
            IndexStoreError: the live index holds no text vectors of this width.
        """
        self.profiles.follow()
        return self._nearest(TEXT, text, query, None)

    def _nearest(
        self, using: str, vector: Floats, query: Query, default_type: str | None, exclude: int = -1
    ) -> Recommendations:
        conditions = conditions_of(query, default_type, self.profiles)
        (audience,) = self.rules.audiences([""], [query.market], query.at)
        eligible = Eligible(self.payload_index, conditions, audience.kept_back)
        hits = search_eligible(self.collection, using, vector[None], query.k + 1, eligible)
        new, cosines = self.placer.placed().nearest(using, vector, eligible)
        items, scores = np.append(hits.items[0], new), np.append(hits.scores[0], cosines)
        best = np.lexsort((items, -scores))
        best = best[(items[best] >= 0) & (items[best] != exclude)][: query.k]
        ranked = Ranked(np.zeros_like(best), items[best], scores[best], np.arange(1, len(best) + 1, dtype=np.int32))
        return self._recommendations([""], ranked, [])

    def rank(self, user_ids: Sequence[str], query: Query) -> tuple[Ranked, list[str]]:
        """Like `recommend`, as arrays, and the users without a profile."""
        histories, unknown = self.profiles.read(user_ids)
        return self.rank_histories(user_ids, histories, query), unknown

    def rank_histories(self, user_ids: Sequence[str], histories: UserHistories, query: Query) -> Ranked:
        """Like `rank`, for users with these histories; an empty id is somebody without rules of their own."""
        self.profiles.follow()
        exploration = self.exploration if query.exploration is None else query.exploration
        users = self.encoder.exploring(exploration).encode(histories)
        wanted = conditions_by_quota(query, self.target, self.profiles)
        excluded = NOTHING if query.include_heard else self._excluded(histories, wanted)
        markets = _countries(histories) if query.market is None else [query.market] * len(histories)
        found = []
        for audience in self.rules.audiences(user_ids, markets, query.at):
            some = audience.users
            ranked = self._selected(users.take(some), excluded.take(some), query, wanted, audience)
            found.append(ranked.of(some))
        return one_ranking(found)

    def _selected(
        self,
        users: UserVectors,
        excluded: ExcludedItems,
        query: Query,
        wanted: Sequence[Conditions],
        audience: Audience,
    ) -> Ranked:
        """The answers of an audience: the best by each of the conditions, or a selection of them."""
        eligible = [Eligible(self.payload_index, conditions, audience.kept_back) for conditions in wanted]
        diversity = self.diversity if query.diversity is None else query.diversity
        source, each = ItemSource(self.collection, self.encoder.item_vectors), pool_size(query.k, diversity)
        rankings = rank(source, users, excluded, each, eligible, audience.boost)
        placed = self.placer.placed()
        if len(placed):
            new = [placed.rank(users, excluded, each, among, audience.boost) for among in eligible]
            rankings = [best_of(both, len(users), each) for both in zip(rankings, new, strict=True)]
        if len(rankings) == 1 and not diversity:
            return rankings[0]
        least = [quota.least for quota in query.types] if len(rankings) > 1 else [0]
        shortlists = Shortlists.of(rankings, len(users), each)
        vectors = ExtendedVectors(source.item_vectors, placed) if len(placed) else source.item_vectors
        return select(shortlists, query.k, least, diversity, vectors)

    def _excluded(self, histories: UserHistories, wanted: Sequence[Conditions]) -> ExcludedItems:
        """Items of the types asked for that the user has streamed, or has given a negative signal."""
        types, facts = self.profiles.type_of, self.profiles.facts
        excluded = self.encoder.left_out(histories.signals, facts.strong)
        named = [facts.item_types.index(name) for conditions in wanted for name in conditions.item_types]
        if named:
            asked = np.zeros(256, np.bool_)
            asked[named] = True
            excluded &= asked[types[histories.items]]
        size = len(types)
        keys = distinct(histories.owners[excluded] * size + histories.items[excluded])
        return ExcludedItems(*np.divmod(keys, size))

    def _recommendations(self, user_ids: Sequence[str], ranked: Ranked, unknown: Sequence[str]) -> Recommendations:
        items = self.profiles.items(distinct(ranked.items).tolist())
        return Recommendations(
            [user_ids[user] for user in ranked.users.tolist()],
            [items[item] for item in ranked.items.tolist()],
            ranked.scores,
            ranked.ranks,
            unknown,
        )


def _countries(histories: UserHistories) -> list[str | None]:
    """Of each user, None where it is not known."""
    values = histories.features.get("country", [None] * len(histories))
    return [None if value is None else str(value) for value in values]
