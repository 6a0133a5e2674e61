# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Weights of an earlier run to start from, and what they learned from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from hiseg_ros.errors import CheckpointError
from hiseg_ros.model.checkpoint import load_checkpoint
from hiseg_ros.taxonomy import Taxonomy
from hiseg_ros.training.config.experiment import TrainingConfig

CARD = 'initial_weights.json'
"""In the run folder: the card of the weights that the run started from. They may be gone when a
later start finishes the run."""


def initial_state(
    config: TrainingConfig, taxonomy: Taxonomy, run_dir: Path
) -> dict[str, torch.Tensor]:
    """Return the weights of an earlier run, and keep their card in the run folder.

    Raises:
        CheckpointError: The file cannot be used, or its network or taxonomy is another one.
    """
    checkpoint = load_checkpoint(config.initial_weights)
    if checkpoint.taxonomy.digest != taxonomy.digest or checkpoint.network != config.network:
        raise CheckpointError(
            f'The initial weights {checkpoint.path} are of another network or taxonomy; expected '
            f'those of experiment {config.name}: {config.network} on {taxonomy.name!r}.'
        )
    run_dir.mkdir(parents=True, exist_ok=True)
    card = {'file': Path(config.initial_weights).name, **checkpoint.card}
    (run_dir / CARD).write_text(json.dumps(card, indent=2))
    return checkpoint.build().state_dict()


def initial_card(config: TrainingConfig, run_dir: Path) -> dict[str, Any]:
    """Return the entry of the initial weights in the model card: none, or their own card.

    Who is given the weights must know all that they learned from, under which licences.
    """
    path = run_dir / CARD
    if not config.initial_weights or not path.is_file():
        return {}
    return {'initial_weights': json.loads(path.read_text())}
