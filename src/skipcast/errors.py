"""The one exception for what a user can mend: bad input, a server that is down."""

import re

CREDENTIALS = re.compile(r"(?<=://)[^/\s]*(?=@)")
PASSWORD = re.compile(r"(?<=password=)('(?:[^'\\]|\\.)*'|[^\s&]*)", re.IGNORECASE)


class SkipcastError(Exception):
    """What is wrong and what to do about it, worded for the person at the terminal.

    Its text reads "<thing> must be <rule> but got <value>." and then the remedy. The command line
    prints it without a traceback and exits with 1; the server answers it with HTTP 400.
    """


def hide_credentials(text: str) -> str:
    """Return a text of somebody else's, or an address, without what its addresses have for a login.

    >>> hide_credentials("no answer from https://me:secret@mlflow.example/api")
    'no answer from https://***@mlflow.example/api'
    >>> hide_credentials("connection to host=db password='my secret' failed")
    'connection to host=db password=*** failed'
    """
    return PASSWORD.sub("***", CREDENTIALS.sub("***", text))
