"""The command `skipcast run`: stages with other values than those in params.yaml."""

from enum import StrEnum
from typing import Annotated

import typer

from skipcast.cli import data, features, promote, refit, search
from skipcast.overrides import override
from skipcast.params import read_params


class Stage(StrEnum):
    """What may be run."""

    FETCH = "fetch"
    LOAD = "load"
    FEATURES = "features"
    SEARCH = "search"
    REFIT = "refit"
    PROMOTE = "promote"


COMMANDS = {
    Stage.FETCH: data.fetch,
    Stage.LOAD: data.load,
    Stage.FEATURES: features.features,
    Stage.SEARCH: search.search,
    Stage.REFIT: refit.refit,
    Stage.PROMOTE: promote.promote,
}


def run(
    stages: Annotated[list[Stage] | None, typer.Argument(help="In this order; else all.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Instead of a value of params.yaml."),
    ] = None,
) -> None:
    """Run stages without DVC, with other values than params.yaml; MLproject calls it.

    `dvc repro` makes again afterwards what params.yaml says.
    """
    override(values or [])
    read_params()  # a value that is wrong is told before any stage
    for stage in stages or list(Stage):
        typer.echo(f"Running {stage}", err=True)
        COMMANDS[stage]()
