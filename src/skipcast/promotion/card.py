"""The model card: what the model is, how well it does and where not; not one row of the data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from skipcast.artifacts import LoadReceipt, SearchResult
from skipcast.evaluation.baselines import BASELINES
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.metrics import METRICS
from skipcast.features.build import GROUPS, feature_set
from skipcast.params import Params
from skipcast.promotion.gate import spread
from skipcast.promotion.judge import Judgement
from skipcast.schema import HORIZONS

TOP = 10


@dataclass(frozen=True)
class About:
    """What a card says besides scores."""

    version: int
    decision: str
    receipt: LoadReceipt
    result: SearchResult
    settings: Mapping[str, str]  # hyperparameters of the candidate
    commit: str | None


def card(judgement: Judgement, params: Params, about: About) -> str:
    """Write the card as markdown."""
    synthetic = about.receipt.synthetic
    sections = (
        [_head(judgement, params, about, synthetic)],
        ["## Purpose", _purpose(params)],
        ["## Data", _data(judgement, params, about, synthetic)],
        ["## Features", _features(params)],
        ["## Search", _search(judgement, about)],
        ["## Results on the test sessions", _results(judgement, synthetic)],
        ["### In slices", _slices(judgement)],
        ["## Calibration", _calibration(judgement)],
        ["## What carries the predictions", _importance(judgement)],
        ["## Limits", _limits(synthetic)],
        ["## How to call it", _call(params)],
        ["## Licences", _licences(synthetic)],
    )
    return "\n\n".join(text for section in sections for text in section) + "\n"


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Write a markdown table.

    >>> print(table(["a", "b"], [[1, 2]]))
    | a | b |
    | --- | --- |
    | 1 | 2 |
    """
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def _head(judgement: Judgement, params: Params, about: About, synthetic: bool) -> str:
    warning = "\n\n**Trained and tested on synthetic data (the twin).**" if synthetic else ""
    return (
        f"# {params.promote.model}, version {about.version}\n\n"
        f"{judgement.family}; {about.decision}: {judgement.verdict.reason}.{warning}"
    )


def _purpose(params: Params) -> str:
    return (
        "Tells, the moment a track starts playing, how probable it is that the listener skips it "
        '(`skip_2`, "played only briefly"), from what happened earlier in the same session. '
        f"Horizon `{params.features.horizon}`: {HORIZONS[params.features.horizon].text}. Meant for "
        "research and as an example of a pipeline; not for decisions about people."
    )


def _data(judgement: Judgement, params: Params, about: About, synthetic: bool) -> str:
    what = (
        "The twin: synthetic sessions in the layout and with the published statistics of the Music "
        "Streaming Sessions Dataset"
        if synthetic
        else "The Music Streaming Sessions Dataset (Brost, Mehrotra, Jehan, 2019)"
    )
    tables = about.receipt.tables
    rows = [[name, content.rows, f"`{content.hash}`"] for name, content in tables.items()]
    test = judgement.answers.plays
    split = params.split
    return (
        f"{what}.\n\n{table(['table', 'rows', 'fingerprint'], rows)}\n\n"
        f"Split by whole sessions, by a hash of their id (seed {split.seed}): "
        f"{split.validation:.0%} validate, {split.test:.0%} test, the others train. The test "
        f"sessions, {test['session_id'].nunique():,} with {len(test):,} plays to predict, were "
        "seen by no fit and no search. Code: commit "
        f"`{about.commit or 'unknown'}`."
    )


def _features(params: Params) -> str:
    horizon = params.features.horizon
    rows = []
    for group in GROUPS:
        if group in params.features.groups:
            own = [f"`{feature.name}`" for feature in feature_set(horizon, (group,)).features]
            rows.append([group, len(own), ", ".join(own)])
    return table(["group", "features", "names"], rows)


def _search(judgement: Judgement, about: About) -> str:
    rows = [
        [name, f"{best.accuracy:.4f}", f"{best.log_loss:.4f}"]
        for name, best in about.result.families.items()
    ]
    run_id = about.result.candidate.run_id
    settings = ", ".join(f"{name} {value}" for name, value in about.settings.items())
    return (
        f"MLflow run `{about.result.run_id}`; the best of each family on the validation "
        f"sessions:\n\n{table(['family', 'accuracy', 'log loss'], rows)}\n\n"
        f"This model: {judgement.family}, run `{run_id}` ({settings})."
    )


def _results(judgement: Judgement, synthetic: bool) -> str:
    names = {**BASELINES, "candidate": f"**this model ({judgement.family})**"}
    if "champion" in judgement.scores:
        names["champion"] = f"champion before, version {judgement.champion}"
    shown = [score for score in METRICS if score in judgement.scores["candidate"]]
    rows = [
        [text, *(_cell(judgement.scores[name].get(score)) for score in shown)]
        for name, text in names.items()
    ]
    label = " Synthetic data." if synthetic else ""
    heads = ["", *(METRICS[score].heading for score in shown)]
    return f"With 95 % intervals by bootstrap over sessions.{label}\n\n{table(heads, rows)}"


def _cell(interval: Interval | None) -> str:
    return "" if interval is None else spread(interval)


def _slices(judgement: Judgement) -> str:
    rows = []
    for kind, values in judgement.slices["candidate"].items():
        for value, scores in values.items():
            last = judgement.slices["repeat_last"][kind][value]["accuracy"].value
            rows.append(
                [kind, value, judgement.plays_in[kind][value], spread(scores["accuracy"]),
                 f"{scores['log_loss'].value:.4f}", f"{last:.4f}"]
            )  # fmt: skip
    return table(
        ["", "slice", "plays", "accuracy", "log loss", "accuracy of same as the last play"], rows
    )


def _calibration(judgement: Judgement) -> str:
    error = judgement.scores["candidate"]["calibration_error"]
    return (
        f"Expected calibration error over ten bins of equally many plays: {spread(error)}. "
        "`figures/reliability.png` shows the bins."
    )


def _importance(judgement: Judgement) -> str:
    explained = judgement.answers.explained[judgement.family]
    weights = dict(zip(explained.names, explained.importance, strict=True))
    rows = [[f"`{name}`", f"{weights[name]:.3f}"] for name in explained.top(TOP)]
    return (
        f"Mean absolute contribution to the log-odds over {len(explained.values):,} test plays:\n\n"
        f"{table(['feature', 'log-odds'], rows)}"
    )


def _limits(synthetic: bool) -> str:
    lines = [
        "- The first play of a session has no history: see position 1 above.",
        "- Sessions have 10 to 20 plays of 2018 from one service; listeners are not known across "
        "sessions.",
        "- Tracks that were not in the training data are scored by the features that a request "
        "brings, else as unknown.",
        "- Contributions tell what the model uses, not what makes people skip.",
    ]
    if synthetic:
        lines.append("- Synthetic data: nothing here says how well the model does on listeners.")
    return "\n".join(lines)


def _call(params: Params) -> str:
    return (
        "```\nmlflow models serve -m models:/" + params.promote.model + "@champion "
        "--env-manager local -p 5001\n```\n\n"
        "Post raw plays of a session to `/invocations`, each earlier one with its outcome and the "
        "one to predict with none. Required: `session_id`, `session_position`, `track_id_clean`; "
        "README.md shows a request."
    )


def _licences(synthetic: bool) -> str:
    data = (
        "the twin holds no row of the dataset and may be passed on"
        if synthetic
        else "the dataset has its own terms (research use, no passing on), and none of its rows is "
        "in this card"
    )
    return f"Code: MIT. Data: {data}."
