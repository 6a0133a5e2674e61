# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Digests of a replay's inputs: it is resumed with the same ones only, and can be compared."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hiseg_ros.bags.recording import Recording
from hiseg_ros.errors import BagError
from hiseg_ros.images.file import visible

WHOLE_BYTES = 256 * 2**20
"""Files up to this size are hashed as a whole, larger ones by samples."""
_SAMPLE, _SAMPLES = 2**20, 64


def file_digest(path: Path) -> str:
    """Return the SHA-256 (hex) of a file; of a large one over its size and 64 samples of 1 MiB.

    Raises:
        BagError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        size = path.stat().st_size
        with path.open('rb') as file:
            if size <= WHOLE_BYTES:
                while block := file.read(_SAMPLE):
                    digest.update(block)
                return digest.hexdigest()
            digest.update(str(size).encode())
            for sample in range(_SAMPLES):
                file.seek((size - _SAMPLE) * sample // (_SAMPLES - 1))
                digest.update(file.read(_SAMPLE))
    except OSError as error:
        raise BagError(
            f'The file {path} cannot be read ({error}); expected a readable file: check its '
            'rights.'
        ) from error
    return digest.hexdigest()


def recording_facts(recording: Recording) -> dict[str, Any]:
    """Return a recording's name, and name, size and digest of its files, without their folder.

    Raises:
        BagError: A file cannot be read.
    """
    return {
        'name': recording.path.name,
        'files': [
            {
                'name': path.name,
                'bytes': path.stat().st_size if path.is_file() else None,
                'sha256': file_digest(path) if path.is_file() else None,
            }
            for path in recording.files
        ],
    }


def folder_digest(folder: Path) -> str:
    """Return the SHA-256 (hex) over names and contents of a folder's PNG files.

    Raises:
        BagError: One cannot be read.
    """
    digest = hashlib.sha256()
    for path in sorted(visible(folder.glob('*.png'))):
        digest.update(f'{path.name} {file_digest(path)}\n'.encode())
    return digest.hexdigest()
