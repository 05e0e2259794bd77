"""Who asks → what they are recommended. No torch, no polars: one small matrix product and one search."""

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
from colisten.serving.index.opening import open_index
from colisten.serving.profiles import Item, Profiles
from colisten.serving.query import Query, conditions_of, described, item_named
from colisten.serving.ranking import Heard, Ranked, rank
from colisten.settings import Settings
from colisten.towers.user_encoder import UserEncoder
from colisten.workdir import Workdir


@dataclass(frozen=True)
class Recommendations:
    """An answer, row by row: users in the order asked for, best items first."""

    user_ids: Sequence[str]
    """[r] empty strings for somebody with no account."""
    items: Sequence[Item]
    scores: Floats
    ranks: Int32s
    unknown: Sequence[str]
    """Users never seen before: theirs is the cold-start answer."""

    def rows(self) -> Iterator[dict[str, Any]]:
        """`user_id`, `item_id`, `item_type`, `score`, `rank`."""
        for user_id, row in zip(self.user_ids, self.titled(), strict=True):
            del row["title"]
            yield {"user_id": user_id, **row}

    def titled(self) -> Iterator[dict[str, Any]]:
        """`item_id`, `item_type`, `title`, `score`, `rank`, where nobody in particular asked."""
        for item, score, place in zip(self.items, self.scores.tolist(), self.ranks.tolist(), strict=True):
            yield {**item.as_json(), "score": score, "rank": place}


