# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Mirror images of leaves: what a leaf becomes when its image is flipped left to right."""

from __future__ import annotations

from pathlib import Path
from reprlib import repr as short_repr

import numpy as np
from numpy.typing import NDArray

from hiseg_ros.errors import MappingError
from hiseg_ros.resources import named_or_path
from hiseg_ros.taxonomy.schema import key_problems
from hiseg_ros.taxonomy.tree import Taxonomy
from hiseg_ros.yaml_file import read_yaml

NO_LEAF = -1
"""The mirror image is not a leaf, as of a digit."""


def load_mirror_images(name_or_path: str | Path, taxonomy: Taxonomy) -> NDArray[np.int64]:
    """Load mirror images of leaves by name (config/mirror_images/<name>.yaml) or from a file.

    Leaves that the taxonomy lacks are ignored, so that one file serves several trees.

    Returns:
        (L,) position among the taxonomy's leaves of each leaf's mirror image, or NO_LEAF.

    Raises:
        MappingError: The file is missing, a key or value is wrong, two leaves are not each
            other's mirror image, or a leaf below the subclass root is not listed.
    """
    path = named_or_path(name_or_path, 'mirror_images')
    data = read_yaml(path, 'Mirror file', MappingError)
    required, optional = {'name', 'mirror'}, {'description'}
    missing, unknown = required - set(data), set(map(str, data)) - required - optional
    if missing or unknown:
        raise MappingError(
            f'Mirror file {path} {key_problems(missing, unknown)}; expected name, mirror and '
            'optionally description.'
        )
    listed = data['mirror']
    if not isinstance(listed, dict) or not all(
        isinstance(text, str) for pair in listed.items() for text in pair
    ):
        raise MappingError(
            f'Mirror file {path} has mirror: {short_repr(listed)}; expected for each leaf the '
            "name of another, 'same' or 'none'."
        )
    for leaf, other in listed.items():
        if other not in ('same', 'none') and listed.get(other) != leaf:
            raise MappingError(
                f'Mirror file {path} makes {leaf!r} {other!r}, and {other!r} '
                f'{listed.get(other, "nothing")!r}; expected two leaves to be the mirror images '
                'of each other.'
            )
    _check_signs(listed, taxonomy, path)
    mirror = np.arange(len(taxonomy.leaves))
    place = {taxonomy.nodes[leaf].name: index for index, leaf in enumerate(taxonomy.leaves)}
    for leaf, other in listed.items():
        if leaf in place and other != 'same':
            mirror[place[leaf]] = place.get(other, NO_LEAF)
    return mirror


def _check_signs(listed: dict[str, str], taxonomy: Taxonomy, path: Path) -> None:
    inner = [taxonomy.nodes[node].name for node in taxonomy.classifiers]
    if wrong := [name for name in listed if name in inner]:
        raise MappingError(
            f'Mirror file {path} lists {wrong[0]!r}, an inner node of taxonomy '
            f'{taxonomy.name!r}; expected leaves.'
        )
    if taxonomy.subclass_root is None:
        return
    names = [taxonomy.nodes[leaf].name for leaf in taxonomy.leaves_below(taxonomy.subclass_root)]
    if forgotten := [name for name in names if name not in listed]:
        raise MappingError(
            f'Mirror file {path} does not list {short_repr(forgotten)} of taxonomy '
            f"{taxonomy.name!r}; expected each type's mirror image, 'same' or 'none'."
        )
