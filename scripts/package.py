"""Build the package of a function: the code of the functions and its byte code, and their dependencies.

usage: PYTHON scripts/package.py DIRECTORY [--page]

`sam build` calls it once for each function, through the Makefile. All functions have the same package, except
that --page adds the files of the dashboard's page for the function that serves them. A package has the
binaries of both of Lambda's processors, because SAM does not say which one a template asks for, and the byte
code of the Python that runs this script, which must be the version of the template's PythonRuntime.

The same sources make the same bytes, so a change elsewhere in the repository deploys no function.
"""

import compileall
import fcntl
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from py_compile import PycInvalidationMode

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = ROOT / "functions" / "requirements.txt"
CACHE = ROOT / ".cache" / "package"
OWN = ("domain", "functions")
PAGE = "dashboard"
"""The files of the page, which functions/page.py serves."""
MACHINES = ("aarch64", "x86_64")
"""Lambda's processors."""
DEPLOYED_TO = "/var/task"
"""Where Lambda unpacks a package: the start of the paths in tracebacks."""


def main(arguments: Sequence[str]) -> int:
    """Build the package in the directory that is the first argument. Return the exit code."""
    target, *options = arguments or [""]
    if not target or options not in ([], ["--page"]):
        print(f"usage: {sys.executable} scripts/package.py DIRECTORY [--page]", file=sys.stderr)
        return 2
    try:
        build(Path(target), with_page=bool(options))
    except subprocess.CalledProcessError as error:
        print(f"The functions' dependencies could not be installed: {error}", file=sys.stderr)
        return 1
    return 0


def build(target: Path, *, with_page: bool) -> None:
    """Build the package in a directory. Raise CalledProcessError if the dependencies can't be installed."""
    add_dependencies(target)
    for package in OWN:
        left_out = shutil.ignore_patterns("__pycache__", "requirements.*")
        shutil.copytree(ROOT / package, target / package, ignore=left_out, dirs_exist_ok=True)
        compile_to_bytecode(target / package, target)
    if with_page:
        shutil.copytree(ROOT / PAGE, target / PAGE, dirs_exist_ok=True)


def add_dependencies(target: Path) -> None:
    """Copy the dependencies with their byte code. They are installed once for each change of them."""
    content = (
        f"{sysconfig.get_platform()} {sys.version} {Path(__file__).read_text()} {REQUIREMENTS.read_text()}"
    )
    made = CACHE / sha256(content.encode()).hexdigest()[:16]
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            for earlier in CACHE.glob("*/"):
                shutil.rmtree(earlier)
            new = CACHE / "new"
            install(new)
            compile_to_bytecode(new, new)
            new.rename(made)
        shutil.copytree(made, target, dirs_exist_ok=True)


def install(target: Path) -> None:
    """Install the dependencies with the binaries of each processor, which have names of their own."""
    platforms: list[str | None] = [f"{machine}-manylinux_2_28" for machine in MACHINES]
    if sys.platform != "linux":
        # The local stack runs the functions on this machine, outside of any container.
        platforms.append(None)
    for name in platforms:
        staged = CACHE / "staged"
        shutil.rmtree(staged, ignore_errors=True)
        arguments = ["pip", "install", "--quiet", "--python", sys.executable, "--target", str(staged)]
        arguments += ["--require-hashes", "--only-binary", ":all:", "--link-mode", "copy"]
        if name:
            arguments += ["--python-platform", name]
        command = ["bash", "-c", 'source scripts/uv.sh && uv "$@"', "uv", *arguments, "-r", str(REQUIREMENTS)]
        subprocess.run(command, cwd=ROOT, check=True)
        shutil.copytree(staged, target, dirs_exist_ok=True)
        shutil.rmtree(staged)
    # uv leaves these for itself, and the functions have no commands.
    shutil.rmtree(target / "bin", ignore_errors=True)
    (target / ".lock").unlink(missing_ok=True)


def compile_to_bytecode(directory: Path, package: Path) -> None:
    """Compile a package's modules. Python takes this byte code without looking at the sources again."""
    compiled = compileall.compile_dir(
        directory,
        maxlevels=50,
        quiet=2,
        invalidation_mode=PycInvalidationMode.UNCHECKED_HASH,
        stripdir=str(package),
        prependdir=DEPLOYED_TO,
    )
    if not compiled:
        raise SyntaxError(f"a module in {directory} can't be compiled")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
