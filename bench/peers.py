"""What the benchmarks against other programs share: where things lie, and the peers' virtual environment."""
import os, pathlib, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "wardscribe-bench"
BINARY = pathlib.Path(os.environ.get("WARDSCRIBE_BINARY", ROOT / "build" / "wardscribe"))


def say(text):
    print(text, file=sys.stderr, flush=True)


def environment(name):
    """The folder of a virtual environment, outside the repository."""
    return pathlib.Path(os.environ.get("WARDSCRIBE_BENCH_VENV", CACHE / name))


def install(venv, requirements):
    """Makes the environment, once for each list of requirements; one that was named is taken as it is."""
    wanted, installed = requirements.read_text(), venv / "installed.txt"
    if "WARDSCRIBE_BENCH_VENV" in os.environ or (installed.exists() and installed.read_text() == wanted):
        return
    say(f"installing the peers into {venv}")
    venv.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin" / "pip", "install", "-q", "-r", requirements], check=True)
    installed.write_text(wanted)
