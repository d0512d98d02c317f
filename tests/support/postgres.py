"""A PostgreSQL server of the tests' own on loopback, which is stopped, frozen, slow or well."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
from s3_server import Gate, free_port

USER = "sweeper"
_BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def installed() -> bool:
    """Whether there is a server to start."""
    return bool(_BINARIES) or shutil.which("postgres") is not None


class Postgres:
    """A server with databases `mlflow` and `optuna`; its user's password lies in `passfile`.

    Whoever uses it comes through `gate`, which can make it slow.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.password = root, secrets.token_hex(12)
        self.passfile = root / "pgpass"
        self.port = free_port()
        self.gate = Gate(self.port)
        self._process: psutil.Popen | None = None
        self._as_user = self._user()
        self._make()

    def url(self, database: str) -> str:
        """Address of a database, without the password."""
        return f"postgresql+psycopg://{USER}@127.0.0.1:{self.gate.port}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = ["-D", str(self.root / "data"), "-p", str(self.port), "-h", "127.0.0.1"]
        with (self.root / "postgres.log").open("a") as log:
            self._process = psutil.Popen(
                [*self._command("postgres"), *options, "-k", str(self.root)],
                stdout=log,
                stderr=log,
                cwd=self.root,
                **self._as_user,
            )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert time.monotonic() < deadline, (self.root / "postgres.log").read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop at once: connections break off."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def freeze(self) -> None:
        """Answer nothing more, and close no connection."""
        for process in self._all():
            process.suspend()

    def thaw(self) -> None:
        """Go on."""
        for process in self._all():
            process.resume()

    def _all(self) -> list[psutil.Process]:
        assert self._process is not None
        return [self._process, *self._process.children(recursive=True)]

    def _make(self) -> None:
        secret = self.root / "secret"
        secret.write_text(self.password)
        self.passfile.write_text(f"*:*:*:{USER}:{self.password}\n")
        self.passfile.chmod(0o600)
        if "user" in self._as_user:
            shutil.chown(self.root, self._as_user["user"])
            shutil.chown(secret, self._as_user["user"])
        made = ["--auth=scram-sha-256", f"--username={USER}", f"--pwfile={secret}", "--no-sync"]
        self._run("initdb", *made, "-D", str(self.root / "data"))
        self.start()
        environment = {**os.environ, "PGPASSFILE": str(self.passfile)}
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", "postgres"]
        for name in ("mlflow", "optuna"):
            command = [*self._command("psql"), *where, "-c", f"CREATE DATABASE {name}"]
            subprocess.run(command, env=environment, check=True, capture_output=True)

    def _run(self, name: str, *options: str) -> None:
        command = [*self._command(name), *options]
        subprocess.run(command, check=True, capture_output=True, cwd=self.root, **self._as_user)

    @staticmethod
    def _command(name: str) -> list[str]:
        here = [folder / name for folder in _BINARIES if (folder / name).exists()]
        return [str(here[0]) if here else name]

    @staticmethod
    def _user() -> dict[str, str]:
        """The server does not run as root."""
        return {"user": "postgres", "group": "postgres"} if os.getuid() == 0 else {}

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.root / "postgres.log").read_text()
        ask = [*self._command("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ask).returncode == 0
