"""One command per stage: reads its params and inputs, calls the stage, writes its outputs."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

from skipcast.errors import SkipcastError
from skipcast.files import read_json, read_parquet, write_json, write_parquet
from skipcast.params import read_params
from skipcast.predict_cli import predict
from skipcast.schema import TARGET, is_synthetic
from skipcast.twin_cli import twin

PLAYS = Path("data/plays.parquet")
TRACKS = Path("data/tracks.parquet")
RECEIPT = Path("data/receipt.json")
FEATURES = Path("data/features.parquet")
SEARCH = Path("data/search.json")
METRICS = Path("metrics.json")

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
console = Console(stderr=True)


@app.command()
def fetch() -> None:
    """Take a subset of whole sessions from the twin or from official files."""
    from skipcast.archive import read_subset
    from skipcast.twin import write_twin

    params = read_params().fetch
    with contextlib.ExitStack() as stack:
        if params.source == "twin":
            source = Path(stack.enter_context(tempfile.TemporaryDirectory()), "mssd")
            with console.status(f"Making {params.twin_sessions} synthetic sessions"):
                write_twin(source, sessions=params.twin_sessions, seed=params.seed)
        else:
            source = Path(params.source)
        tracks_source = Path(params.tracks) if params.tracks else None
        plays, tracks = read_subset(source, tracks_source, rows=params.rows, seed=params.seed)
    write_parquet(PLAYS, plays)
    write_parquet(TRACKS, tracks)
    fewer = "" if len(plays) >= params.rows else f", all there are: fewer than {params.rows}"
    _say(
        f"{len(plays)} plays of {plays['session_id'].nunique()} sessions, {len(tracks)} tracks"
        f"{fewer}{_note(is_synthetic(plays['session_id']))}"
    )


@app.command()
def load() -> None:
    """Load plays and tracks into Postgres; write a receipt of what is there."""
    from skipcast.database import connect, load_tables, place

    params = read_params().load
    plays, tracks = (read_parquet(path, made_by="fetch") for path in (PLAYS, TRACKS))
    with console.status("Loading into Postgres"), connect() as connection:
        tables = load_tables(connection, plays, tracks, schema=params.schema_)
    receipt = {
        "database": place(),
        "schema": params.schema_,
        "synthetic": is_synthetic(plays["session_id"]),
        "tables": tables,
    }
    write_json(RECEIPT, receipt)
    rows = ", ".join(f"{name} {content['rows']}" for name, content in tables.items())
    _say(f"{place()}, schema {params.schema_}: {rows} rows")


@app.command()
def features() -> None:
    """Read the joined plays from Postgres in session order; build the features."""
    from skipcast.database import check_receipt, connect, read_plays
    from skipcast.features import KEY_COLUMNS, build_features, predicted

    params = read_params().features
    receipt = read_json(RECEIPT, made_by="load")
    with console.status("Reading from Postgres"), connect() as connection:
        check_receipt(connection, receipt)
        plays = read_plays(connection, schema=receipt["schema"])
    table = plays[list(KEY_COLUMNS)].assign(skipped=plays[TARGET])
    table = table.join(build_features(plays, params.horizon, params.groups))
    table = table[predicted(plays, params.horizon)]
    write_parquet(FEATURES, table)
    _say(f"{len(table)} plays, {table.shape[1] - 3} features, horizon {params.horizon}")


@app.command()
def search() -> None:
    """Search each family for its most accurate model; log every trial to MLflow."""
    from skipcast.search import Trial, search

    params = read_params()
    features = read_parquet(FEATURES, made_by="features")
    tracks = read_parquet(TRACKS, made_by="fetch")
    receipt = read_json(RECEIPT, made_by="load")
    origin = {
        "data.hash": receipt["tables"]["training_set"]["hash"],
        "data.synthetic": str(receipt["synthetic"]),
    }
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bars: dict[str, TaskID] = {
            family: progress.add_task(family, total=trials)
            for family, trials in params.search.families.items()
        }
        best: dict[str, float] = {}

        def advance(family: str, trial: Trial) -> None:
            best[family] = max(best.get(family, 0), trial.scores["accuracy"])
            text = f"{family}, best accuracy {best[family]:.4f}"
            progress.update(bars[family], advance=1, description=text)

        found = search(features, tracks, params, origin=origin, on_trial=advance)
    write_json(SEARCH, found)
    for family, scores in found["families"].items():
        _say(f"{family}: validation accuracy {scores['accuracy']:.4f}")


@app.command()
def promote() -> None:
    """Score the most accurate model on the test sessions; make it champion if it is better."""
    from skipcast.features import build_features, predicted
    from skipcast.metrics import majority, repeat_last
    from skipcast.promote import promote
    from skipcast.split import split_sessions

    params = read_params()
    families = read_json(SEARCH, made_by="search")["families"]
    tracks = read_parquet(TRACKS, made_by="fetch").rename(columns={"track_id": "track_id_clean"})
    plays = read_parquet(PLAYS, made_by="fetch").merge(tracks, on="track_id_clean")
    plays = plays.sort_values(["session_id", "session_position"], ignore_index=True)
    parts = split_sessions(plays["session_id"], params.split)
    family = max(families, key=lambda f: (families[f]["accuracy"], -families[f]["log_loss"]))
    candidate = families[family]
    with console.status("Scoring on the test sessions"):
        verdict = promote(
            candidate["model_uri"],
            candidate["run_id"],
            family=family,
            name=params.promote.model,
            plays=plays[parts == "test"],
        )
    counts = predicted(plays, params.features.horizon)
    previous = build_features(plays, params.features.horizon, ("outcomes",))["previous_skipped"]
    outcomes = (plays.loc[counts & (parts == p), TARGET].to_numpy() for p in ("train", "test"))
    train, test = outcomes
    metrics = {
        "families": {
            name: {score: families[name][score] for score in ("accuracy", "log_loss")}
            for name in families
        },
        "champion": {"family": verdict.family, "version": verdict.version},
        "test": verdict.scores,
        "baselines": {
            "majority": majority(train, test),
            "repeat_last": repeat_last(
                train, test, previous[counts & (parts == "test")].to_numpy()
            ),
        },
    }
    write_json(METRICS, metrics)
    _say(f"champion is version {verdict.version}, {verdict.family}: {verdict.reason}")


app.command()(predict)
app.command()(twin)


@app.command()
def report() -> None:
    """Print the accuracy of the families and of the champion, and what to type next."""
    metrics = read_json(METRICS, made_by="promote")
    synthetic = read_json(RECEIPT, made_by="load")["synthetic"]
    table = Table(title=f"Accuracy{_note(synthetic)}", title_justify="left")
    for heading in ("", "sessions", "accuracy", "log loss"):
        table.add_column(heading, justify="left" if heading in ("", "sessions") else "right")
    for name, scores in metrics["families"].items():
        _add_row(table, name, "validation", scores)
    table.add_section()
    champion = metrics["champion"]
    _add_row(
        table,
        f"champion: {champion['family']}, version {champion['version']}",
        "test",
        metrics["test"],
    )
    _add_row(table, "rule: same as the last play", "test", metrics["baselines"]["repeat_last"])
    _add_row(table, "rule: majority", "test", metrics["baselines"]["majority"])
    output = Console(soft_wrap=True)
    output.print(table)
    model = read_params().promote.model
    output.print("Next, here in the root of the project:", highlight=False)
    for command in (
        ". .venv/bin/activate",
        "mlflow ui",
        f"mlflow models serve -m models:/{model}@champion --env-manager local -p 5001",
    ):
        output.print(f"  {command}", highlight=False)


def _add_row(table: Table, name: str, sessions: str, scores: dict[str, float]) -> None:
    log_loss = f"{scores['log_loss']:.4f}" if "log_loss" in scores else ""
    table.add_row(name, sessions, f"{scores['accuracy']:.4f}", log_loss)


def _note(synthetic: bool) -> str:
    return " (twin: synthetic data)" if synthetic else ""


def _say(text: str) -> None:
    typer.echo(text, err=True)


def main() -> None:
    """Run a command; what a user can mend is one message and exit code 1, without a traceback."""
    # Chatter about tables made and files copied would bury what the stages say.
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    try:
        app()
    except SkipcastError as error:
        _say(f"Error: {error}")
        sys.exit(1)
