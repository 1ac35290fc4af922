"""Score blocks of plays with a model in a process of its own: Arrow streams in and out.

`predict_worker.py URI history summary`, the last two 0 or 1. As in `score.py`, a model must run
with the package that it brings, so nothing of this one is imported here.
"""

import json
import os
import sys

import mlflow
import pyarrow as pa
from mlflow.exceptions import MlflowException

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
    """Answer each batch of standard input with one on standard output."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between the batches
    model = mlflow.pyfunc.load_model(uri, model_config={"max_plays": sys.maxsize})
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
    try:
        main(sys.argv[1], sys.argv[2] == "1", sys.argv[3] == "1")
    except MlflowException as error:
        sys.exit(error.message)