@dataclass(frozen=True)
class Recommender:
    """Everything a recommendation is made from, opened once. Use it as a context manager, or `close` it."""

    profiles: Profiles
    encoder: UserEncoder
    collection: Collection
    target: str

    @classmethod
    def open(cls, workdir: Workdir, settings: Settings, name: str | None = None) -> Self:
        """Open the live index (or the collection of that `name`), the user tower that belongs to it, and the profiles.

        Raises:
            IndexStoreError: nothing is published, Qdrant cannot be used, or the index is from another working folder.
            WorkdirError: there are no profiles.
        """
        with ExitStack() as opening:
            profiles = opening.enter_context(Profiles.open(workdir.profiles))
            collection = open_index(workdir, settings).open(name)
            folder = workdir.index / "towers" / collection.name
            if not folder.exists():
                raise IndexStoreError(
                    f"The live index {collection.name} was published from another working folder: publish from this "
                    "one, or set qdrant.alias to a name of its own."
                )
            encoder = UserEncoder.load(folder)
            opening.pop_all()
        return cls(profiles, encoder, collection, settings.target)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.profiles.close()

    def recommend(self, user_ids: Sequence[str], query: Query) -> Recommendations:
        """Answer for users by id, known or not.

        Raises:
            SettingsError: the wish names a type, language or genre that no item has.
        """
        ranked, unknown = self.rank(user_ids, query)
        return self._named(user_ids, ranked, unknown)

    def recommend_for(self, likes: Sequence[str], features: Mapping[str, object], query: Query) -> Recommendations:
        """Answer for somebody with no account, who likes these items (ids or titles).

        Raises:
            SettingsError: no such item, or nothing was learned about a feature.
        """
        return self.answer(self.history(likes, features), query)

    def answer(self, history: UserHistories, query: Query) -> Recommendations:
        """Answer for the one person in `history`, whoever it is.

        Raises:
            SettingsError: the wish names a type, language or genre that no item has.
        """
        return self._named([""], self._rank(history, query, self._conditions(query)), [])

    def history(self, likes: Sequence[str], features: Mapping[str, object]) -> UserHistories:
        """One person with no account, as if they had just heard what they like.

        Raises:
            SettingsError: no such item, or nothing was learned about a feature.
        """
        facts = self.profiles.facts
        liked = np.array([item_named(word, self.profiles).item for word in likes], np.int64)
        items = distinct(liked).astype(np.int32)
        known = {name: [value] for name, value in described(features, self.profiles).items()}
        return UserHistories(
            np.array([0, len(items)], np.int64), items, np.zeros(len(items), np.uint8),
            np.full(len(items), facts.latest, np.int64), known,
        )  # fmt: skip

    def similar(self, word: str, query: Query, *, across: bool = False) -> Recommendations:
        """The items nearest to one (an id or a title) by what is listened to together, by cosine of `hgnn` vectors:
        of the type wished for, else of its own type, or of all types together if `across`.

        Raises:
            SettingsError: no such item, or one that is not in the live index, or the wish names a type, language or
                genre that no item has.
        """
        item = item_named(word, self.profiles)
        vector = self.collection.vectors("hgnn", [item.item]).get(item.item)
        if vector is None:
            raise SettingsError(
                f"{item.title or item.item_id!r} is not in the live index: it left the catalogue, or publish again."
            )
        return self._nearest("hgnn", vector, query, None if across else item.item_type, but=item.item)

    def check(self, query: Query) -> None:
        """Make sure that there are items of that kind.

        Raises:
            SettingsError: the wish names a type, language or genre that no item has.
        """
        conditions_of(query, None, self.profiles)

    def search(self, text: Floats, query: Query) -> Recommendations:
        """The items whose texts are nearest to one, by cosine of their vectors; of all types if the wish names none.

        Args:
            text: float32 [width], from the encoder that the items' texts went through.

        Raises:
            SettingsError: the wish names a type, language or genre that no item has.
            IndexStoreError: the live index holds no text vectors of this width.
        """
        return self._nearest("text", text, query, None)

    def _nearest(self, using: str, vector: Floats, query: Query, usual: str | None, but: int = -1) -> Recommendations:
        conditions = conditions_of(query, usual, self.profiles)
        hits = self.collection.search(using, vector[None], query.k + 1, conditions, self.collection.ef)
        kept = (hits.items[0] >= 0) & (hits.items[0] != but)
        items, scores = hits.items[0][kept][: query.k], hits.scores[0][kept][: query.k]
        ranked = Ranked(np.zeros(len(items), np.int64), items, scores, np.arange(1, len(items) + 1, dtype=np.int32))
        return self._named([""], ranked, [])

    def rank(self, user_ids: Sequence[str], query: Query) -> tuple[Ranked, list[str]]:
        """Like `recommend`, in numbers, and the unknown users."""
        histories, unknown = self.profiles.read(user_ids)
        return self._rank(histories, query, self._conditions(query)), unknown

    def _rank(self, histories: UserHistories, query: Query, conditions: Conditions) -> Ranked:
        vectors = self.encoder.encode(histories)
        heard = Heard(np.empty(0, np.int64), np.empty(0, np.int64))
        if not query.include_heard:
            heard = self._heard(histories, conditions)
        return rank(self.collection, vectors, heard, query.k, conditions)

    def _heard(self, histories: UserHistories, conditions: Conditions) -> Heard:
        """Everything streamed, or turned down by a signal, of the types that are asked for."""
        types, facts = self.profiles.type_of, self.profiles.facts
        wanted = [facts.item_types.index(name) for name in conditions.item_types]
        gone = self.encoder.left_out(histories.signals, facts.strong) & np.isin(types[histories.items], wanted)
        keys = distinct(histories.owners[gone] * len(types) + histories.items[gone])
        return Heard(*np.divmod(keys, len(types)))

    def _conditions(self, query: Query) -> Conditions:
        return conditions_of(query, self.target, self.profiles)

    def _named(self, user_ids: Sequence[str], ranked: Ranked, unknown: Sequence[str]) -> Recommendations:
        items = self.profiles.items(distinct(ranked.items).tolist())
        return Recommendations(
            [user_ids[user] for user in ranked.users.tolist()],
            [items[item] for item in ranked.items.tolist()],
            ranked.scores,
            ranked.ranks,
            unknown,
        )
