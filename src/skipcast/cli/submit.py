"""The command `skipcast submit`: a test set of the challenge to a submission; and its check."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skipcast.errors import SkipcastError
from skipcast.params import read_params
from skipcast.promotion.alias import champion_uri
from skipcast.schema import HorizonName, Label

if TYPE_CHECKING:
    from skipcast.promotion.registry import Registry

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
    check: Annotated[Path | None, typer.Option(help="A submission to score.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="With --check: what is right, in the same form.")
    ] = None,
) -> None:
    """Answer a test set of the challenge (--test-set, --output), or score answers (--check)."""
    if test_set is not None and output is not None and check is None and truth is None:
        _answer(test_set, output, model)
    elif check is not None and truth is not None and {test_set, output, model} == {None}:
        _score(check, truth)
    else:
        raise SkipcastError(
            "The command must be given --test-set and --output, or --check and --truth, but is "
            "given others. Run `skipcast submit --test-set FOLDER --output submission.txt`, or "
            "`skipcast submit --check submission.txt --truth truth.txt`."
        )


def _answer(test_set: Path, output: Path, model: str | None) -> None:
    from skipcast.clients import submission
    from skipcast.mlflow_store.place import choose_store
    from skipcast.promotion.registry import Registry

    params = read_params()
    choose_store()
    if model is None:
        _check_champion(Registry.of(params.promote))
    uri = model or champion_uri(params.promote.model)
    _check_model(uri)
    done = submission.submit(test_set, output, uri)
    typer.echo(
        f"{done.sessions} sessions of {done.pairs} pairs of files answered, {done.plays} plays: "
        f"{output}",
        err=True,
    )


def _check_champion(registry: "Registry") -> None:
    if registry.champion() is None:
        raise SkipcastError(
            f"{champion_uri(registry.name)}, of the horizon {HORIZON}, must answer the test set "
            f"but is not there. {MAKE}"
        )
    registry.require_champion()


def _check_model(model_uri: str) -> None:
    from skipcast.promotion.contents import horizon_of, label_of

    horizon = horizon_of(model_uri)
    if horizon != HORIZON:
        raise SkipcastError(
            f"{model_uri} must be a model of the horizon {HORIZON}, which answers second halves, "
            f"but is of {horizon}. {MAKE}"
        )
    if (label := label_of(model_uri)) != LABEL:
        raise SkipcastError(
            f"{model_uri} must predict features.skip {LABEL}, which the challenge asks for, but "
            f"predicts {label}. {MAKE}"
        )


def _score(check: Path, truth: Path) -> None:
    from skipcast.clients import submission

    checked = submission.check(check, truth)
    typer.echo(f"{checked.sessions} sessions: MAA {checked.maa:.4f}, FPA {checked.fpa:.4f}")
