"""SASRec and eSASRec by RecTools as peers, in an environment of their own:

    python3.11 -m venv V && V/bin/pip install "rectools[torch]==0.19.0" polars
    V/bin/python benchmarks/sequential_peer.py SPLIT OUT.parquet sasrec|esasrec MINUTES

SPLIT is what `colisten data split` writes. RecTools 0.19 wants NumPy below 2 on Python 3.11 and 3.12, pandas below 3,
pytorch-lightning up to 2.5.2, and brings another package named `implicit`: it cannot be installed beside Colisten, so
this file imports none of it. Everything of all item types is the sequence, the newest tenth of the target's streams is
validation. Options are tried, in an order that is said, until MINUTES of processor time are over; the best by NDCG@10
on validation is trained on all, and its hundred best unseen items of the target for each asked user are written as a
table of recommendations.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

GRID = [
    {"n_factors": width, "n_blocks": blocks, "lr": rate, "epochs": epochs}
    for epochs, width, blocks, rate in product((20, 60), (64, 128), (1, 2), (1e-3, 3e-3))
]
LENGTH, DEPTH = 100, 100


def model(name: str, options: dict[str, Any]) -> Any:
    from pytorch_lightning import Trainer
    from rectools.models import SASRecModel
    from rectools.models.nn.transformers.ligr import LiGRLayers

    kinds: dict[str, dict[str, Any]] = {
        "sasrec": {"loss": "softmax"},
        "esasrec": {"loss": "sampled_softmax", "n_negatives": 256, "transformer_layers_type": LiGRLayers},
    }
    options = dict(options)
    epochs = options.pop("epochs")

    def trainer() -> Trainer:
        return Trainer(
            max_epochs=epochs, accelerator="auto", devices=1, logger=False, enable_progress_bar=False,
            enable_model_summary=False, enable_checkpointing=False,
        )  # fmt: skip

    return SASRecModel(
        session_max_len=LENGTH, n_heads=2, batch_size=128, train_min_user_interactions=2, get_trainer_func=trainer,
        verbose=0, **options, **kinds[name],
    )  # fmt: skip


def recommended(fitted: Any, dataset: Any, users: list[str], items: list[str]) -> pl.DataFrame:
    known = [user for user in users if user in set(dataset.user_id_map.external_ids)]
    among = [item for item in items if item in set(dataset.item_id_map.external_ids)]
    found = fitted.recommend(
        known, dataset, k=DEPTH, filter_viewed=True, items_to_recommend=np.array(among), on_unsupported_targets="ignore"
    )
    return pl.DataFrame({name: found[name].to_numpy() for name in ("user_id", "item_id", "score", "rank")})


def dataset_of(events: pl.DataFrame) -> Any:
    import pandas as pd
    from rectools.dataset import Dataset

    streams = events.sort("timestamp").unique(["user_id", "item_id"], keep="first", maintain_order=True)
    time_of = pl.from_epoch("timestamp").alias("datetime")
    columns = streams.select("user_id", "item_id", time_of, weight=pl.lit(1.0)).to_dict(as_series=False)
    return Dataset.construct(pd.DataFrame(columns))


def ndcg(table: pl.DataFrame, truth: pl.DataFrame) -> float:
    hits = truth.join(table, on=["user_id", "item_id"], how="left").with_columns(
        gain=pl.when(pl.col("rank") <= 10).then(1 / (pl.col("rank") + 1).log(2)).otherwise(0)
    )
    of_users = hits.group_by("user_id").agg(pl.col("gain").sum(), pl.len())
    ideal = np.cumsum(1 / np.log2(np.arange(10) + 2))[np.minimum(of_users["len"].to_numpy(), 10) - 1]
    return float((of_users["gain"].to_numpy() / ideal).mean())


def main(split: Path, out: Path, name: str, minutes: float) -> None:
    warnings.simplefilter("ignore")
    facts = json.loads((split / "split.json").read_text())
    events = pl.read_parquet(split / "train" / "interactions.parquet")
    events = events.filter(pl.col("signal").is_in(facts["strong"].split(",")))
    items = pl.read_parquet(split / "train" / "items.parquet").filter(pl.col("item_type") == facts["target"])
    catalogue = items["item_id"].to_list()
    of_target = events.filter(pl.col("item_type") == facts["target"])
    cut = of_target["timestamp"].quantile(0.9)
    before = events.filter(pl.col("timestamp") < cut)
    truth = of_target.filter(pl.col("timestamp") >= cut).select("user_id", "item_id").unique()
    truth = truth.join(before, on=["user_id", "item_id"], how="anti")
    truth = truth.join(before.select("user_id").unique(), on="user_id", how="semi")
    dataset, asked = dataset_of(before), truth["user_id"].unique(maintain_order=True).to_list()
    began, tried = time.process_time(), []
    for options in GRID:
        fitted = model(name, options).fit(dataset)
        tried.append((ndcg(recommended(fitted, dataset, asked, catalogue), truth), options))
        print(f"{time.process_time() - began:.0f} s: {options}: validation NDCG@10 {tried[-1][0]:.4f}", flush=True)
        if time.process_time() - began > 60 * minutes:
            break
    _, best = max(tried, key=lambda each: each[0])
    print(f"{len(tried)} of {len(GRID)} options tried; best: {best}", flush=True)
    users = (split / "users.csv").read_text().split("\n")
    whole = dataset_of(events)
    found = recommended(model(name, best).fit(whole), whole, [user for user in users if user], catalogue)
    found.with_columns(item_type=pl.lit(facts["target"])).write_parquet(out)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("split", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("name", choices=["sasrec", "esasrec"])
    parser.add_argument("minutes", type=float)
    given = parser.parse_args()
    main(given.split, given.out, given.name, given.minutes)
