"""The command `skipcast predict`: files of plays in, files of probabilities out."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skipcast.cli.pool import open_cluster
from skipcast.errors import SkipcastError
from skipcast.params import Cluster, Promote, read_params
from skipcast.parts import MANIFEST, Parts
from skipcast.promotion.alias import champion_uri
from skipcast.storage import check, check_root, locate, reachable

if TYPE_CHECKING:  # the parent of a batch prediction starts faster without
    from skipcast.clients.outcome import Outcome

PATH: dict[str, Any] = {"parser": locate, "metavar": "PATH"}


def predict(
    source: Annotated[
        Path,
        typer.Option(
            "--input",
            help="A .csv, .csv.gz or .parquet of plays, or a folder.",
            **PATH,
        ),
    ],
    output: Annotated[Path, typer.Option(help=".csv, .csv.gz or .parquet to write.", **PATH)],
    model: Annotated[
        str | None, typer.Option(help="MLflow's name of a model; else the registry's champion.")
    ] = None,
    score_history: Annotated[
        bool, typer.Option("--score-history", help="Also score plays that have ended.")
    ] = False,
    summary: Annotated[
        Path | None,
        typer.Option(help="JSON to write: how far the plays are from training's.", **PATH),
    ] = None,
) -> None:
    """Score the plays of a file or a folder, of any size, with the model that is served."""
    from skipcast.clients import drift
    from skipcast.files import write_json
    from skipcast.mlflow_store.place import choose_store
    from skipcast.reading.categories import tell_new

    params = read_params()
    check(source)
    check_root(output)
    choose_store()
    if model is None and params.promote.sign_key is not None:
        _check_champion(params.promote)
    try:
        outcome = _score(
            params.cluster,
            source,
            output,
            model or champion_uri(params.promote.model),
            history=score_history,
            summary=summary is not None,
        )
    except SkipcastError:
        if model is None:
            _check_champion(params.promote)
        raise
    _warn(tell_new(outcome.new_texts))
    typer.echo(f"{outcome.scored} of {outcome.plays} plays scored: {output}", err=True)
    if summary is not None and outcome.summary is not None:
        figures = drift.summary(outcome.summary, params.predict)
        write_json(summary, figures)
        _warn(figures["warnings"])


def _score(
    cluster: Cluster, source: Path, output: Path, model: str, *, history: bool, summary: bool
) -> "Outcome":
    """Score here; the parts of a table by the workers of a cluster, where there is one."""
    from skipcast.clients import answer_files, batch

    if cluster.scheduler is None or not (source / MANIFEST).is_file():
        with reachable(source):
            return batch.predict(source, output, model, history=history, summary=summary)
    answer_files.check_format(output)
    with open_cluster(cluster, variables=["MLFLOW_TRACKING_URI"], paths=[source]) as pool:
        from skipcast.distributed.predict import Scoring, predict

        parts = Parts.read(source.absolute(), made_by="fetch")
        return predict(pool, Scoring(parts, model, history, summary), output)


def _warn(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        typer.echo(f"Warning: {sentence}", err=True)


def _check_champion(promote: Promote) -> None:
    """Say so where there is no champion to score the plays, or its files are not what they were.

    Without signatures only after a failure: it takes longer than to score a small file.
    """
    from skipcast.promotion.registry import Registry

    Registry.of(promote).require_champion()
