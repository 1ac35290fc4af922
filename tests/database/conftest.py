import pytest


@pytest.fixture(autouse=True)
def _current(request, monkeypatch):
    """Have the server of a test, if it has one, be that of DATABASE_URL."""
    if "postgres" in request.fixturenames:
        monkeypatch.setenv("DATABASE_URL", request.getfixturevalue("postgres"))
