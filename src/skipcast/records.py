"""Frozen and strict pydantic models, and what is wrong with a file of them in words."""

from pydantic import BaseModel, ConfigDict, ValidationError


class Record(BaseModel):
    """Named values of a file: no unknown key, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def faults(error: ValidationError, *, whole: str) -> str:
    """Return a line for each key that is wrong: where it is, its rule, and the value it has.

    Args:
        error: what pydantic raised.
        whole: name of the file, where it is wrong as a whole.

    >>> try:
    ...     Record.model_validate({"port": 5})
    ... except ValidationError as error:
    ...     print(faults(error, whole="a.json"))
      port: Extra inputs are not permitted, got 5
    """
    return "\n".join(
        f"  {'.'.join(map(str, fault['loc'])) or whole}: {fault['msg']}"
        + ("" if fault["type"] in ("missing", "json_invalid") else f", got {fault['input']!r}")
        for fault in error.errors()
    )
