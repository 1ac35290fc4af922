"""The command `skipcast submit`: a test set of the challenge to a submission; and its check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skipcast.errors import SkipcastError
from skipcast.params import read_params
from skipcast.promotion.alias import champion_uri
from skipcast.schema import HorizonName, Label

if TYPE_CHECKING:
    from skipcast.archive.track_features import TrackFeatures
    from skipcast.clients.submission import Submitted

HORIZON: HorizonName = "second_half"
LABEL: Label = "brief"
NAME = "challenge"  # of the registered model in the remedy: other horizons keep their champion
MAKE = (
    f"`skipcast run --set features.horizon={HORIZON} --set features.skip={LABEL} "
    f"--set promote.model={NAME}` makes one; then add `--model {champion_uri(NAME)}`."
)


def submit(
    test_set: Annotated[
        Path | None, typer.Option(help="Folder of log_prehistory_*.csv and log_input_*.csv.")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Text file to write: the submission.")] = None,
    model: Annotated[
        str | None, typer.Option(help="MLflow's name of a model; else the registry's champion.")
    ] = None,
    tracks: Annotated[
        Path | None,
        typer.Option(help="Track features, for tracks new to the model; else those beside."),
    ] = None,
    check: Annotated[Path | None, typer.Option(help="A submission to score.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="With --check: what is right, in the same form.")
    ] = None,
) -> None:
    """Answer a test set of the challenge (--test-set, --output), or score answers (--check)."""
    if test_set is not None and output is not None and check is None and truth is None:
        _answer(test_set, output, model, tracks)
    elif check is not None and truth is not None and {test_set, output, model, tracks} == {None}:
        _score(check, truth)
    else:
        raise SkipcastError(
            "The command must be given --test-set and --output, or --check and --truth, but is "
            "given others. Run `skipcast submit --test-set FOLDER --output submission.txt`, or "
            "`skipcast submit --check submission.txt --truth truth.txt`."
        )


def _answer(test_set: Path, output: Path, model: str | None, tracks: Path | None) -> None:
    from skipcast.archive.challenge import find_pairs
    from skipcast.clients import submission
    from skipcast.mlflow_store.place import choose_store
    from skipcast.promotion.registry import Registry

    params = read_params()
    choose_store()
    registry = Registry.of(params.promote)
    uri = model or champion_uri(registry.name)
    if model is None:
        if registry.champion() is None:
            raise SkipcastError(
                f"{uri}, of the horizon {HORIZON}, must answer the test set but is not there. "
                f"{_remedy()}"
            )
        registry.require_champion()
    _check_model(uri)
    find_pairs(test_set)  # told before track features are read
    features = _read(test_set, tracks)
    done = submission.submit(test_set, output, uri, features)
    _tell(done, output, has_tracks=features is not None)


def _check_model(model_uri: str) -> None:
    from skipcast.promotion.contents import horizon_of, label_of
    from skipcast.promotion.registry import store

    try:
        horizon = horizon_of(model_uri)
    except SkipcastError as error:
        raise SkipcastError(
            f"--model must name a model that is whole in the MLflow store {store()} but "
            f"{model_uri} is none. {_remedy()}"
        ) from error
    if horizon != HORIZON:
        raise SkipcastError(
            f"{model_uri} must be a model of the horizon {HORIZON}, which answers second halves, "
            f"but is of {horizon}. {_remedy()}"
        )
    if (label := label_of(model_uri)) != LABEL:
        raise SkipcastError(
            f"{model_uri} must predict features.skip {LABEL}, which the challenge asks for, but "
            f"predicts {label}. {_remedy()}"
        )


def _remedy() -> str:
    """Return what to type for a model that answers: there may be one already."""
    from skipcast.promotion.contents import horizon_of, label_of
    from skipcast.promotion.registry import Registry

    uri = champion_uri(NAME)
    has_one = Registry(NAME).champion() is not None
    if has_one and (horizon_of(uri), label_of(uri)) == (HORIZON, LABEL):
        return f"Add `--model {uri}`, which is one."
    return MAKE


def _read(test_set: Path, tracks: Path | None) -> "TrackFeatures | None":
    """Read the track features that are named, or else those beside the test set."""
    from rich.console import Console

    from skipcast.archive.track_features import beside, read_track_features

    source = tracks or beside(test_set)
    if source is None:
        return None
    with Console(stderr=True).status(f"Reading the track features of {source}"):
        features = read_track_features(source)
    typer.echo(f"Features of {len(features):,} tracks: {source}", err=True)
    return features


def _tell(done: "Submitted", output: Path, *, has_tracks: bool) -> None:
    typer.echo(
        f"{done.sessions} sessions of {done.pairs} pairs of files answered, {done.plays} plays: "
        f"{output}",
        err=True,
    )
    if done.unknown:
        who = "neither the model nor the track features know" if has_tracks else "the model lacks"
        remedy = "" if has_tracks else " `--tracks FOLDER` names the official track features."
        typer.echo(
            f"{done.unknown} of these plays ({done.unknown / done.plays:.1%}) are of tracks that "
            f"{who}, and answered from the session alone.{remedy}",
            err=True,
        )


def _score(check: Path, truth: Path) -> None:
    from skipcast.clients import submission

    checked = submission.check(check, truth)
    typer.echo(f"{checked.sessions} sessions: MAA {checked.maa:.4f}, FPA {checked.fpa:.4f}")
