"""What a file is, by how it begins."""

import bz2
import gzip
import io
import lzma
import re
import subprocess
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from skipcast.archive.kinds import START, check_kind, packing
from skipcast.errors import SkipcastError

CSV = b"session_id,session_position\ns,1\n"


def tar(format_: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as archive:
        member = tarfile.TarInfo("log.csv")
        member.size = len(CSV)
        archive.addfile(member, io.BytesIO(CSV))
    return file.getvalue()


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("log.csv", CSV)
    return file.getvalue()


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), file)
    return file.getvalue()


V7 = tar(tarfile.USTAR_FORMAT)  # of old programs: without the word ustar
V7 = V7[:257] + bytes(8) + V7[265:]
V7 = V7[:148] + b"%06o\0 " % (sum(V7[:148]) + 8 * 32 + sum(V7[156:512])) + V7[156:]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (CSV, None), (b"\xef\xbb\xbf" + CSV, None),
        (gzip.compress(CSV), "gzip"), (zipped(), "zip"),
        (tar(), "tar"), (tar(tarfile.GNU_FORMAT), "tar"), (V7, "tar"),
    ],
)  # fmt: skip
def test_what_is_read_is_known_by_its_content(content, expected):
    check_kind("x", content[:START])
    assert packing(content[:START]) == expected


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:1f\nsize 12345\n"
DVC = b"outs:\n- md5: 1f0c\n  size: 3\n  hash: md5\n  path: training_set.tar.gz\n"


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "empty"), (bz2.compress(CSV), "bzip2"), (lzma.compress(CSV), "xz"),
        (b"\x28\xb5\x2f\xfd\x04", "Zstandard"), (b"7z\xbc\xaf\x27\x1c\0\4", "a 7z archive"),
        (b"Rar!\x1a\x07\1\0", "a RAR archive"), (parquet(), "Parquet"),
        (b"<!doctype html><html>", "a web page"), (b"\n <HTML lang='en'>", "a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied", "XML"), (b'{"message": "no"}', "JSON"),
        (b"%PDF-1.7", "a PDF document"), (b"SQLite format 3\0", "an SQLite database"),
        (LFS, "a pointer of Git LFS"), (DVC, "a pointer of DVC"),
        (b"md5: 12\nframe: 3\n" + DVC, "a pointer of DVC"),
        (b"/annex/objects/SHA256E-s1--1f.csv\n", "a pointer of git-annex"),
        (CSV.decode().encode("utf-16"), "text in UTF-16"),
        (CSV.decode().encode("utf-32"), "text in UTF-32"),
        (CSV.decode().encode("utf-16-le"), "text in UTF-16"),
        (CSV.decode().encode("utf-16-be"), "text in UTF-16"), (bytes(600), "binary"),
        (b"\x7fELF\2\1\1\0", "binary"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_named(content, kind):
    match = rf"^x\.tar\.gz must be CSV, as it is or packed as .*, but is {kind}"
    with pytest.raises(SkipcastError, match=match):
        check_kind("x.tar.gz", content[:START])


def test_a_header_of_any_names_is_text():
    for header in (b"outsider,a\n", b"version,b\n", b"rar,c\n", b"a", b"x{,[<\n"):
        check_kind("x.csv", header)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
def test_the_remedy_of_another_encoding_works(tmp_path, encoding):
    (tmp_path / "FILE").write_bytes(CSV.decode().encode(encoding))
    with pytest.raises(SkipcastError) as caught:
        check_kind("FILE", (tmp_path / "FILE").read_bytes()[:START])
    remedy = re.search("`(iconv.*)`", str(caught.value))
    subprocess.run(remedy[1], shell=True, cwd=tmp_path, check=True)
    assert (tmp_path / "FILE").read_bytes() == CSV
