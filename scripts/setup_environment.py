# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`make setup`: .venv with ROS 2 Jazzy and the packages; messages and module in install/.

A robot's packages run the node without torch; `--with torch` adds what runs, measures and exports
weights, `--with test` the tools of `make test-fast`, `--with all` all of that, training and the
tools of `make docs`. `--with docs` installs only what builds the documentation, without ROS. What
is there stays.

Standard library only; runs on any Python 3.8 or later and picks one of 3.10 to 3.12 for .venv.
Every step leaves a stamp when it is done, so what is up to date costs nothing and what was
interrupted is done again.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
VENV_PYTHON = VENV / 'bin' / 'python'
VERSIONS = ((3, 12), (3, 11), (3, 10))
# -I: not what PYTHONPATH of a shell with another ROS holds.
PIP_INSTALL = (str(VENV_PYTHON), '-I', '-m', 'pip', 'install', '--no-deps', '--no-compile')
ROBOT = ('ros', 'runtime')
SETS = {
    'robot': (ROBOT, 'about 1 GB'),
    'test': ((*ROBOT, 'dev'), 'about 2 GB'),
    'torch': ((*ROBOT, 'torch'), 'about 6 GB with torch'),
    'all': ((*ROBOT, 'torch', 'train', 'dev', 'docs'), 'about 6 GB with torch'),
    'docs': (('docs',), 'about 0.2 GB'),
}
"""Sets of packages: files below requirements/, and size."""

INSTALLED = ('hiseg_ros', 'msg', 'srv', 'launch', 'config', 'models', 'scripts')
PACKAGES_STAMP = VENV / 'hiseg_packages.stamp'
COMMAND_STAMP = VENV / 'hiseg_command.stamp'
BUILD_STAMP = ROOT / 'install' / 'hiseg_build.stamp'
PROBE = """
import os, sys, sysconfig
try:
    import ensurepip, venv
    missing = ''
except ImportError:
    missing = 'venv'
header = os.path.join(sysconfig.get_path('include'), 'Python.h')
if not missing and not os.path.exists(header):
    missing = 'dev'
print(*sys.version_info[:2], missing or 'nothing')
"""


class SetupError(Exception):
    """What the machine lacks, in one sentence."""


def digest(paths: list[Path], *words: str) -> str:
    """Return a hash of files' contents and of words."""
    total = hashlib.sha256('\n'.join(words).encode())
    for path in sorted(paths):
        total.update(path.relative_to(ROOT).as_posix().encode() + b'\0' + path.read_bytes())
    return total.hexdigest()


def stamped(stamp: Path, value: str) -> bool:
    """Return whether a step was finished with this value."""
    return stamp.is_file() and stamp.read_text() == value


def run(command: list[str], silent: bool = False, **variables: str) -> None:
    """Run a step's command in the checkout.

    Args:
        command: Program and arguments.
        silent: Show its output only if it fails.
        variables: Added to the environment.

    Raises:
        SetupError: It failed; its own output has said why.
    """
    output = subprocess.PIPE if silent else None
    environment = {**os.environ, **variables}
    result = subprocess.run(
        command, cwd=ROOT, env=environment, stdout=output, stderr=output, text=True, check=False
    )
    if result.returncode:
        print(result.stdout or '', result.stderr or '', file=sys.stderr)
        raise SetupError(f'this failed with status {result.returncode}: {" ".join(command)}')


def probe(python: str) -> tuple[tuple[int, int], str] | None:
    """Return an interpreter's version and what it lacks ('venv', 'dev', 'nothing')."""
    command = [python, '-I', '-S', '-c', PROBE]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor, missing = result.stdout.split()
    return (int(major), int(minor)), missing


def choose_python(only_this: bool) -> str:
    """Return the interpreter for .venv: this one where it serves, else one on the PATH.

    Raises:
        SetupError: None serves.
    """
    candidates = [sys.executable]
    if not only_this:
        candidates += ['python{}.{}'.format(*version) for version in VERSIONS]
    complaints = []
    for candidate in candidates:
        found = probe(candidate)
        if found is None:
            continue
        version, missing = found
        name = f'{candidate} (Python {version[0]}.{version[1]})'
        if version not in VERSIONS:
            complaints.append(f'{name} is outside 3.10 to 3.12')
        elif missing != 'nothing':
            package = f'python{version[0]}.{version[1]}-{missing}'
            what = 'the venv module' if missing == 'venv' else 'Python.h'
            complaints.append(f'{name} lacks {what} (apt install {package})')
        else:
            return candidate
    raise SetupError(
        f'No usable Python was found: {"; ".join(complaints)}; install one of Python 3.10 to 3.12 '
        'with its venv and development packages and run `make setup PYTHON=/path/to/python`.'
    )


