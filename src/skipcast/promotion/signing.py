"""Signatures of versions by a key of one's own: OpenSSF model-signing, the extra `sign`.

The ledger protects from those who can write files; whoever can write to the database, too, can
change both. They have not the key.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

from skipcast.errors import SkipcastError
from skipcast.mlflow_store.trust import CARD, VERSION

SIGNATURE = "model.sig"  # in the artifacts of the ledger's run
INSTALL = "`python tools/uv.py pip install model-signing pyopenssl`"


def sign(model: Path, signature: Path, key: Path) -> None:
    """Sign the files of a model.

    Args:
        model: its folder.
        signature: file to write.
        key: private key of an elliptic curve, as PEM.

    Raises:
        SkipcastError: the key is none, or the package is not installed.
    """
    _signer(key).set_hashing_config(_hashing(model)).sign(model, signature)


def check_key(key: Path) -> None:
    """Find out before the work that nothing can be signed.

    Raises:
        SkipcastError: as `sign`.
    """
    _signer(key)


def fault(model: Path, signature: Path | None, key: Path) -> str | None:
    """Return what the files of a model must be and are not; None if they are signed.

    Args:
        model: its folder.
        signature: of it; None if it has none.
        key: the private key, which is not read: its public part is beside it, as `KEY.pub`.

    Raises:
        SkipcastError: the public key is none, or the package is not installed.
    """
    public = Path(f"{key}.pub")
    config = _module("verifying").Config()
    try:
        verifier = config.use_elliptic_key_verifier(public_key=public)
    except (OSError, ValueError) as error:
        raise SkipcastError(
            f"{public}, the public part of promote.sign_key, must be a key as PEM but is not: "
            f"{error}. Make it: `openssl ec -in {key} -pubout -out {public}`."
        ) from error
    if signature is None:
        return (
            f"must be signed by the key of {public} but are not; if they are the best model of "
            "data/search.json, `dvc repro --force promote` signs them"
        )
    try:
        verifier.verify(model, signature)
    except Exception as error:  # each part of the package has errors of its own
        return f"must be those that the key of {public} signed but are not ({error})"
    return None


def _hashing(model: Path) -> Any:
    config = _module("hashing").Config()
    return config.set_ignored_paths(
        paths=[model / name for name in (CARD, VERSION)], ignore_git_paths=False
    )


def _signer(key: Path) -> Any:
    config = _module("signing").Config()
    try:
        return config.use_elliptic_key_signer(private_key=key)
    except (OSError, ValueError, TypeError) as error:
        raise SkipcastError(
            f"promote.sign_key must be the private key of an elliptic curve, as PEM and without a "
            f"password, but {key} is not: {error}. Make one: `openssl ecparam -name prime256v1 "
            f"-genkey -noout -out {key}`, and `openssl ec -in {key} -pubout -out {key}.pub`."
        ) from error


def _module(name: str) -> Any:
    try:
        return import_module(f"model_signing.{name}")
    except ImportError as error:
        raise SkipcastError(
            f"promote.sign_key must go with the extra sign but {error.name} is not installed. "
            f"{INSTALL} installs it; or leave the key out."
        ) from error
