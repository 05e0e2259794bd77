"""A policy that is an answer by settings: what it would have put into each logged answer, had it answered then."""

from __future__ import annotations

import polars as pl

from colisten.errors import DataError
from colisten.serving.experiment.arms import Arm
from colisten.serving.query import Query
from colisten.serving.recommending import Recommender
from colisten.settings import Settings
from colisten.workdir import Workdir

_ANSWERS_AT_ONCE = 2048


def replayed(workdir: Workdir, settings: Settings, arm: Arm, exposures: pl.DataFrame) -> pl.DataFrame:
    """`user_id`, `request_id`, `item_id`, `rank`: the arm's answer to every request, of the type that was answered.

    Users have the histories that they had then. Unless the arm names an index, each is answered by the collection that
    had answered it: one that was learned later may have learned from the very streams that are to be foretold.

    Raises:
        DataError: the arm explores, or an answer is of several item types and the arm names none.
        IndexStoreError: a collection is no longer there.
    """
    if arm.epsilon:
        raise DataError("A policy that explores cannot be judged: leave out its epsilon.")
    kinds = pl.col("item_type").n_unique()
    answers = exposures.group_by("user_id", "request_id", "index", maintain_order=True).agg(
        pl.col("at", "item_type").first(), k=pl.col("rank").max(), kinds=kinds
    )
    if arm.types is None and (answers["kinds"] > 1).any():
        raise DataError("Answers of several item types were logged: name them, --arm types=….")
    if arm.index is not None:
        answers = answers.with_columns(index=pl.lit(arm.index))
    found = []
    for (index,), of_index in answers.partition_by("index", as_dict=True, maintain_order=True).items():
        with Recommender.open(workdir, settings, str(index)) as recommender:
            item_ids = pl.Series("item_id", recommender.profiles.item_ids())
            for some in of_index.partition_by("item_type", "k", maintain_order=True):
                found += [_answers(recommender, arm, piece, item_ids) for piece in some.iter_slices(_ANSWERS_AT_ONCE)]
    return pl.concat(found)


def _answers(recommender: Recommender, arm: Arm, answers: pl.DataFrame, item_ids: pl.Series) -> pl.DataFrame:
    """Answers to requests for one item type and number of items."""
    users = answers["user_id"].to_list()
    histories, _ = recommender.profiles.read(users)
    at = answers["at"].to_numpy()
    then = histories.keep(histories.timestamps <= at[histories.owners])
    query = arm.query(Query(int(answers["k"][0]), answers["item_type"][0]))
    ranked = recommender.rank_histories(users, then, query)
    return pl.DataFrame(
        [
            *(answers[name].gather(ranked.users) for name in ("user_id", "request_id")),
            item_ids.gather(ranked.items),
            pl.Series("rank", ranked.ranks, pl.Int32),
        ]
    )
