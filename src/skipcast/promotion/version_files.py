"""The files of registered versions: whether they are there, and still what they were."""

import tempfile
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Param

from skipcast.errors import SkipcastError, hide_credentials
from skipcast.mlflow_store.client import check_in_reach, store_errors
from skipcast.mlflow_store.files import missing_of_model
from skipcast.mlflow_store.trust import (
    TAG,
    ChangedError,
    difference,
    download,
    fetch,
    hashes,
    recorded,
)
from skipcast.promotion import signing

BATCH = 100  # params that MLflow takes at once


class VersionFiles:
    """The files of the versions of one registered model."""

    def __init__(self, model: str, client: MlflowClient, key: Path | None = None) -> None:
        """Tell of the versions of `model`, which are to be signed by `key` if there is one."""
        self._model = model
        self._client = client
        self._key = key

    def of(self, version: int) -> str:
        """Return what messages call the files of a version."""
        store = hide_credentials(mlflow.get_registry_uri() or "")
        return f"The files of version {version} of {self._model} in the MLflow store {store}"

    def take(self, version: int, folder: Path, *, to_sign: bool = False) -> tuple[Path, str | None]:
        """Copy the files of a version into `folder`, which is of this user alone; verify the copy.

        Args:
            version: of the model.
            folder: for the copy.
            to_sign: it may have no signature yet.

        Returns:
            Where the copy is, and what to tell the user of it.

        Raises:
            ChangedError: files are gone, or others than they were.
            SkipcastError: the store does not answer, or keeps its files out of reach.
        """
        what = f"give the files of version {version} of {self._model}"
        with store_errors(what):
            place = self._client.get_model_version_download_uri(self._model, str(version))
        check_in_reach(f"version {version} of {self._model}", place)
        with store_errors(what):
            if gone := missing_of_model(place):
                raise ChangedError(f"must be there but {gone}", str(version), self._model)
            copy, note = fetch(f"models:/{self._model}/{version}", folder)
            signature = None if self._key is None else self._signature(version, folder)
        if self._key is not None and not (signature is None and to_sign):
            fault = signing.fault(copy, signature, self._key)
            if fault is not None:
                raise ChangedError(fault, str(version), self._model)
        return copy, note

    def check_key(self) -> None:
        """Find out before the work that versions cannot be signed.

        Raises:
            SkipcastError: they cannot.
        """
        if self._key is not None:
            signing.check_key(self._key)

    def _signature(self, version: int, folder: Path) -> Path | None:
        """Copy the signature of a version into `folder`; return where it is, None without one."""
        run_id = self._client.get_model_version(self._model, str(version)).tags.get(TAG)
        listed = self._client.list_artifacts(run_id) if run_id else []
        if not any(file.path == signing.SIGNATURE for file in listed):
            return None
        place = f"runs:/{run_id}/{signing.SIGNATURE}"
        return Path(mlflow.artifacts.download_artifacts(place, dst_path=str(folder)))

    def fault(self, version: int) -> str | None:
        """Return what the files of a version must be and are not; None if nothing is wrong.

        They may have no signature yet: a decision on the version will sign them.

        Raises:
            SkipcastError: as `take`.
        """
        with tempfile.TemporaryDirectory(prefix="skipcast.") as folder:
            try:
                self.take(version, Path(folder), to_sign=True)
            except ChangedError as error:
                return error.fault
        return None

    def record(self, version: int, run_id: str) -> None:
        """Write what the files of a version are into a run of the ledger.

        Raises:
            SkipcastError: they have changed since they were registered.
        """
        with tempfile.TemporaryDirectory(prefix="skipcast.") as name:
            folder = Path(name)
            copy = self._copy(version, folder)
            found = hashes(copy)
            self._check_same(version, found)
            if self._key is not None:
                signing.sign(copy, folder / signing.SIGNATURE, self._key)
                self._client.log_artifact(run_id, str(folder / signing.SIGNATURE))
        params = [Param(name, digest) for name, digest in found.items()]
        for i in range(0, len(params), BATCH):
            self._client.log_batch(run_id, params=params[i : i + BATCH])
        self._client.set_model_version_tag(self._model, str(version), TAG, run_id)

    def _copy(self, version: int, folder: Path) -> Path:
        (folder / "copy").mkdir()
        return download(f"models:/{self._model}/{version}", folder / "copy")

    def _check_same(self, version: int, found: dict[str, str]) -> None:
        before = recorded(self._client, self._model, str(version))
        if before is not None and (fault := difference(before, found)):
            raise SkipcastError(
                f"{self.of(version)} must be as the ledger has them but {fault} meanwhile. Bring "
                "them back from a backup, then type the command again."
            )
