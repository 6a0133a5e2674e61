# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The decoders by name, read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DecoderEntry:
    """What is known of a decoder before it is built."""

    module: str
    """Name of its module below this package."""

    implementation: str
    """Name of its class there."""


DECODERS: Mapping[str, DecoderEntry] = {
    'fusion': DecoderEntry('fusion', 'FusionDecoder'),
    'projection': DecoderEntry('projection', 'ProjectionDecoder'),
    'summed': DecoderEntry('summed', 'SummedDecoder'),
    'summed_detail': DecoderEntry('summed_detail', 'SummedDetailDecoder'),
    'summed_fine': DecoderEntry('summed_fine', 'SummedFineDecoder'),
}
"""By the name that `network.decoder` has in an experiment file."""
