"""The address of a database server, in any client's spelling, and the place that messages name.

Where an address cannot be understood, any part of it may be the password: no message repeats it.
"""

import os
import re
from pathlib import Path

import psycopg2
from psycopg2.extensions import parse_dsn

from skipcast.database.embedded import SOCKETS
from skipcast.errors import SkipcastError

URL = re.compile(r"(?is)(?:jdbc:)?(?:postgres|postgresql|postgis|pgsql|psql)(?:\+\w+)?://(.*)")
OF_OTHER_POOLS = frozenset(  # Prisma's own, of no meaning where no client pools
    (
        "connection_limit",
        "pgbouncer",
        "pool_timeout",
        "schema",
        "socket_timeout",
        "statement_cache_size",
    )
)
HOST_AND_PORT = re.compile(r"([\w.-]+):(\d+)")  # SQLAlchemy's, of several hosts
NAME = re.compile(r"[A-Za-z_]+")
SPELLING = (
    "DATABASE_URL must read postgresql://user:password@host:port/database but {}. In user and "
    "password, write % as %25, @ as %40, / as %2F, : as %3A, ? as %3F, # as %23, a space as %20."
)
UNREADABLE = SPELLING.format("could not be understood")


def read_address(text: str) -> str:
    """Return an address as libpq takes it; `text` may be SQLAlchemy's, Prisma's or Java's.

    Raises:
        SkipcastError: it cannot be understood.

    >>> read_address("postgresql+psycopg2://me@db/music?schema=public&sslmode=require")
    'postgresql://me@db/music?sslmode=require'
    >>> read_address("host=db dbname=music")
    'host=db dbname=music'
    """
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":  # of a file of variables
        text = text[1:-1]
    found = URL.fullmatch(text)
    address = _read_url(found.group(1)) if found else text
    _check(_parse(address))
    return address


def _read_url(text: str) -> str:
    """Return a URL, of which `text` is what follows the scheme, with what libpq knows of it.

    A second @ is that of a password: libpq would take what is between the two for the host.
    """
    place, _, query = text.partition("?")
    authority, _, path = place.partition("/")
    if authority.count("@") > 1 or "@" in path:
        raise SkipcastError(UNREADABLE)
    options = [option for option in query.split("&") if option]
    known = [option for option in options if option.partition("=")[0] not in OF_OTHER_POOLS]
    for option in known:
        _check_known(option, query)
    known = _several_hosts(known)
    return f"postgresql://{place}" + ("?" + "&".join(known) if known else "")


def _check_known(option: str, query: str) -> None:
    try:
        parse_dsn(f"postgresql:///?{option}")
    except (psycopg2.Error, ValueError):
        name = option.partition("=")[0]
        if not NAME.fullmatch(name) or "@" in query:  # it may be of the password
            raise SkipcastError(UNREADABLE) from None
        raise SkipcastError(
            f"DATABASE_URL must have options that libpq knows but got {name}. Remove it, or write "
            "it as libpq does (sslmode=require, for example)."
        ) from None


def _several_hosts(options: list[str]) -> list[str]:
    """Write `host=a:1&host=b:2`, as SQLAlchemy has it, as libpq's `host=a,b&port=1,2`."""
    hosts = [option[len("host=") :] for option in options if option.startswith("host=")]
    matches = [HOST_AND_PORT.fullmatch(host) for host in hosts]
    if len(hosts) < 2 and not any(matches):
        return options
    names = [found.group(1) if found else host for found, host in zip(matches, hosts, strict=True)]
    others = [option for option in options if not option.startswith("host=")]
    others.append("host=" + ",".join(names))
    if any(matches):
        others.append("port=" + ",".join(found.group(2) if found else "" for found in matches))
    return others


def _parse(address: str) -> dict[str, str]:
    try:
        return parse_dsn(address)
    except (psycopg2.Error, ValueError):  # its text repeats the address, and so the password
        raise SkipcastError(UNREADABLE) from None


def _check(parts: dict[str, str]) -> None:
    """Check what libpq takes as it is: if it was cut at a wrong place, it holds the password."""
    numbers = (number for number in parts.get("port", "").split(",") if number)
    if not all(number.isascii() and number.isdigit() for number in numbers):
        raise SkipcastError(UNREADABLE)
    if "@" in parts.get("host", "").lstrip("@"):  # at its begin: a socket without a file
        raise SkipcastError(UNREADABLE)


def parts_of(address: str) -> dict[str, str]:
    """Return the parts of an address by libpq's names.

    Raises:
        SkipcastError: it cannot be understood.
    """
    return _parse(read_address(address))


def describe_server(address: str | None) -> str:
    """Return `host:port/database` of a server, or `embedded`; never its user or password.

    Args:
        address: of the server; None stands for the embedded one.

    Raises:
        SkipcastError: the address cannot be read.

    >>> describe_server("postgresql://me:secret@db.example:5433/music"), describe_server(None)
    ('db.example:5433/music', 'embedded')
    >>> describe_server("postgresql://me@a:1,b:2/music"), describe_server("host=/run/pg dbname=m")
    ('a:1,b:2/music', '/run/pg:5432/m')
    """
    if not address:
        return "embedded"
    parts = parts_of(address)
    host = parts.get("host") or parts.get("hostaddr")
    service = parts.get("service") or os.environ.get("PGSERVICE")
    if not host and service:
        return f"service {service}"
    host = host or os.environ.get("PGHOST") or os.environ.get("PGHOSTADDR") or "localhost"
    if Path(host).name.startswith(SOCKETS):
        return "embedded"
    database = parts.get("dbname") or os.environ.get("PGDATABASE")
    ports = parts.get("port") or os.environ.get("PGPORT") or "5432"
    return _places(host, ports) + (f"/{database}" if database else "")


def _places(host: str, port: str) -> str:
    hosts, ports = host.split(","), port.split(",")
    if len(ports) < len(hosts):
        ports = ports * len(hosts)
    return ",".join(
        f"{f'[{name}]' if ':' in name else name}:{number or '5432'}"
        for name, number in zip(hosts, ports, strict=False)
    )
