"""Signed versions, by the real package: it is an extra, and comes into a folder of these tests."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness.servers import ROOT

from skipcast.errors import SkipcastError
from skipcast.mlflow_store.trust import TAG
from skipcast.promotion import signing
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry

pytestmark = pytest.mark.system  # it installs packages


def typed(text):
    """Return the commands between backquotes, as a shell would run them."""
    return re.findall(r"`([^`]+)`", text)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Install what the message says, beside the packages of this Python."""
    with pytest.raises(
        SkipcastError, match="extra sign but model_signing is not installed"
    ) as told:
        signing.check_key(Path("key.pem"))
    words = typed(str(told.value))[0].split()
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, *words[1:], "--target", folder, "-c", "requirements.txt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"The package index has no model-signing: {done.stderr[-300:]}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(folder)])
        yield
    for name in [name for name in sys.modules if name.startswith("model_signing")]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def key(package, tmp_path_factory):
    """Make a key as the message says."""
    file = tmp_path_factory.mktemp("key") / "key.pem"
    with pytest.raises(SkipcastError, match="must be the private key of an elliptic curve") as told:
        signing.check_key(file)
    for command in typed(str(told.value)):
        subprocess.run(command.split(), check=True, capture_output=True)
    return file


@pytest.fixture
def versions(tracking, tmp_path, request):
    """Return a registry of two versions, of which there are few files."""
    made = Registry(f"signed-{request.node.name}")
    made.client.create_registered_model(made.name)
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "MLmodel").write_text("flavors: {python_function: {}}")
        made.client.create_model_version(made.name, str(tmp_path / str(number)))
    return made


def test_a_signed_champion_is_served_where_the_public_key_is(versions, key, tmp_path):
    Registry(versions.name, key).carry_out(Entry("promoted", 1, None, "the first"))
    public = tmp_path / "key.pem"  # the private part is not there
    shutil.copy(f"{key}.pub", f"{public}.pub")
    assert Registry(versions.name, public).require_champion() == 1


def test_who_changes_files_and_ledger_has_not_the_key(versions, key, tmp_path):
    Registry(versions.name, key).carry_out(Entry("promoted", 1, None, "the first"))
    (tmp_path / "1" / "MLmodel").write_text("flavors: {python_function: {}} # evil")
    run_id = versions.client.get_model_version(versions.name, "1").tags[TAG]
    versions.client.delete_model_version_tag(versions.name, "1", TAG)
    versions.carry_out(Entry("kept", 1, 1, "as if nothing was"))
    made = versions.client.get_model_version(versions.name, "1").tags[TAG]
    old = versions.client.download_artifacts(run_id, signing.SIGNATURE, str(tmp_path))
    versions.client.log_artifact(made, old)
    assert versions.require_champion() == 1  # the ledger alone does not tell
    with pytest.raises(SkipcastError, match=r"must be those that the key .* signed but are not"):
        Registry(versions.name, key).require_champion()


def test_another_key_is_not_ours(versions, key, tmp_path):
    other = tmp_path / "other.pem"
    make = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", other]
    subprocess.run(make, check=True, capture_output=True)
    Registry(versions.name, other).carry_out(Entry("promoted", 1, None, "by another"))
    with pytest.raises(SkipcastError, match=r"must be those that the key of .*key.pem.pub signed"):
        Registry(versions.name, key).require_champion()


def test_a_version_without_signature_is_not_served_until_a_decision_signs_it(versions, key):
    versions.carry_out(Entry("promoted", 1, None, "the first"))
    versions.carry_out(Entry("promoted", 2, 1, "better"))
    ours = Registry(versions.name, key)
    with pytest.raises(SkipcastError, match=r"must be signed by .*--force promote` signs them"):
        ours.require_champion()
    assert ours.roll_back().version == 1
    assert ours.require_champion() == 1


def test_a_public_key_that_is_not_there_is_made_as_the_message_says(versions, key, tmp_path):
    copy = shutil.copy(key, tmp_path / "copy.pem")
    ours = Registry(versions.name, Path(copy))
    ours.carry_out(Entry("promoted", 1, None, "the first"))
    with pytest.raises(SkipcastError, match=r"the public part of promote\.sign_key") as told:
        ours.require_champion()
    subprocess.run(typed(str(told.value))[0].split(), check=True, capture_output=True)
    assert ours.require_champion() == 1
