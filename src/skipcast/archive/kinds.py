"""What a file is, by how it begins: names and suffixes lie."""

import re
import tarfile
from typing import Literal

from skipcast.errors import SkipcastError

Packing = Literal["gzip", "zip", "tar"]
START = tarfile.BLOCKSIZE  # bytes that tell what a file is
CSV = "CSV, as it is or packed as .gz, .tar, .tar.gz or .zip,"

UNPACKED = "Unpack it and name the file or folder that comes out."
AGAIN = "Get it again; sign in first, if its page asks for that."
CONVERT = "Convert it: `iconv -f {} -t UTF-8 FILE > NEW && mv NEW FILE`."
EXPORT = "Write it as CSV with commas, in UTF-8."
OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\Z", "empty", "Get it again."),
    (rb"BZh", "bzip2", UNPACKED),
    (rb"\xfd7zXZ\0", "xz", UNPACKED),
    (rb"\x28\xb5\x2f\xfd", "Zstandard", UNPACKED),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACKED),
    (rb"Rar!", "a RAR archive", UNPACKED),
    (rb"\x04\x22\x4d\x18", "LZ4", UNPACKED),
    (rb"\x1f[\x9d\xa0]", "packed by `compress`", UNPACKED),
    (rb"PAR1", "Parquet", EXPORT),
    (rb"ARROW1|FEA1", "an Arrow file", EXPORT),
    (rb"SQLite format 3", "an SQLite database", EXPORT),
    (rb"\xd0\xcf\x11\xe0", "an Excel workbook", EXPORT),
    (rb"%PDF", "a PDF document", AGAIN),
    (rb"(\xef\xbb\xbf)?\s*(<!DOCTYPE html|<html|<head|<body|<!--)", "a web page", AGAIN),
    (rb"(\xef\xbb\xbf)?\s*<", "XML, as servers answer errors", AGAIN),
    (rb"(\xef\xbb\xbf)?\s*[\[{]", "JSON", "Get the CSV files instead."),
    (rb"version https://git-lfs", "a pointer of Git LFS", "Get the file: `git lfs pull`."),
    (rb"/annex/objects/", "a pointer of git-annex", "Get the file that it points to."),
    (rb"(\w+:[\s\S]*\n)?outs:\s", "a pointer of DVC",
     "Get the file: `dvc pull FILE.dvc`, and name it without .dvc."),
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "text in UTF-32", CONVERT.format("UTF-32")),
    (rb"\xff\xfe|\xfe\xff|[^\0]\0[^\0]\0|\0[^\0]\0[^\0]", "text in UTF-16",
     CONVERT.format("UTF-16")),
    (rb"[\s\S]*\0", "binary", AGAIN),
)  # fmt: skip


def packing(start: bytes) -> Packing | None:
    """Return how a file is packed, by its first bytes; None if it is not.

    >>> packing(b"PK" + bytes((3, 4))), packing(b"session_id,")
    ('zip', None)
    """
    if start.startswith((b"PK\3\4", b"PK\5\6", b"PK\7\x08")):
        return "zip"
    if start.startswith(b"\x1f\x8b"):
        return "gzip"
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return None
    return "tar"


def check_kind(name: str, start: bytes, wanted: str = CSV) -> None:
    """Check that a file is one that is read.

    Args:
        name: of the file, for messages.
        start: its first bytes, `START` of them.
        wanted: what it must be, for messages.

    Raises:
        SkipcastError: it is empty, or of another kind; the message says of which.

    >>> check_kind("a.zip", b"<html>")
    Traceback (most recent call last):
    skipcast.errors.SkipcastError: a.zip must be CSV, as it is or packed as .gz, .tar, .tar.gz or \
.zip, but is a web page. Get it again; sign in first, if its page asks for that.
    """
    if packing(start):
        return
    for sign, kind, remedy in OTHERS:
        if re.match(sign, start, re.IGNORECASE):
            raise SkipcastError(f"{name} must be {wanted} but is {kind}. {remedy}")
