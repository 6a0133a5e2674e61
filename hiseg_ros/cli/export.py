# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""`hiseg export`: write weights as an ONNX file or a torch program, and verify the file."""

from __future__ import annotations

import argparse
from pathlib import Path

from hiseg_ros.cli.shared.numbers import image_size
from hiseg_ros.types import ImageSize

DYNAMIC = 'dynamic'

VERIFICATION_SIZES: tuple[ImageSize, ...] = ((512, 1024), (256, 320))
"""Sizes (H, W) of the drawn scenes on which a file for any size is run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument(
        '--output',
        type=Path,
        required=True,
        metavar='FILE',
        help='FILE.onnx for ONNX Runtime, OpenVINO and TensorRT, or FILE.pt2 for torch.export',
    )
    parser.add_argument('--model', type=Path, help='weights file (default: the shipped weights)')
    parser.add_argument(
        '--size',
        type=_size,
        default=None,
        metavar='HxW',
        help="fixed size of the network's input, to which all images are resized, or 'dynamic' "
        '(default) for any size, which is as fast',
    )


def _size(text: str) -> ImageSize | None:
    if text == DYNAMIC:
        return None
    try:
        return image_size(text)
    except argparse.ArgumentTypeError:
        raise argparse.ArgumentTypeError(
            f'must be HxW, such as 512x1024, or {DYNAMIC!r}, not {text!r}'
        ) from None


def run(options: argparse.Namespace) -> None:
    """Export, compare the file with the weights on drawn scenes, and keep it if they agree."""
    from hiseg_ros.datasets.scenes import draw_scene
    from hiseg_ros.export.export import export_network, verify
    from hiseg_ros.model.checkpoint import load_checkpoint
    from hiseg_ros.resources import default_model

    checkpoint = load_checkpoint(options.model or default_model())
    output: Path = options.output
    # Under another name until it is verified: a file of an earlier run stays as it was.
    draft = output.with_name(f'{output.stem}.draft{output.suffix}')
    try:
        export_network(checkpoint, draft, options.size)
        sizes = VERIFICATION_SIZES if options.size is None else (options.size, options.size)
        images = [draw_scene(seed, size).rgb for seed, size in enumerate(sizes)]
        agreements = verify(checkpoint, draft, images)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)
    for agreement in agreements:
        print(
            f'{agreement.program}: {agreement.equal_labels:.3%} of the labels of '
            f'{agreement.images} drawn scenes are equal, probabilities differ by at most '
            f'{agreement.largest_difference:.1e}'
        )
    print(f'written: {output}')
