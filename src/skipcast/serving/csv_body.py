"""A request's CSV, read as `skipcast predict` and `fetch` read theirs.

MLflow has pandas guess the type of each column from its values: an id that is a number would be
none, and a column of flags with two spellings would be texts.
"""

import io
from typing import Any

import pandas as pd
import pyarrow as pa
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from skipcast.errors import SkipcastError
from skipcast.reading.csv_text import read_batches, read_header
from skipcast.reading.headers import check_names
from skipcast.schema import INPUTS

NAME = "The CSV"  # in messages


def parse_csv(
    csv_input: io.StringIO,
    schema: Any = None,  # noqa: ARG001 (the signature is MLflow's)
) -> pd.DataFrame:
    r"""Return the rows of CSV text, in place of MLflow's `parse_csv_input`.

    Raises:
        MlflowException: the text is no CSV, or breaks a rule.

    >>> text = "session_id,session_position,track_id_clean,premium\n7,1.0,a,TRUE"
    >>> parse_csv(io.StringIO(text)).to_dict("records")
    [{'session_id': '7', 'session_position': 1, 'track_id_clean': 'a', 'premium': True}]
    """
    stream = io.BytesIO(csv_input.getvalue().encode())
    try:
        header = read_header(NAME, stream)
        check_names(header)
        columns = tuple(column for column in INPUTS if column.name in header)
        tables = [*read_batches(NAME, stream, columns, header, file="")]
    except SkipcastError as error:
        raise MlflowException(str(error), error_code=INVALID_PARAMETER_VALUE) from error
    return pa.concat_tables(tables).to_pandas() if tables else pd.DataFrame(columns=header)
