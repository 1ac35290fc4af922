"""The model card: what the model is, how well it does and where not; not one row of the data.

The text is in `card.md.j2`; here is what it is filled with.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from skipcast.artifacts import LoadReceipt, SearchResult
from skipcast.evaluation.baselines import BASELINES
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.metrics import METRICS
from skipcast.evaluation.slices import LISTENER
from skipcast.features.build import GROUPS, feature_set
from skipcast.features.dictionary import markdown_table
from skipcast.params import Params, Split
from skipcast.promotion.alias import champion_uri
from skipcast.promotion.gate import interval_text
from skipcast.promotion.judge import Judgement
from skipcast.schema import HORIZONS, LABELS
from skipcast.twin.limits import Limits, limits_of

TOP = 10
Rows = list[list[str]]


@dataclass(frozen=True)
class About:
    """What a card says besides scores."""

    version: int
    decision: str
    receipt: LoadReceipt
    result: SearchResult
    settings: Mapping[str, str]  # hyperparameters of the candidate
    commit: str | None


@dataclass(frozen=True)
class Context:
    """What `card.md.j2` is filled with; rows are those of its tables."""

    model: str
    uri: str
    version: int
    family: str
    decision: str
    reason: str
    synthetic: bool
    own: bool  # whether the plays are of listeners' own histories
    skip: str
    column: str  # of the log, that tells it
    horizon: str
    known: str  # at the horizon
    split: Split
    split_by: str
    tables: Rows
    groups: Rows
    families: Rows
    family_labels: list[str]
    score_labels: list[str]
    limits: Limits
    results: Rows
    slices: Rows
    listeners: Rows
    importance: Rows
    test_sessions: int
    test_plays: int
    explained_plays: int
    calibration_error: str
    search_run: str
    run: str
    settings: str
    commit: str | None


def card(judgement: Judgement, params: Params, about: About) -> str:
    """Write the card as Markdown."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, of our own values
    )
    template = environment.get_template("card.md.j2", globals={"table": markdown_table})
    return template.render(vars(_context(judgement, params, about)))


def _context(judgement: Judgement, params: Params, about: About) -> Context:
    test, result = judgement.answers.test, about.result
    explained = judgement.answers.explained[judgement.family]
    labels = {n: m.heading for n, m in METRICS.items() if n in judgement.scores["candidate"]}
    return Context(
        model=params.promote.model,
        uri=champion_uri(params.promote.model),
        version=about.version,
        family=judgement.family,
        decision=about.decision,
        reason=judgement.verdict.reason,
        synthetic=about.receipt.synthetic,
        own=about.receipt.listeners,
        skip=judgement.skip,
        column=LABELS[judgement.skip],
        horizon=params.features.horizon,
        known=HORIZONS[params.features.horizon].text,
        split=params.split,
        split_by=params.split.by or ("time" if about.receipt.listeners else "session"),
        tables=[[n, str(t.rows), f"`{t.hash}`"] for n, t in about.receipt.tables.items()],
        groups=_groups(params, about.receipt),
        families=[
            [
                family,
                f"{best.accuracy:.4f}",
                f"{best.log_loss:.4f}",
                *best.challenge_scores().values(),
            ]
            for family, best in result.families.items()
        ],
        family_labels=["accuracy", "log loss", *result.candidate.challenge_scores()],
        score_labels=list(labels.values()),
        limits=limits_of(about.receipt, judgement.skip),
        results=_results(judgement, list(labels)),
        slices=_slices(judgement),
        listeners=_listeners(judgement),
        importance=_importance(judgement),
        test_sessions=test.sessions,
        test_plays=test.plays,
        explained_plays=len(explained.values),
        calibration_error=interval_text(judgement.scores["candidate"]["calibration_error"]),
        search_run=result.run_id,
        run=result.candidate.run_id,
        settings=", ".join(f"{name} {value}" for name, value in about.settings.items()),
        commit=about.commit,
    )


def _groups(params: Params, receipt: LoadReceipt) -> Rows:
    rows = []
    chosen = params.features.groups_of(listeners=receipt.listeners)
    for group in GROUPS:
        if group in chosen:
            features = feature_set(params.features.horizon, (group,)).features
            own = [f"`{feature.name}`" for feature in features]
            rows.append([group, str(len(own)), ", ".join(own)])
    return rows


def _results(judgement: Judgement, scores: list[str]) -> Rows:
    names = {name: BASELINES[name].label for name in judgement.answers.baselines}
    names |= {"candidate": f"**this model ({judgement.family})**"}
    if "champion" in judgement.scores:
        names["champion"] = f"champion before, version {judgement.rival}"
    return [
        [text, *(_cell(judgement.scores[name].get(score)) for score in scores)]
        for name, text in names.items()
    ]


def _cell(interval: Interval | None) -> str:
    return "" if interval is None else interval_text(interval)


def _listeners(judgement: Judgement) -> Rows:
    return [
        [f"`{id_}`", str(own.plays), interval_text(own.skip_rate), interval_text(own.accuracy),
         interval_text(own.log_loss), interval_text(own.rule_accuracy),
         BASELINES[own.best_rule].label]
        for id_, own in judgement.listeners.items()
    ]  # fmt: skip


def _slices(judgement: Judgement) -> Rows:
    rows = []
    kinds = judgement.slices["candidate"].items()
    for kind, values in ((kind, values) for kind, values in kinds if kind != LISTENER):
        for value, scores in values.items():
            last = judgement.slices["repeat_last"][kind][value]["accuracy"].value
            rows.append(
                [kind, value, str(judgement.plays_in[kind][value]),
                 interval_text(scores["accuracy"]), f"{scores['log_loss'].value:.4f}",
                 f"{last:.4f}"]
            )  # fmt: skip
    return rows


def _importance(judgement: Judgement) -> Rows:
    explained = judgement.answers.explained[judgement.family]
    weights = dict(zip(explained.names, explained.importance, strict=True))
    return [[f"`{name}`", f"{weights[name]:.3f}"] for name in explained.top(TOP)]
