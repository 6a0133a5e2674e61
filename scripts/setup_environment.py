# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`make setup`: .venv with ROS 2 Jazzy and the packages; messages and module in install/.

The packages of a robot run the node without torch. `--with torch` adds those that run, measure and
export weights, `--with test` the tools of `make test-fast` and `make soak`, `--with all` all of
these, training and the tools of `make docs`. `--with docs` installs only those that build the
documentation, without ROS. Installed packages are kept. `--draw` draws the drive of `make demo`
meanwhile: packages wait for the network and the build mostly uses one core.

Standard library only; runs on Python 3.8 or later and chooses one of 3.10 to 3.12 for .venv. Every
step leaves a stamp when it is done: steps that are up to date are skipped, interrupted ones are
repeated.
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

from hiseg_drawing import Drawing, pinned_lines

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / '.venv'
VENV_PYTHON = VENV / 'bin' / 'python'
VERSIONS = ((3, 12), (3, 11), (3, 10))
# -I: ignore the PYTHONPATH of a shell with another ROS.
PIP_INSTALL = (str(VENV_PYTHON), '-I', '-m', 'pip', 'install', '--no-deps', '--no-compile')
ROBOT = ('ros', 'runtime')
SETS = {
    'robot': (ROBOT, 'about 1 GB'),
    'test': ((*ROBOT, 'dev'), 'about 2 GB'),
    'torch': ((*ROBOT, 'torch'), 'about 6 GB with torch'),
    'all': (
        (*ROBOT, 'torch', 'networks', 'classical', 'fleet', 'train', 'dev', 'docs'),
        'about 6 GB with torch',
    ),
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
    """The machine lacks something, or a step failed."""


def digest(paths: list[Path], *words: str) -> str:
    """Return a hash of the paths and contents of files, and of words."""
    total = hashlib.sha256('\n'.join(words).encode())
    for path in sorted(paths):
        total.update(path.relative_to(ROOT).as_posix().encode() + b'\0' + path.read_bytes())
    return total.hexdigest()


def stamped(stamp: Path, value: str) -> bool:
    """Return whether a step was finished with a value."""
    return stamp.is_file() and stamp.read_text() == value


def run(command: list[str], silent: bool = False, **variables: str) -> None:
    """Run a step's command in the checkout.

    Args:
        command: Program and arguments.
        silent: Whether to show its output only if it fails.
        variables: Further environment variables.

    Raises:
        SetupError: The command failed; its own output says why.
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
    """Return an interpreter's version and what it lacks ('venv', 'dev' or 'nothing')."""
    command = [python, '-I', '-S', '-c', PROBE]
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    major, minor, missing = result.stdout.split()
    return (int(major), int(minor)), missing


def choose_python(only_this: bool) -> str:
    """Return the interpreter for .venv: this one if it is suitable, else one on the PATH.

    Raises:
        SetupError: None is suitable.
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
    """Check for tools that pip cannot install.

    Raises:
        SetupError: A tool is missing, or the platform is not supported.
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
    """Return the Python version of .venv, such as '3.11', or '' without a usable one."""
    try:
        text = (VENV / 'pyvenv.cfg').read_text()
    except OSError:
        return ''
    match = re.search(r'^version\w* *= *(3\.\d+)', text, re.MULTILINE)
    return match.group(1) if match and VENV_PYTHON.exists() else ''


def site_packages() -> Path:
    """Return the folder of the modules in .venv."""
    return VENV / 'lib' / f'python{venv_version()}' / 'site-packages'


def file_values(names: Iterable[str]) -> dict[str, str]:
    """Return the stamp's value of each file below requirements/ once it is installed."""
    # The scripts in .venv contain the checkout's path: if that has moved, .venv is created again.
    words = (str(ROOT), venv_version())
    return {name: digest([ROOT / 'requirements' / f'{name}.txt'], *words) for name in names}


def installed_values() -> dict[str, str]:
    """Return the stamp's values of the files below requirements/ that are installed in .venv."""
    lines = PACKAGES_STAMP.read_text().splitlines() if PACKAGES_STAMP.is_file() else []
    found = dict(line.split(' ', 1) for line in lines if ' ' in line)
    return {name: value for name, value in found.items() if name in SETS['all'][0]}


def environment_value() -> str:
    """Return the stamp's values of the packages against which command and messages are built."""
    values = installed_values()
    return ' '.join(values[name] for name in ROBOT)


def install_packages(packages: str, only_this: bool, quiet: list[str], drawing: Drawing) -> None:
    """Create .venv and install every pinned package of a set into it.

    Args:
        packages: Key of `SETS`; what is there of others is kept.
        only_this: Whether .venv must be of the interpreter that runs this.
        quiet: Arguments for pip.
        drawing: Started as soon as its packages are there.
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
                f'{VENV} is a link to {VENV.resolve()}, the environment of another checkout; '
                'expected a folder, since creating it again empties it: remove the link.'
            )
        python = choose_python(only_this)
        print(f'== .venv with {python}', flush=True)
        run([python, '-m', 'venv', '--clear', str(VENV)])
        (VENV / 'hiseg_root').write_text(str(ROOT))
    # Interrupted, the next run still knows which files it has to install.
    PACKAGES_STAMP.write_text(''.join(f'{name} unfinished\n' for name in names))
    print(f'== packages into .venv ({SETS[packages][1]})', flush=True)
    if drawing.is_wanted:
        run([*PIP_INSTALL, *quiet, *pinned_lines(ROOT)])
        drawing.start()
    files = [ROOT / 'requirements' / f'{name}.txt' for name in names]
    pinned = [argument for file in files for argument in ('-r', str(file))]
    # Every package is pinned, so pip need not resolve anything.
    run([*PIP_INSTALL, *quiet, *pinned])
    if 'ros' in names:
        correct_include_paths()
    lines = [f'{name} {value}\n' for name, value in file_values(names).items()]
    PACKAGES_STAMP.write_text(''.join(lines))


def correct_include_paths() -> None:
    """Replace the include paths of the machine that built the ROS wheels by those of this one."""
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
    """Install the hiseg command, and the start-up module that finds the checkout."""
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
    """Copy the package's sources: CMake refuses a package with headers (in .venv) below it."""
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
    """Remove files from install/ that are no longer in the checkout; colcon keeps them."""
    wanted = {path.relative_to(ROOT) for path in installed_files()}
    modules = ROOT / 'install' / 'lib' / f'python{venv_version()}' / 'site-packages'
    share = ROOT / 'install' / 'share' / 'hiseg_ros'
    places = [(modules, 'hiseg_ros'), *((share, name) for name in ('launch', 'config', 'models'))]
    for base, folder in places:
        for path in (base / folder).rglob('*'):
            generated = path.suffix in ('.c', '.pyc', '.so') or path.parent.name in ('msg', 'srv')
            if path.is_file() and not generated and path.relative_to(base) not in wanted:
                path.unlink()


def make_flags() -> str:
    """Return flags for one compiler per core; with colcon's own make waits on busy ones."""
    given = os.environ.get('MAKEFLAGS', '')
    return given if re.search(r'(^|\s)(-j|--jobs\b)', given) else f'-j{os.cpu_count() or 1}'


def build_workspace() -> None:
    """Build the messages and install them with the module by colcon."""
    sources = [ROOT / 'CMakeLists.txt', ROOT / 'package.xml', *installed_files()]
    environment = environment_value()
    value = digest(sources, environment)
    if stamped(BUILD_STAMP, value):
        return
    print('== messages and module into install/', flush=True)
    build = ROOT / 'build'
    # CMake caches the interpreter and the libraries of the environment.
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
        MAKEFLAGS=make_flags(),
    )
    remove_lingering()
    BUILD_STAMP.write_text(value)


def main() -> int:
    """Run the steps that are not up to date; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        '--this-python', action='store_true', help='use only the interpreter that runs this'
    )
    parser.add_argument(
        '--with',
        dest='packages',
        choices=list(SETS),
        default='robot',
        help='packages to install (default: %(default)s, without torch)',
    )
    parser.add_argument(
        '--draw',
        action='store_true',
        help='draw the drive of the demo meanwhile, unless it is there',
    )
    options = parser.parse_args()
    drawing = Drawing(VENV_PYTHON, ROOT, options.draw)
    quiet = [] if sys.stdout.isatty() else ['--quiet']
    lock = os.open(ROOT, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)  # two runs at the same time take turns
    try:
        install_packages(options.packages, options.this_python, quiet, drawing)
        drawing.start()
        if 'ros' in SETS[options.packages][0]:
            install_command()
            build_workspace()
        drawing.wait()
    except SetupError as error:
        print(f'setup: {error}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print('setup: interrupted; the next run continues here', file=sys.stderr)
        return 130
    finally:
        drawing.stop()
        os.close(lock)
    return 0


if __name__ == '__main__':
    sys.exit(main())
