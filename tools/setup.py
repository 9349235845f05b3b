"""Make .venv from requirements.lock; standard library only, knows nothing of what it installs.

    python3 tools/setup.py         install (does nothing when all is there)
    python3 tools/setup.py lock    write requirements.lock anew from pyproject.toml

An interrupted run leaves no stamp; the next one starts afresh, with what uv's cache already holds.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
STAMP = VENV / ".conclave-setup"
UNFINISHED = VENV / ".conclave-unfinished"
LOCK = ROOT / "requirements.lock"
LOG = ROOT / ".cache" / "setup.log"
NEEDED_GB = 6
STEPS = 4
PROGRESS = (
    "Building",
    "Built",
    "Downloading",
    "Downloaded",
    "Prepared",
    "Installed",
    "Uninstalled",
)


class Stop(Exception):
    """Set-up cannot go on; the message is one line: what, where, remedy."""


def main(arguments: list[str]) -> int:
    """Run one action; the exit code is 0, or 1 after one line on stderr."""
    try:
        require_python()
        if arguments == ["lock"]:
            lock()
        else:
            install()
    except Stop as stop:
        print(f"set-up: {stop}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nset-up: interrupted. Run it again to go on.", file=sys.stderr)
        return 130
    return 0


def install() -> None:
    """Bring .venv to what requirements.lock and pyproject.toml say."""
    packages, project = digest(LOCK), digest(ROOT / "pyproject.toml")
    found = STAMP.read_text().split() if STAMP.exists() and PYTHON.exists() else []
    if found == [packages, project]:
        return
    require_space()
    started = time.monotonic()
    make_venv()
    STAMP.unlink(missing_ok=True)
    UNFINISHED.touch()
    install_uv()
    if packages not in found:
        install_packages()
    install_project()
    UNFINISHED.unlink()
    STAMP.write_text(f"{packages}\n{project}\n")
    print(f"set-up: done in {time.monotonic() - started:.0f} s", flush=True)


def lock() -> None:
    """Resolve pyproject.toml with the extras cpu and dev into requirements.lock."""
    if not UV.exists():
        make_venv()
        install_uv()
    command = [UV, "pip", "compile", "pyproject.toml", "--extra", "cpu", "--extra", "dev"]
    command += ["--python-version", "3.11", "--upgrade", "--no-header", "--no-annotate"]
    heading = lock_heading()
    run_with_torch([*command, "--output-file", LOCK], "resolve the dependencies")
    LOCK.write_text(heading + LOCK.read_text())


def lock_heading() -> str:
    """The comment on top of the lock: what it is and how it is made."""
    return (
        "# Everything .venv holds, pinned: base, cpu and dev. Made by `make lock`, not by hand.\n"
        "# torchvision, torchaudio and torchcodec are left out: see [tool.uv] in pyproject.toml.\n"
        "# It is complete, so it is installed without looking at dependencies.\n"
    )


def digest(path: Path) -> str:
    """The hash of a file, as hexadecimal text."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def require_python() -> None:
    """Stop unless this Python is new enough."""
    if sys.version_info < (3, 11):
        found = ".".join(map(str, sys.version_info[:3]))
        raise Stop(
            f"{sys.executable} is Python {found}, 3.11 or newer is needed. "
            "Install one and name it: make PYTHON=/path/to/python3.11"
        )


def require_space() -> None:
    """Stop before a download that would fill the disk."""
    free = shutil.disk_usage(ROOT).free / 1e9
    if not VENV.exists() and free < NEEDED_GB:
        raise Stop(
            f"{ROOT} has {free:.1f} GB free, .venv needs about {NEEDED_GB} GB. "
            "Free some space or clone onto a larger disk"
        )


def make_venv() -> None:
    """Create .venv, unless a sound one is there."""
    say(1, "Python environment in .venv")
    if VENV.exists() and (UNFINISHED.exists() or not works([PYTHON, "-m", "pip", "--version"])):
        shutil.rmtree(VENV)
    if not VENV.exists():
        run(
            [sys.executable, "-m", "venv", VENV],
            "create .venv",
            "On Debian and Ubuntu install the package python3-venv",
        )


