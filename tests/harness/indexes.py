"""A company's package index, on this machine: with a password, over TLS, behind a proxy."""

import base64
import inspect
import ssl
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from threading import Thread
from typing import Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SECRET = "sekret"
HOST = "localhost"  # a name: pip 24.2, which Python 3.13 brings, trusts no address


def write_wheel(
    folder: str | Path,
    name: str,
    version: str,
    files: Mapping[str, bytes],
    tag: str = "py3-none-any",
) -> str:
    """Write a wheel with some files; return its name."""
    info = f"{name}-{version}.dist-info"
    files = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    wheel = f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(Path(folder) / wheel, "w") as archive:
        for path, content in {**files, f"{info}/RECORD": record.encode()}.items():
            member = zipfile.ZipInfo(path)
            member.external_attr = 0o100755 << 16
            archive.writestr(member, content)
    return wheel


# A package that the made-up project requires, to be built and to run.
BACKEND = f"""import zipfile
from collections.abc import Mapping
from pathlib import Path
{inspect.getsource(write_wheel)}
def build_editable(folder, *settings):
    return write_wheel(folder, "project", "1.0", {{"project.py": b""}})
"""


def write_wheels(folder: Path) -> None:
    """Write the wheels of `tiny_backend` and of the uv that runs here."""
    write_wheel(folder, "tiny_backend", "1.0", {"tiny_backend.py": BACKEND.encode()})
    uv = distribution("uv")
    tag = next(line for line in str(uv.read_text("WHEEL")).splitlines() if line.startswith("Tag: "))
    program = Path(sys.executable).with_name("uv").read_bytes()
    files = {f"uv-{uv.version}.data/scripts/uv": program}
    write_wheel(folder, "uv", uv.version, files, tag.removeprefix("Tag: "))


class Handler(BaseHTTPRequestHandler):
    """Serves the wheels of a folder to who has the password; as a proxy, those of any host."""

    folder: Path
    asked: list[tuple[str, str]]
    asks: Literal["Authorization", "Proxy-Authorization"]

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer with the links to a package's wheels, or with a wheel."""
        path = urlsplit(self.path).path
        self.asked.append((self.headers["User-Agent"].partition("/")[0], path))
        password = base64.b64encode(f"user:{SECRET}".encode()).decode()
        if self.headers[self.asks] != f"Basic {password}":
            return self.answer(401 if self.asks == "Authorization" else 407, b"")
        _, kind, name, *_ = path.split("/")
        if kind == "files":
            return self.answer(200, (self.folder / name).read_bytes())
        wheels = self.folder.glob(f"{name.replace('-', '_')}-*.whl")
        links = "".join(f'<a href="/files/{wheel.name}">{wheel.name}</a>' for wheel in wheels)
        return self.answer(200 if links else 404, f"<!DOCTYPE html>{links}".encode())

    def answer(self, status: int, body: bytes) -> None:
        """Send an answer."""
        self.send_response(status)
        prefix = "Proxy" if self.asks == "Proxy-Authorization" else "WWW"
        self.send_header(f"{prefix}-Authenticate", "Basic")
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@dataclass(frozen=True)
class Index:
    """A running index."""

    port: int
    asked: list[tuple[str, str]]  # which client, for which path

    def url(self, user: str = f"user:{SECRET}", scheme: str = "http") -> str:
        """Return the address as a user writes it."""
        return f"{scheme}://{user}{'@' if user else ''}{HOST}:{self.port}/simple"


@contextmanager
def running_index(
    wheels: Path,
    *,
    asks: Literal["Authorization", "Proxy-Authorization"] = "Authorization",
    certificate: Path | None = None,
) -> Iterator[Index]:
    """Run an index for the wheels of a folder; with a certificate it speaks TLS."""
    asked: list[tuple[str, str]] = []
    handler = type("Handler", (Handler,), {"folder": wheels, "asked": asked, "asks": asks})
    with ThreadingHTTPServer((HOST, 0), handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        yield Index(server.server_port, asked)
        server.shutdown()


def write_certificates(folder: Path) -> tuple[Path, Path]:
    """Write an authority that no system knows, and a certificate of it for `HOST` with its key."""
    authority_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = _certificate("authority", authority_key, None, authority_key)
    certificate = _certificate(HOST, key, authority, authority_key)
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "authority.pem").write_bytes(authority.public_bytes(pem))
    (folder / "server.pem").write_bytes(private + certificate.public_bytes(pem))
    return folder / "authority.pem", folder / "server.pem"


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    signer: ec.EllipticCurvePrivateKey,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if issuer is not None:
        names = x509.SubjectAlternativeName([x509.DNSName(HOST)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(signer, hashes.SHA256())
