"""The registry: the candidate against the champion on the same test sessions."""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from skipcast.errors import SkipcastError
from skipcast.metrics import evaluate
from skipcast.schema import TARGET

ALIAS = "champion"


@dataclass(frozen=True)
class Verdict:
    """Who is champion after a promotion, and how it scores on the test sessions."""

    version: int
    family: str
    scores: dict[str, float]
    reason: str


def promote(model_uri: str, run_id: str, *, family: str, name: str, plays: pd.DataFrame) -> Verdict:
    """Register a candidate as `name`; make it champion if it is the first or more accurate.

    Args:
        model_uri: MLflow's name of the candidate.
        run_id: the run that made it.
        family: its family.
        name: of the registered model.
        plays: raw plays of the test sessions with their outcomes and track features.

    Raises:
        SkipcastError: the registry does not answer, or the candidate cannot be scored.
    """
    client = MlflowClient()
    candidate = score(model_uri, plays)
    champion = _champion(client, name)
    version = _register(client, model_uri, run_id, family=family, name=name)
    client.set_model_version_tag(name, str(version), "test_accuracy", str(candidate["accuracy"]))
    if champion == version:
        return Verdict(version, family, candidate, "it is the champion already")
    if champion is not None:
        present = score(f"models:/{name}/{champion}", plays)
        if candidate["accuracy"] <= present["accuracy"]:
            tags = client.get_model_version(name, str(champion)).tags
            reason = (
                f"version {version} is not more accurate on the same test sessions: "
                f"{candidate['accuracy']:.4f} against {present['accuracy']:.4f}"
            )
            return Verdict(champion, tags["family"], present, reason)
        reason = f"more accurate than version {champion}, {present['accuracy']:.4f}"
    else:
        reason = "the first"
    client.set_registered_model_alias(name, ALIAS, str(version))
    return Verdict(version, family, candidate, reason)


def score(model_uri: str, plays: pd.DataFrame) -> dict[str, float]:
    """Score a model on raw plays with the code that it brings; return `metrics.evaluate`'s scores.

    Plays that the model's horizon does not predict do not count.

    Raises:
        SkipcastError: the model does not load or refuses the plays.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder, "plays.parquet"), Path(folder, "out.parquet")
        plays.to_parquet(given)
        script = Path(__file__).with_name("score.py")
        done = subprocess.run(
            # -P: the folder of the script must not shadow the package that the model brings.
            [sys.executable, "-P", script, model_uri, given, out],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:]
            raise SkipcastError(f"{model_uri} must score the test sessions but failed: {last}")
        probability = pd.read_parquet(out)["skip_probability"].to_numpy(np.float64)
    counts = ~np.isnan(probability)
    return evaluate(plays[TARGET].to_numpy(dtype=bool)[counts], probability[counts])


def _champion(client: MlflowClient, name: str) -> int | None:
    try:
        return int(client.get_model_version_by_alias(name, ALIAS).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None  # no such model, or no such alias
        raise SkipcastError(
            f"The MLflow registry must tell the champion of {name} but did not: {error}"
        ) from error


def _register(client: MlflowClient, model_uri: str, run_id: str, *, family: str, name: str) -> int:
    """Register the model of a run once, however often it is promoted."""
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    if found:
        return int(found[0].version)
    return int(mlflow.register_model(model_uri, name, tags={"family": family}).version)
