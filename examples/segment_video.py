# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Segment a video file into an overlay video with names; use every Nth frame to save time."""

from __future__ import annotations

import argparse
from pathlib import Path

import av
import numpy as np

from hiseg_ros.inference.engine import Engine
from hiseg_ros.reports.video import VideoWriter, with_strip
from hiseg_ros.visualization import PlacedName, draw_names, overlay, place_names


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('video', help='anything that FFmpeg reads')
    parser.add_argument('output', type=Path, help='the overlay video, .mp4')
    parser.add_argument('--model', help='weights (default: the shipped ones)')
    parser.add_argument('--every', type=int, default=1, help='take every Nth frame')
    options = parser.parse_args()

    engine = Engine(options.model)
    names: tuple[PlacedName, ...] = ()
    with av.open(options.video) as source:
        stream = source.streams.video[0]
        rate_hz = float(stream.average_rate or 25) / options.every
        with VideoWriter(options.output, rate_hz) as video:
            for index, frame in enumerate(source.decode(stream)):
                if index % options.every:
                    continue
                rgb = np.ascontiguousarray(frame.to_ndarray(format='rgb24'))
                result = engine.segment(rgb)
                image = overlay(rgb, result.labels, engine.taxonomy)
                # With the names of the previous frame, so that they do not jump.
                names = place_names(result.labels, engine.taxonomy, names)
                image = draw_names(image, names, engine.taxonomy)
                seconds = frame.time or 0.0
                text = f'{seconds:.2f} s   network {result.timings_ms["network"]:.0f} ms'
                video.write(with_strip(image, text), round(seconds * 1e9))
    print(f'{video.frames} frames on {engine.device}: {options.output}')


if __name__ == '__main__':
    main()
