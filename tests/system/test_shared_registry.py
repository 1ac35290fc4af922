"""A registry that several share, as docs/operating.md sets it up: Postgres, passwords, permissions.

A user who may delete nothing runs the pipeline, promotes, serves and rolls back.
"""

import os
import re
import subprocess
import sys
from contextlib import closing

import psycopg2
import pytest
from harness.clones import Clone, make_clone
from harness.servers import ROOT, free_port, tracking_server
from mlflow.exceptions import MlflowException
from sqlalchemy import make_url

from skipcast.artifacts import REFIT, Refit
from skipcast.errors import SkipcastError
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry

PASSWORD = "long enough a password"
TEXT = (ROOT / "docs/operating.md").read_text()


def database(url, name):
    """Make a database; return its URL."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"CREATE DATABASE {name}")
    made = make_url(url).set(database=name, drivername="postgresql+psycopg2")
    return made.render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Install what the server needs besides MLflow; return where."""
    folder = tmp_path_factory.mktemp("site")
    uv = [sys.executable, ROOT / "tools/uv.py", "pip", "install", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*uv, "--target", folder, "flask-wtf<2", "wtforms"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"The package index has no flask-wtf: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def server(package, postgres, tracking, tmp_path_factory):
    """Run the server, make alice and what she works in by the page's code; yield its address."""
    folder = tmp_path_factory.mktemp("server")
    store, users = (database(postgres, name) for name in ("mlflow", "mlflow_auth"))
    config = re.search(r"<<END\n(.*?)END\n", TEXT, re.DOTALL)[1]
    config = config.replace("postgresql+psycopg2://localhost/mlflow_auth", users.replace("%", "%%"))
    (folder / "basic_auth.ini").write_text(config)
    port = free_port()
    options = ["--app-name", "basic-auth", "--backend-store-uri", store]
    options += ["--artifacts-destination", str(folder / "artifacts")]
    options += ["--allowed-hosts", f"127.0.0.1:{port}"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_AUTH_CONFIG_PATH", str(folder / "basic_auth.ini"))
        patch.setenv("MLFLOW_AUTH_ADMIN_PASSWORD", PASSWORD)
        patch.setenv("MLFLOW_FLASK_SERVER_SECRET_KEY", "secret")
        patch.setenv("PYTHONPATH", str(package))
        with tracking_server(folder, *options, port=port) as url:
            login(patch, url, "admin")
            patch.syspath_prepend(str(package))
            code = re.search(
                r"```python\n(import mlflow\nfrom mlflow\.server.*?)```", TEXT, re.DOTALL
            )
            exec(code[1].replace("a long password", PASSWORD), {})
            login(patch, url, "alice")
            yield url


def login(patch, url, user):
    patch.setenv("MLFLOW_TRACKING_URI", url)
    patch.setenv("MLFLOW_TRACKING_USERNAME", user)
    patch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)


@pytest.fixture(scope="module")
def clone(server, postgres, tmp_path_factory) -> Clone:
    """A clone in which alice has run the pipeline."""
    made = make_clone(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("home"))
    made.set_params(
        fetch={"twin_sessions": 300, "rows": 4000},
        search={"families": {"logistic": 1, "lightgbm": 1}},
        split={"test": 0.3},
    )
    made.env |= {name: os.environ[name] for name in os.environ if "MLFLOW_TRACKING" in name}
    made.env["DATABASE_URL"] = postgres
    made.must("skipcast", "run")
    return made


@pytest.fixture(scope="module")
def registry(server, clone):
    """Return the registry after alice has promoted another version and rolled back."""
    made = Registry("skipcast")
    result = Refit.read(clone.folder / REFIT)
    (other, *_) = (family for family in result.families if family != result.best)
    version = made.register(result.families[other].model_uri, other)
    made.carry_out(Entry("promoted", version, made.champion(), "better"))
    clone.must("skipcast", "rollback")
    return made


def test_who_may_not_delete_runs_the_pipeline_promotes_and_rolls_back(registry, tmp_path):
    assert registry.champion() == 1
    assert [e.decision for e in registry.history()] == ["rolled back", "promoted", "promoted"]
    version, copy, note = registry.take_champion(tmp_path)
    assert (version, note) == (1, None)
    assert (copy / "MLmodel").exists()


def test_who_may_not_delete_deletes_nothing(registry):
    client = registry.client
    run = client.search_runs([client.get_experiment_by_name("skipcast").experiment_id])[0]
    for delete in (
        lambda: client.delete_run(run.info.run_id),
        lambda: client.delete_experiment(run.info.experiment_id),
        lambda: client.delete_registered_model("skipcast"),
        lambda: client.delete_model_version("skipcast", "1"),
    ):
        with pytest.raises(MlflowException, match="Permission denied"):
            delete()


def test_who_has_no_password_is_told(registry, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong")
    with pytest.raises(SkipcastError, match=r"must know who asks but answers HTTP 401"):
        Registry("skipcast")


def test_artifacts_come_by_the_server(registry):
    place = registry.client.get_model_version_download_uri("skipcast", "1")
    assert place.startswith("mlflow-artifacts:")