def install_uv() -> None:
    """Install the pinned uv by pip."""
    say(2, "installer")
    pins = [line for line in LOCK.read_text().splitlines() if line.startswith("uv==")]
    if UV.exists() and works([UV, "--version"]):
        return
    run([PYTHON, "-m", "pip", "install", "--quiet", *pins], "install uv")


def install_packages() -> None:
    """Make the environment hold exactly what the lock says."""
    count = sum(not line.startswith("#") for line in LOCK.read_text().splitlines())
    say(3, f"{count} pinned packages, about 4 GB; minutes the first time")
    command = [UV, "pip", "sync", "--python", PYTHON, LOCK]
    run_with_torch(command, "install requirements.lock")
    compile_bytecode()


def compile_bytecode() -> None:
    """Compile all packages once; a dozen processes would do so at every start otherwise.

    Where PYTHONDONTWRITEBYTECODE is set they would never keep it, and start a minute later.
    """
    (library,) = VENV.glob("lib/python*/site-packages")
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [PYTHON, "-m", "compileall", "-q", "-j", "0", library]
    # Some packages ship templates that are no Python; those stay as they are.
    subprocess.run(command, env=variables, stdout=subprocess.DEVNULL, check=False)


def install_project() -> None:
    """Install this checkout in place; its dependencies are there already."""
    say(4, "Conclave itself")
    command = [UV, "pip", "install", "--python", PYTHON, "--no-deps", "--no-build-isolation"]
    run([*command, "--editable", ROOT], "install this project")


def run_with_torch(command: list[str | Path], what: str) -> None:
    """Run uv; where the usual sources lack the CPU build of torch, let uv find it."""
    try:
        run(command, what)
    except Stop as stop:
        if "torch==" not in log_tail(4000):
            raise
        print(f"      {stop}\n      trying the sources that uv knows for torch", flush=True)
        run([*command, "--torch-backend", "cpu"], what)


def run(command: list[str | Path], what: str, remedy: str = "") -> None:
    """Run a command with its output in the log and its progress on the terminal."""
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                log.write(line)
                if line.strip().startswith(PROGRESS):
                    print(f"      {line.strip()}", flush=True)
            code = process.wait()
        finally:
            process.kill()
    if code:
        raise Stop(f"could not {what} ({reason()}). {remedy or cure()}")


def environment() -> dict[str, str]:
    """The environment for pip and uv: uv shall look where pip looks for local files."""
    variables = dict(os.environ)
    variables.pop("VIRTUAL_ENV", None)
    links = variables.get("PIP_FIND_LINKS") or pip_setting("global.find-links")
    if links:
        variables.setdefault("UV_FIND_LINKS", ",".join(links.split()))
    return variables


def pip_setting(name: str) -> str:
    """One value of pip's configuration, empty where it is not set."""
    command = [sys.executable, "-m", "pip", "config", "get", name]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def works(command: list[str | Path]) -> bool:
    """Whether a command can be run and succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def log_tail(size: int) -> str:
    """The last characters of the log."""
    return LOG.read_text()[-size:]


def reason() -> str:
    """The line of the log that says most about a failure."""
    lines = [line.strip() for line in LOG.read_text().splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no output"])[-1][:200]


def cure() -> str:
    """What to do about the failure in the log."""
    tail = log_tail(4000).lower()
    if "no space left" in tail:
        return f"Free about {NEEDED_GB} GB, also where uv and pip keep their caches; run it again"
    signs = ("dns", "connect", "timed out", "resolution", "network", "no matching distribution")
    if any(sign in tail for sign in signs):
        return "Check the network and any proxy or package index settings; run it again"
    return f"The whole output is in {LOG}"


def say(step: int, text: str) -> None:
    """Print one line of progress."""
    print(f"[{step}/{STEPS}] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
