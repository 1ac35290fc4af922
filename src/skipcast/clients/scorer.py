"""The program of `ModelProcess`: a model answers what comes by standard input on standard output.

A model must run with the package that it brings. In a process that has imported this one, MLflow
would use this one's features instead, and an old champion would be judged by new code. So nothing
of this package is imported here.

`scorer.py OPTIONS` takes a JSON object:

- `model`: MLflow's name of the model.
- `copies`: a folder for a copy of it, the same for all processes of a command.
- `task`: `score`: a stream of Arrow batches of plays in, a stream of Arrow batches of answers out;
  or `explain`: a line of JSON (`columns`, `data`) in, a line of the same or a `message` out, after
  one with the `note` once the model is loaded.
- of `score`: `answer`, the Arrow types of the answer's columns by name; `history`, whether plays
  that have ended are scored; `summary`, whether the batches' metadata hold their summaries. The
  first batch's hold the `note`, too: what to tell the user of the model.

It exits with `CHANGED` where the model's files are not those that were registered.
"""

import gc
import importlib.util
import json
import os
import re
import sys
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

Options = dict[str, Any]
CHANGED = 3
TRUST = Path(__file__).parents[1] / "mlflow_store/trust.py"


def main(options: Options) -> None:
    """Load the model and answer until standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    gc.disable()  # nothing that is imported becomes garbage
    from mlflow.exceptions import MlflowException  # only now: it is half of what is imported

    trust = load_file(TRUST)
    try:
        folder, note = trust.fetch(options["model"], Path(options["copies"]))
        model = load(folder)
        gc.freeze()
        gc.enable()
        (score if options["task"] == "score" else explain)(model, options | {"note": note}, out)
    except trust.ChangedError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(CHANGED)
    except MlflowException as error:
        sys.exit(error.message)


def load_file(path: Path) -> Any:
    """Import a module of ours that imports nothing of ours, without the package that it is in."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load(folder: Path) -> Any:
    """Load a model as fast as its requirements allow."""
    from mlflow.pyfunc import load_model

    requirements = Path(folder, "requirements.txt").read_text(encoding="utf-8")
    if not re.search(r"^scikit-learn\b", requirements, re.MULTILINE):
        # LightGBM and XGBoost import scikit-learn where there is one, for classes that a model
        # without this requirement does not use. It would take a third of the time.
        sys.modules["sklearn"] = None  # type: ignore[assignment]  # Python's way to say: not there
    # A difference between versions, which takes long to find, would be told to nobody.
    return load_model(str(folder), suppress_warnings=True, model_config={"max_plays": sys.maxsize})


def score(model: Any, options: Options, out: IO[bytes]) -> None:
    """Answer each Arrow batch of plays with one of probabilities.

    A column that is newer than the model is null.
    """
    params = {"score_history": options["history"]}
    types = options["answer"].items()
    schema = pa.schema([(name, pa.type_for_alias(alias)) for name, alias in types])
    with pa.ipc.new_stream(out, schema) as writer, pa.ipc.open_stream(sys.stdin.buffer) as reader:
        for batch in reader:
            plays = frame_of(batch)
            answer = model.predict(plays, params=params)
            answer = answer.assign(**dict.fromkeys(set(schema.names).difference(answer)))
            unwrapped = model.unwrap_python_model()
            summary = unwrapped.summarise(plays, answer) if options["summary"] else None
            metadata = {"summary": json.dumps(summary), "note": options.pop("note", None) or ""}
            writer.write_batch(batch_of(answer, batch, schema), custom_metadata=metadata)
            out.flush()


def frame_of(batch: pa.RecordBatch) -> Any:
    """Return a batch for pandas; flags are 0 and 1, as with nulls each would be an object."""
    for place, field in enumerate(batch.schema):
        if pa.types.is_boolean(field.type):
            batch = batch.set_column(place, field.name, batch[place].cast(pa.float64()))
    return batch.to_pandas()


def batch_of(answer: Any, plays: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return an answer for Arrow; what it repeats of the plays need not be made again."""
    columns = [
        plays[field.name]
        if field.name in plays.schema.names
        else pa.array(answer[field.name], field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def explain(model: Any, options: Options, out: IO[bytes]) -> None:
    """Answer each line of plays with one of contributions; a request may be refused."""
    import pandas as pd
    from mlflow.exceptions import MlflowException

    out.write(json.dumps({"note": options["note"]}).encode() + b"\n")
    out.flush()
    for line in sys.stdin.buffer:
        try:
            contributions = model.unwrap_python_model().explain(pd.DataFrame(**json.loads(line)))
            table = contributions.to_dict("split", index=False)
        except MlflowException as error:
            table = {"message": error.message}
        out.write(json.dumps(table).encode() + b"\n")
        out.flush()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