def check_machine() -> None:
    """Look for what pip cannot install.

    Raises:
        SetupError: Something is missing.
    """
    if sys.platform != 'linux' or platform.machine() != 'x86_64':
        raise SetupError(
            f'This is {sys.platform} on {platform.machine()}, but the ROS 2 wheels exist only for '
            'Linux on x86_64; elsewhere use the ROS 2 of the distribution (docs/robot.md).'
        )
    tools = {
        'make': 'make',
        'cmake': 'cmake',
        os.environ.get('CC', 'cc'): 'gcc',
        os.environ.get('CXX', 'c++'): 'g++',
    }
    for tool, package in tools.items():
        if shutil.which(tool.split()[0]) is None:
            raise SetupError(f'{tool} was not found: apt install {package}, then run this again.')


def venv_version() -> str:
    """Return the version that .venv was made with, e.g. '3.11', or '' without a usable one."""
    try:
        text = (VENV / 'pyvenv.cfg').read_text()
    except OSError:
        return ''
    match = re.search(r'^version\w* *= *(3\.\d+)', text, re.MULTILINE)
    return match.group(1) if match and VENV_PYTHON.exists() else ''


def site_packages() -> Path:
    """Return the folder of the environment's modules."""
    return VENV / 'lib' / f'python{venv_version()}' / 'site-packages'


def file_values(names: Iterable[str]) -> dict[str, str]:
    """Return what the stamp says of each file below requirements/ once it is installed."""
    # The checkout's path is in the scripts of the environment: a moved one is made anew.
    words = (str(ROOT), venv_version())
    return {name: digest([ROOT / 'requirements' / f'{name}.txt'], *words) for name in names}


def installed_values() -> dict[str, str]:
    """Return what the stamp says of the files that .venv was last filled with."""
    lines = PACKAGES_STAMP.read_text().splitlines() if PACKAGES_STAMP.is_file() else []
    found = dict(line.split(' ', 1) for line in lines if ' ' in line)
    return {name: value for name, value in found.items() if name in SETS['all'][0]}


def environment_value() -> str:
    """Return what the command and the messages are built against: ROS and what runs with it."""
    values = installed_values()
    return ' '.join(values[name] for name in ROBOT)


def install_packages(packages: str, only_this: bool, quiet: list[str]) -> None:
    """Make .venv and install every pinned package of a set into it.

    Args:
        packages: Key of `SETS`; what is there of others is kept.
        only_this: Whether .venv must be of the interpreter that runs this.
        quiet: Arguments for pip.
    """
    installed = installed_values()
    names = [name for name in SETS['all'][0] if name in SETS[packages][0] or name in installed]
    wanted = '{}.{}'.format(*sys.version_info) if only_this else venv_version()
    if installed == file_values(names) and venv_version() == wanted:
        return
    if 'ros' in names:
        check_machine()
    if not (VENV / 'hiseg_root').is_file() or (VENV / 'hiseg_root').read_text() != str(ROOT):
        wanted = 'another one'
    if not venv_version() or venv_version() != wanted or probe(str(VENV_PYTHON)) is None:
        if VENV.is_symlink():
            raise SetupError(
                f"{VENV} is a link to {VENV.resolve()}, which is another checkout's environment; "
                'expected a folder of this one, since making it anew empties it: remove the link.'
            )
        python = choose_python(only_this)
        print(f'== .venv with {python}', flush=True)
        run([python, '-m', 'venv', '--clear', str(VENV)])
        (VENV / 'hiseg_root').write_text(str(ROOT))
    # Interrupted, the next run still knows which files it has to install.
    PACKAGES_STAMP.write_text(''.join(f'{name} unfinished\n' for name in names))
    print(f'== packages into .venv ({SETS[packages][1]})', flush=True)
    files = [ROOT / 'requirements' / f'{name}.txt' for name in names]
    pinned = [argument for file in files for argument in ('-r', str(file))]
    # Every package is pinned, so there is nothing to resolve.
    run([*PIP_INSTALL, *quiet, *pinned])
    if 'ros' in names:
        correct_include_paths()
    lines = [f'{name} {value}\n' for name, value in file_values(names).items()]
    PACKAGES_STAMP.write_text(''.join(lines))


def correct_include_paths() -> None:
    """Replace the include paths of the machine that built the ROS wheels by this one's."""
    ask = 'import numpy, sysconfig as s; print(s.get_path("include")); print(numpy.get_include())'
    command = [str(VENV_PYTHON), '-I', '-c', ask]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    python, numpy = answer.split('\n')[:2]
    theirs = r'/opt/python/cp3\d+-cp3\d+'
    for path in (VENV / 'share').glob('*/cmake/*.cmake'):
        text = path.read_text()
        new = re.sub(rf'{theirs}/lib/python3\.\d+/site-packages/numpy/\w+/include', numpy, text)
        new = re.sub(rf'{theirs}/include/python3\.\d+', python, new)
        if new != text:
            path.write_text(new)


