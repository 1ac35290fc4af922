"""Whether a text is anywhere in files: in their bytes, their names, and what is packed in them."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from skipcast.archive.kinds import packing


def holders(folder: Path, text: str) -> set[str]:
    """Return the files of a folder that hold a text, by their paths in it."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return {
        path.relative_to(folder).as_posix()
        for path in files
        if text in str(path.relative_to(folder))
        or any(text.encode() in content for content in contents(path.read_bytes()))
    }


def contents(content: bytes) -> Iterator[bytes]:
    """Yield the bytes of a file, and those in it: of a zip, of gzip, and the values of Parquet."""
    yield content
    kind = packing(content[:512])
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from contents(archive.read(name))
    elif kind == "gzip":
        yield from contents(gzip.decompress(content))
    elif content.startswith(b"PAR1"):
        table = pq.read_table(io.BytesIO(content))
        yield str(table.schema.to_string(show_schema_metadata=True)).encode()
        yield table.to_pandas().to_csv().encode()
