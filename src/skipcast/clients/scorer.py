"""The program of `ModelProcess`: a model answers what comes by standard input on standard output.

A model must run with the package that it brings. In a process that has imported this one, MLflow
would use this one's features instead, and an old champion would be judged by new code. So nothing
of this package is imported here.

`scorer.py OPTIONS` takes a JSON object:

- `model`: MLflow's name of the model.
- `task`: `score`: a stream of Arrow batches of plays in, a stream of Arrow batches of answers out;
  or `explain`: a line of JSON (`columns`, `data`) in, a line of the same or a `message` out, after
  an empty object once the model is loaded.
- of `score`: `answer`, the Arrow types of the answer's columns by name; `history`, whether plays
  that have ended are scored; `summary`, whether the batches' metadata hold their summaries.
"""

import gc
import json
import os
import re
import sys
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

Options = dict[str, Any]


def main(options: Options) -> None:
    """Load the model and answer until standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the answers
    gc.disable()  # nothing that is imported becomes garbage
    from mlflow.exceptions import MlflowException  # only now: it is half of what is imported

    try:
        model = load(options["model"])
        gc.freeze()
        gc.enable()
        (score if options["task"] == "score" else explain)(model, options, out)
    except MlflowException as error:
        sys.exit(error.message)


def load(uri: str) -> Any:
    """Load a model as fast as its requirements allow."""
    from mlflow.artifacts import download_artifacts
    from mlflow.pyfunc import load_model

    folder = download_artifacts(artifact_uri=uri)
    requirements = Path(folder, "requirements.txt").read_text(encoding="utf-8")
    if not re.search(r"^scikit-learn\b", requirements, re.MULTILINE):
        # LightGBM and XGBoost import scikit-learn where there is one, for classes that a model
        # without this requirement does not use. It would take a third of the time.
        sys.modules["sklearn"] = None  # type: ignore[assignment]  # Python's way to say: not there
    # A difference between versions, which takes long to find, would be told to nobody.
    return load_model(folder, suppress_warnings=True, model_config={"max_plays": sys.maxsize})


def score(model: Any, options: Options, out: IO[bytes]) -> None:
    """Answer each Arrow batch of plays with one of probabilities.

    A column that is newer than the model is null.
    """
    params = {"score_history": options["history"]}
    types = options["answer"].items()
    schema = pa.schema([(name, pa.type_for_alias(alias)) for name, alias in types])
    with pa.ipc.new_stream(out, schema) as writer, pa.ipc.open_stream(sys.stdin.buffer) as reader:
        for batch in reader:
            plays = batch.to_pandas()
            answer = model.predict(plays, params=params)
            answer = answer.assign(**dict.fromkeys(set(schema.names).difference(answer)))
            unwrapped = model.unwrap_python_model()
            summary = unwrapped.summarise(plays, answer) if options["summary"] else None
            table = pa.RecordBatch.from_pandas(answer, schema, preserve_index=False)
            writer.write_batch(table, custom_metadata={"summary": json.dumps(summary)})
            out.flush()


def explain(model: Any, _: Options, out: IO[bytes]) -> None:
    """Answer each line of plays with one of contributions; a request may be refused."""
    import pandas as pd
    from mlflow.exceptions import MlflowException

    out.write(b"{}\n")  # the model is loaded
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
