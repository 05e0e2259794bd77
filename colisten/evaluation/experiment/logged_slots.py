"""Exposures, a policy and streams put together: the slots that off-policy estimates are made from."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from colisten.errors import DataError
from colisten.evaluation.experiment.off_policy import LoggedSlots
from colisten.serving.experiment.groups import Experiment

_POLICY = {"user_id": pl.String, "item_id": pl.String, "rank": pl.Int32}
_SECONDS = 86_400


def exploring(exposures: pl.LazyFrame, experiment: Experiment, group: str | None) -> pl.DataFrame:
    """What was shown to a group, or to all that explore.

    Raises:
        SettingsError: there is no such group.
        DataError: nothing was shown to it, or no group explores.
    """
    experiment.members([], group)
    groups = [one for one in experiment.groups if one == group or (group is None and experiment.arm(one).epsilon)]
    shown = exposures.filter(pl.col("group").is_in(groups)).collect(engine="streaming")
    if shown.is_empty():
        raise DataError(
            f"Nothing was shown in {experiment.name!r} to {', '.join(groups) or 'a group that explores'}: other "
            "answers can be judged by those that chance had a part in (`experiment assign --arm GROUP.epsilon=`)."
        )
    return shown


def policy_table(path: Path) -> pl.DataFrame:
    """A policy from a file of recommendations, Parquet or CSV: `user_id`, `item_id`, `rank`.

    Raises:
        DataError: it cannot be read, lacks a column, or has two items for one rank.
    """
    try:
        found = (
            pl.read_parquet(path, glob=False)
            if path.suffix == ".parquet"
            else pl.read_csv(path, infer_schema=False, glob=False)
        )
        table = found.select(pl.col(name).cast(kind) for name, kind in _POLICY.items()).drop_nulls()
    except (pl.exceptions.PolarsError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise DataError(f"{path} is no table of user_id, item_id, rank, as Parquet or CSV: {first}.") from error
    if table.select("user_id", "rank").is_duplicated().any():
        raise DataError(f"{path} has two items for one rank of a user: keep one.")
    return table


def logged_slots(exposures: pl.DataFrame, policy: pl.DataFrame, streams: pl.LazyFrame, *, days: float) -> LoggedSlots:
    """The slots of the answers to users whom the policy knows.

    Args:
        exposures: rows of `read_exposures`.
        policy: `user_id`, `item_id`, `rank`, and `request_id` where it answers each request on its own.
        streams: `user_id`, `item_id`, `time`.
        days: a slot has the reward 1 if its item is streamed in so many days after the answer, else 0.

    Raises:
        DataError: nobody in the log is known to the policy, or no slot showed what the policy puts there.
    """
    request = [name for name in ("user_id", "request_id") if name in policy.columns]
    slots = exposures.join(policy.select(request).unique(), on=request, how="semi").sort(
        "user_id", "request_id", "rank"
    )
    slots = slots.join(policy.rename({"item_id": "put"}), on=[*request, "rank"], how="left", maintain_order="left")
    if not (slots["put"] == slots["item_id"]).any():
        raise DataError(
            "No slot that was logged shows what the policy puts there: log more answers with a larger epsilon or pool, "
            "or judge a policy that is nearer to what was shown."
        )
    items = pl.Enum(pl.concat([slots["item_id"], slots["put"]]).drop_nulls().unique().sort())
    rewarded = _rewarded(slots.lazy(), streams, days)
    answer = pl.struct("user_id", "request_id").rle_id()
    coded = slots.with_columns(
        rewarded, user=pl.col("user_id").rle_id(), answer=answer, shown=pl.col("item_id").cast(items).to_physical(),
        put=pl.col("put").cast(items).to_physical().cast(pl.Int64).fill_null(-1),
    )  # fmt: skip
    users = coded.unique("answer", keep="first", maintain_order=True)["user"]
    whole = {name: coded[name].cast(pl.Int64).to_numpy() for name in ("answer", "rank", "shown", "put")}
    return LoggedSlots(
        users.cast(pl.Int64).to_numpy(), whole["answer"], whole["rank"], whole["shown"], whole["put"],
        coded["propensity"].to_numpy(), coded["reward"].to_numpy(),
    )  # fmt: skip


def _rewarded(slots: pl.LazyFrame, streams: pl.LazyFrame, days: float) -> pl.Series:
    """`reward` of each slot, float64."""
    numbered = slots.with_row_index("slot").select("slot", "user_id", "item_id", "at")
    until = pl.col("at") + int(days * _SECONDS)
    found = (
        streams.join(numbered, on=["user_id", "item_id"])
        .filter(pl.col("time").is_between("at", until, closed="right"))
        .select(pl.col("slot").unique())
        .collect(engine="streaming")
    )
    rewarded = numbered.select(pl.col("slot").is_in(found["slot"].implode()).cast(pl.Float64).alias("reward"))
    return rewarded.collect()["reward"]
