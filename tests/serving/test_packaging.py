"""What a logged model's folder holds: all that it needs to be served, and nothing else."""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from harness.models import log

from skipcast.schema import ANSWER, INPUTS, REQUIRED, TRACK_GROUPS, names
from skipcast.serving.packaging import SHIPPED, example, signature

FORBIDDEN = {"typer", "dvc", "optuna", "psycopg2", "pydantic", "rich"}
LOAD = """
import sys, mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
model.predict(model.input_example)
print(*(m.__file__ for name, m in sys.modules.items() if name.split(".")[0] == "skipcast"))
"""


@pytest.fixture(scope="module")
def folder(logged_model, track_table):
    """Return the folder of a logged model that no test has loaded."""
    info = log(logged_model().fitted, track_table, family="lightgbm")
    return Path(mlflow.artifacts.download_artifacts(info.model_uri))


def files_of(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def imports_of(path):
    """Return what a module imports, anywhere but for the type checker."""
    modules = set()

    def visit(node):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return modules


def test_the_code_is_what_ships(folder):
    assert [path.name for path in (folder / "code").iterdir()] == ["skipcast"]
    assert {path.name for path in (folder / "code/skipcast").iterdir()} == set(SHIPPED)


def test_what_ships_imports_nothing_else_of_the_package(folder):
    ours = {m for path in (folder / "code").rglob("*.py") for m in imports_of(path)}
    shipped = {Path(name).stem for name in SHIPPED}
    assert {m.split(".")[1] for m in ours if m.startswith("skipcast.")} <= shipped


def test_what_ships_imports_no_library_of_the_other_stages(folder):
    modules = {m for path in (folder / "code").rglob("*.py") for m in imports_of(path)}
    assert not {module.split(".")[0] for module in modules} & FORBIDDEN


def test_a_process_that_loads_the_folder_imports_the_package_from_there(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")  # Python writes what it compiles into it
    done = subprocess.run(
        [sys.executable, "-c", LOAD, copy], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    paths = done.stdout.split()
    assert len(paths) > len(SHIPPED)
    assert not [path for path in paths if not Path(path).is_relative_to(copy / "code")]


def test_the_folder_holds_no_pickle_and_no_compiled_code(folder):
    unwanted = re.compile(r"\.(pkl|pickle|joblib|pyc)$")
    assert not [path for path in files_of(folder) if unwanted.search(path.name)]


def test_the_folder_names_no_place_of_this_machine(folder, tracking):
    places = [str(Path(__file__).parents[2]), str(Path.home()), "/tmp", tracking.split("///")[1]]
    contents = {path.name: path.read_bytes() for path in files_of(folder)}
    assert not [name for name, text in contents.items() if any(p.encode() in text for p in places)]


def test_the_folder_holds_what_serves(folder):
    top = {path.name for path in folder.iterdir()}
    environment = {"conda.yaml", "python_env.yaml", "requirements.txt"}
    examples = {"input_example.json", "serving_input_example.json"}
    own = {"MLmodel", "artifacts", "code", "registered_model_meta", "served_model.py"}
    assert top == own | environment | examples


def test_the_model_says_its_family_horizon_and_groups(folder):
    about = json.loads((folder / "artifacts/model.json").read_text())
    assert about == {
        "family": "lightgbm",
        "horizon": "started",
        "skip": "brief",
        "groups": [*TRACK_GROUPS],
    }


def test_the_signature_has_the_answers_columns_and_one_param():
    assert [column.name for column in signature().outputs] == names(ANSWER)
    assert [param.name for param in signature().params] == ["score_history"]


def test_the_signature_has_optional_columns_where_a_play_is_not_scored():
    optional = [column.name for column in signature().outputs if not column.required]
    assert optional == ["skip_probability", "skipped", "history_until"]


def test_the_metadata_list_the_inputs_and_which_are_required(folder):
    metadata = mlflow.models.Model.load(folder).metadata
    assert metadata["inputs"] == {column.name: column.type for column in INPUTS}
    assert metadata["required"] == [*REQUIRED]


def test_the_example_is_synthetic():
    assert example()["session_id"].str.startswith("twin-").all()
