"""Score blocks of plays with a model in a process of its own: Arrow streams in and out.

`predict_worker.py URI history summary`, the last two 0 or 1. As in `score.py`, a model must run
with the package that it brings, so nothing of this one is imported here.
"""

import gc
import json
import os
import sys
from typing import IO, Any

import pyarrow as pa

ANSWER = pa.schema(
    [
        ("session_id", pa.string()),
        ("session_position", pa.int64()),
        ("track_id_clean", pa.string()),
        ("skip_probability", pa.float64()),
        ("skipped", pa.bool_()),
        ("track_known", pa.bool_()),
    ]
)


def main(uri: str, history: bool, summary: bool) -> None:
    """Load a model and answer each batch of standard input with one on standard output."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the batches
    hasten_imports()
    from mlflow.exceptions import MlflowException  # not above: the parent, which takes ANSWER from
    from mlflow.pyfunc import load_model  # here, needs no MLflow

    try:
        # Whether versions are as they were, which takes long to tell, would be told to nobody.
        config = {"max_plays": sys.maxsize}
        model = load_model(uri, suppress_warnings=True, model_config=config)
        score(model, out, history, summary)
    except MlflowException as error:
        sys.exit(error.message)


def hasten_imports() -> None:
    """Make loading a model take two thirds of its time: half of the work for a small file.

    LightGBM and XGBoost import scikit-learn where there is one, for classes that no model here
    uses: none lists it among its requirements. And what is imported stays: no garbage to look for.
    """
    sys.modules["sklearn"] = None  # type: ignore[assignment]  # Python's way to say: not there
    gc.disable()


def score(model: Any, out: IO[bytes], history: bool, summary: bool) -> None:
    """Answer each batch of standard input with one on `out`."""
    gc.freeze()
    gc.enable()
    params = {"score_history": history}
    with pa.ipc.new_stream(out, ANSWER) as writer, pa.ipc.open_stream(sys.stdin.buffer) as reader:
        for batch in reader:
            plays = batch.to_pandas()
            answer = model.predict(plays, params=params)
            told = model.unwrap_python_model().summarise(plays, answer) if summary else {}
            table = pa.RecordBatch.from_pandas(answer, ANSWER, preserve_index=False)
            writer.write_batch(table, custom_metadata={"summary": json.dumps(told)})
            out.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] == "1", sys.argv[3] == "1")
