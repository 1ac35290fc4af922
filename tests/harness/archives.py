"""Archives of tests: zip and tar, with files of any names and contents."""

import io
import tarfile
import zipfile
from pathlib import Path


def write_zip(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip archive of some files; return its path."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes], *, compressed: bool = False) -> Path:
    """Write a tar archive of some files; return its path."""
    with tarfile.open(path, "w:gz" if compressed else "w:") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