def install_command() -> None:
    """Install the hiseg command and the start-up module that finds the checkout."""
    start_up = ROOT / 'scripts' / 'hiseg_workspace.py'
    metadata = [ROOT / name for name in ('setup.py', 'setup.cfg', 'pyproject.toml')]
    value = digest([start_up, *metadata], environment_value())
    if stamped(COMMAND_STAMP, value):
        return
    print('== hiseg command', flush=True)
    shutil.copyfile(start_up, site_packages() / 'hiseg_workspace.py')
    (site_packages() / 'hiseg_workspace.pth').write_text('import hiseg_workspace\n')
    run([*PIP_INSTALL, '--no-build-isolation', '--editable', str(ROOT)], silent=True)
    COMMAND_STAMP.write_text(value)


def copy_sources(folder: Path) -> None:
    """Copy what CMake reads: it refuses a package whose headers (.venv's) lie below its source."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ('CMakeLists.txt', 'package.xml'):
        shutil.copy2(ROOT / name, folder)
    for name in INSTALLED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns('__pycache__'))


def installed_files() -> list[Path]:
    """Return the files that CMakeLists.txt installs or generates from."""
    return [
        path
        for folder in INSTALLED
        for path in (ROOT / folder).rglob('*')
        if path.is_file() and '__pycache__' not in path.parts
    ]


def remove_lingering() -> None:
    """Take out of install/ what is no longer in the checkout; colcon leaves it there."""
    wanted = {path.relative_to(ROOT) for path in installed_files()}
    modules = ROOT / 'install' / 'lib' / f'python{venv_version()}' / 'site-packages'
    share = ROOT / 'install' / 'share' / 'hiseg_ros'
    places = [(modules, 'hiseg_ros'), *((share, name) for name in ('launch', 'config', 'models'))]
    for base, folder in places:
        for path in (base / folder).rglob('*'):
            generated = path.suffix in ('.c', '.pyc', '.so') or path.parent.name in ('msg', 'srv')
            if path.is_file() and not generated and path.relative_to(base) not in wanted:
                path.unlink()


def build_workspace() -> None:
    """Build the messages and install them with the module by colcon."""
    sources = [ROOT / 'CMakeLists.txt', ROOT / 'package.xml', *installed_files()]
    environment = environment_value()
    value = digest(sources, environment)
    if stamped(BUILD_STAMP, value):
        return
    print('== messages and module into install/', flush=True)
    build = ROOT / 'build'
    # CMake remembers the interpreter and the libraries of the environment it ran in.
    if not stamped(build / 'hiseg_environment.stamp', environment):
        shutil.rmtree(build, ignore_errors=True)
        shutil.rmtree(ROOT / 'install', ignore_errors=True)
    copy_sources(build / 'workspace' / 'hiseg_ros')
    (build / 'hiseg_environment.stamp').write_text(environment)
    BUILD_STAMP.unlink(missing_ok=True)
    colcon = [str(VENV_PYTHON), '-m', 'colcon', '--log-level', 'error', 'build']
    places = ['--base-paths', 'build/workspace', '--merge-install']
    options = [f'-DPython3_EXECUTABLE={VENV_PYTHON}', '-DBUILD_TESTING=OFF', '-Wno-dev']
    run(
        [*colcon, *places, '--event-handlers', 'console_start_end-', '--cmake-args', *options],
        PATH=f'{VENV / "bin"}{os.pathsep}{os.environ["PATH"]}',
        CMAKE_PREFIX_PATH=str(VENV),
        COLCON_PREFIX_PATH='',
        COLCON_LOG_PATH=str(build / 'log'),
    )
    remove_lingering()
    BUILD_STAMP.write_text(value)


def main() -> int:
    """Do what is not done yet; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--this-python', action='store_true', help='use the interpreter that runs this, no other'
    )
    parser.add_argument(
        '--with',
        dest='packages',
        choices=list(SETS),
        default='robot',
        help='packages to install (default: %(default)s, without torch)',
    )
    options = parser.parse_args()
    quiet = [] if sys.stdout.isatty() else ['--quiet']
    lock = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # two `make` at once take turns
    try:
        install_packages(options.packages, options.this_python, quiet)
        if 'ros' in SETS[options.packages][0]:
            install_command()
            build_workspace()
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('setup: interrupted; the next run goes on from here', file=sys.stderr)
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main())
