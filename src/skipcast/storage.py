"""Files at addresses such as s3://bucket/folder, which fsspec opens, used as those of pathlib are.

What is at an address is a path of universal_pathlib. Of what pathlib has, it lacks what only a
disk can do, such as `os.fspath`; that is done here.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from skipcast.errors import SkipcastError, hide_credentials

# A server that does not answer is told within a minute: s3fs itself tries five times.
S3 = {
    "config_kwargs": {"connect_timeout": 5, "read_timeout": 10, "retries": {"max_attempts": 0}},
}
OPTIONS: dict[str, dict[str, Any]] = {"s3": S3, "s3a": S3}
LIBRARIES = {"aiobotocore", "aiohttp", "adlfs", "azure", "botocore", "gcsfs", "google", "s3fs"}


def locate(text: str) -> Path:
    """Return where a path or an address leads; variables of the environment are replaced in one.

    Raises:
        SkipcastError: it is an address of a kind that cannot be opened here.

    >>> locate("data/plays").name
    'plays'
    """
    if "://" not in text:
        return Path(text)
    address = os.path.expandvars(text)
    try:
        from upath import UPath

        options = OPTIONS.get(address.split("://")[0], {})
        place = UPath(address, use_listings_cache=False, **options)
        assert place.fs  # imports what the kind of address needs
    except (ImportError, ValueError) as error:
        raise SkipcastError(
            f"{_name(text)} must be a path, or an address that fsspec opens, but is not: {error}. "
            "`pip install 'skipcast[cluster]'` installs what s3:// needs; correct it otherwise."
        ) from error
    return place if isinstance(place, Path) else cast(Path, place)


def is_remote(path: Path) -> bool:
    """Tell whether a path is an address."""
    return not isinstance(path, Path)


def check(path: Path) -> None:
    """See that something is at an address; what is here is not looked at.

    Raises:
        SkipcastError: nothing is, or it may not be read, or its server does not answer.
    """
    if is_remote(path):
        with reachable(path):
            _files(path).info(_place(path))


def check_root(path: Path) -> None:
    """See that there is the bucket, or what else an address begins with, to write in.

    Raises:
        SkipcastError: there is none, or its server does not answer.
    """
    if is_remote(path):
        root = _place(path).split("/")[0]
        with reachable(path):
            try:
                _files(path).info(root)
            except PermissionError:  # one may have to write what one may not list
                return


@contextmanager
def reachable(path: Path | str) -> Iterator[None]:
    """Raise what the libraries of storages raise as an error that a user can mend.

    Errors of disks stay what they are.
    """
    try:
        yield
    except Exception as error:
        is_theirs = type(error).__module__.split(".")[0] in LIBRARIES
        is_plain = isinstance(error, OSError) and error.filename is None and "://" in str(path)
        if not (is_theirs or is_plain):
            raise
        raise SkipcastError(
            f"{_name(path)} must be reachable but is not: {hide_credentials(str(error))}. Correct "
            "the address, or what its storage reads from the environment (for s3://, "
            "AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)."
        ) from error


def find(folder: Path) -> Iterator[Path]:
    """Yield the files below an address."""
    with reachable(folder):
        found = _files(folder).find(_place(folder))
    for place in found:
        yield folder / place.removeprefix(_place(folder)).strip("/")


def version(path: Path) -> str:
    """Return what tells whether the file at an address was changed."""
    with reachable(path):
        return str(_files(path).ukey(_place(path)))


def upload(source: Path, target: Path) -> None:
    """Put a file at an address, where it is whole or not there."""
    with reachable(target):
        _files(target).put_file(str(source), _place(target))


def _name(path: Path | str) -> str:
    return hide_credentials(str(path))


def _files(path: Path) -> Any:
    return cast(Any, path).fs


def _place(path: Path) -> str:
    return str(cast(Any, path).path)
