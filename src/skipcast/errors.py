"""The one exception for what a user can mend: bad input, a server that is down."""


class SkipcastError(Exception):
    """What is wrong and what to do about it, worded for the person at the terminal.

    Its text reads "<thing> must be <rule> but got <value>." and then the remedy. The command line
    prints it without a traceback and exits with 1; the server answers it with HTTP 400.
    """
