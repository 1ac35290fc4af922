"""What is said of libraries that a machine lacks; tests/system/test_setup.py hides a real one."""

import subprocess
from shutil import which

import pytest
from harness.setups import load_tool


@pytest.fixture
def libraries():
    return load_tool("libraries")


DEBIAN, UBUNTU = "ID=debian\n", "NAME=U\nID=ubuntu\nID_LIKE=debian\n"
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\n'
GLIBC = "OSError: {}: cannot open shared object file: No such file or directory"
MUSL = "Error loading shared library {}: No such file or directory (needed by x.so)"
MACOS = "dlopen(x.so, 0x6): Library not loaded: @rpath/{}\n  Referenced from: <1> x.so\n  Reason: y"


@pytest.mark.parametrize(
    ("release", "words", "library", "remedy"),
    [
        (DEBIAN, GLIBC, "libgomp.so.1", "Type: apt-get install libgomp1"),
        (UBUNTU, GLIBC, "libgomp.so.1", "Type: apt-get install libgomp1"),
        (UBUNTU, GLIBC, "libstdc++.so.6", "Type: apt-get install libstdc++6"),
        ("ID=fedora\n", GLIBC, "libgomp.so.1", "Type: dnf install libgomp"),
        (ROCKY, GLIBC, "libz.so.1", "Type: dnf install zlib"),
        ("ID=arch\n", GLIBC, "libgomp.so.1", "Type: pacman -S libgomp"),
        ("ID=alpine\n", MUSL, "libgomp.so.1", "Type: apk add libgomp"),
        ('ID="opensuse-leap"\n', GLIBC, "libgomp.so.1", "Type: zypper install libgomp1"),
        (None, MACOS, "libomp.dylib", "Type: brew install libomp"),
        (UBUNTU, GLIBC, "libicuuc.so.70", "apt-file search libicuuc.so.70"),
        ("ID=void\n", GLIBC, "libgomp.so.1", "Install the package libgomp"),
        ("ID=void\n", GLIBC, "libx.so.1", "Install the package that has it"),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_package(
    libraries, tmp_path, monkeypatch, release, words, library, remedy
):
    if release is None:
        monkeypatch.setattr(libraries.platform, "system", lambda: "Darwin")
    (tmp_path / "os-release").write_text(release or "")
    distribution = libraries.find_distribution(tmp_path / "os-release")
    text = libraries.describe("lightgbm", words.format(library), distribution)
    assert text.startswith(f"lightgbm must find the library {library} but does not. ")
    assert text.endswith(remedy)


@pytest.mark.skipif(which("dpkg") is None, reason="no Debian, whose packages can be asked")
@pytest.mark.parametrize(
    "library", ["libgomp.so.1", "libstdc++.so.6", "libgcc_s.so.1", "libz.so.1"]
)
def test_the_package_that_is_named_has_the_library(libraries, library):
    package = libraries.describe("x", GLIBC.format(library), "debian").split()[-1]
    command = ["dpkg", "--search", f"*/{library}"]
    owners = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    if not owners:
        pytest.skip(f"no package that is installed has {library}")
    assert package in {line.partition(":")[0] for line in owners.splitlines()}


def test_every_module_that_does_not_run_is_found(libraries, tmp_path, monkeypatch):
    words = GLIBC.format("libgomp.so.1").removeprefix("OSError: ")
    for name, code in {
        "boosts": f"raise OSError({words!r})",
        "runs": "",
        "dies": "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
        "has_no_part": "import not_there",
    }.items():
        (tmp_path / f"{name}.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    failed = dict(libraries.imports(["boosts", "runs", "dies", "has_no_part"]))
    assert [*failed] == ["boosts", "dies", "has_no_part"]
    assert failed["boosts"].endswith(words)
    assert libraries.describe("dies", failed["dies"], None) == (
        "dies must run here but does not: it was killed by SIGILL. docs/python.md tells what it "
        "needs."
    )
