"""The recommender: encode the user's history, search the item vectors, add sparse scores, exclude what was heard.

Imports neither torch nor polars: an answer takes one small matrix product, some rows of sparse matrices and one search.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from colisten.arrays import Floats, Int32s
from colisten.errors import IndexStoreError, SettingsError
from colisten.listening.histories import UserHistories
from colisten.ragged import distinct
from colisten.serving.index.collection import Collection, Conditions
from colisten.serving.index.layout import HGNN, TEXT
from colisten.serving.index.opening import encoder_folder, open_index
from colisten.serving.payload_index import PayloadIndex
from colisten.serving.profiles import Item, Profiles
from colisten.serving.query import Query, conditions_of, item_named, parsed_features
from colisten.serving.ranking import ExcludedItems, ItemSource, Ranked, rank
from colisten.settings import Settings
from colisten.towers.user_encoder import UserEncoder
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
    exploration: float = 0
    """Of queries that name none."""

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
            payload_index = PayloadIndex.open(folder)
            opening.pop_all()
        return cls(profiles, encoder, collection, payload_index, settings.target, settings.serve.exploration)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.profiles.close()

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

    def answer(self, history: UserHistories, query: Query) -> Recommendations:
        """Recommend items to the one user in `history`, with a profile or anonymous.

        Raises:
            SettingsError: the query names a type, language or genre that no item has.
        """
        return self._recommendations([""], self._rank(history, query, self._conditions(query)), [])

    def anonymous_user(self, likes: Sequence[str], features: Mapping[str, object]) -> UserHistories:
        """The history of a user without an account: what they like counts as streamed at the end of the data.

        Raises:
            SettingsError: no such item, or nothing was learned about a feature.
        """
        facts = self.profiles.facts
        liked = np.array([item_named(word, self.profiles).item for word in likes], np.int64)
        items = distinct(liked).astype(np.int32)
        known = {name: [value] for name, value in parsed_features(features, self.profiles).items()}
        return UserHistories(
            np.array([0, len(items)], np.int64), items, np.zeros(len(items), np.uint8),
            np.full(len(items), facts.latest, np.int64), known,
        )  # fmt: skip

    def similar(self, id_or_title: str, query: Query, *, across: bool = False) -> Recommendations:
        """The items nearest to one (an id or a title), by cosine of their graph network embeddings (`hgnn`).

        They are of the query's item type; of the item's own type if the query names none, of all types if `across`.

        Raises:
            SettingsError: no such item, or one that is not in the live index, or the query names a type, language
                or genre that no item has.
        """
        item = item_named(id_or_title, self.profiles)
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
        conditions_of(query, None, self.profiles)

    def search(self, text: Floats, query: Query) -> Recommendations:
        """Semantic search: the items whose texts are nearest by cosine, of all types if the query names none.

        Args:
            text: float32 [width], from the sentence encoder that encoded the items' texts.

        Raises:
            SettingsError: the query names a type, language or genre that no item has.
            IndexStoreError: the live index holds no text vectors of this width.
        """
        return self._nearest(TEXT, text, query, None)

    def _nearest(
        self, using: str, vector: Floats, query: Query, default_type: str | None, exclude: int = -1
    ) -> Recommendations:
        conditions = conditions_of(query, default_type, self.profiles)
        hits = self.collection.search(using, vector[None], query.k + 1, conditions, self.collection.ef)
        kept = (hits.items[0] >= 0) & (hits.items[0] != exclude)
        items, scores = hits.items[0][kept][: query.k], hits.scores[0][kept][: query.k]
        ranked = Ranked(np.zeros(len(items), np.int64), items, scores, np.arange(1, len(items) + 1, dtype=np.int32))
        return self._recommendations([""], ranked, [])

    def rank(self, user_ids: Sequence[str], query: Query) -> tuple[Ranked, list[str]]:
        """Like `recommend`, as arrays, and the users without a profile."""
        histories, unknown = self.profiles.read(user_ids)
        return self._rank(histories, query, self._conditions(query)), unknown

    def _rank(self, histories: UserHistories, query: Query, conditions: Conditions) -> Ranked:
        exploration = self.exploration if query.exploration is None else query.exploration
        users = self.encoder.exploring(exploration).encode(histories)
        excluded = ExcludedItems(np.empty(0, np.int64), np.empty(0, np.int64))
        if not query.include_heard:
            excluded = self._excluded(histories, conditions)
        source = ItemSource(self.collection, self.encoder.item_vectors, self.payload_index)
        return rank(source, users, excluded, query.k, conditions)

    def _excluded(self, histories: UserHistories, conditions: Conditions) -> ExcludedItems:
        """Items of the types asked for that the user has streamed, or has given a negative signal."""
        types, facts = self.profiles.type_of, self.profiles.facts
        wanted = [facts.item_types.index(name) for name in conditions.item_types]
        excluded = self.encoder.left_out(histories.signals, facts.strong) & np.isin(types[histories.items], wanted)
        keys = distinct(histories.owners[excluded] * len(types) + histories.items[excluded])
        return ExcludedItems(*np.divmod(keys, len(types)))

    def _conditions(self, query: Query) -> Conditions:
        return conditions_of(query, self.target, self.profiles)

    def _recommendations(self, user_ids: Sequence[str], ranked: Ranked, unknown: Sequence[str]) -> Recommendations:
        items = self.profiles.items(distinct(ranked.items).tolist())
        return Recommendations(
            [user_ids[user] for user in ranked.users.tolist()],
            [items[item] for item in ranked.items.tolist()],
            ranked.scores,
            ranked.ranks,
            unknown,
        )
