# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Settings of objects that are removed from training images."""

from __future__ import annotations

from typing import Literal

from hiseg_ros.training.config.settings import AboveZero, Share, Switch, settings


@settings
class RemovalConfig:
    """Objects removed from a share of the crops, so that other labels need no such neighbours.

    After Shetty, Schiele and Fritz, "Not using the car to see the sidewalk", CVPR 2019
    (arXiv 1812.06707). See docs/context.md.
    """

    share: Share = 0.4
    """Share of the crops in which objects are removed, if there are some; in all of them the
    network would no longer learn what belongs together."""

    labels: tuple[str, ...] = ()
    """Labels of the dataset whose objects are removed; by default those of all movable things."""

    objects: Literal['all', 'one', 'small'] = 'all'
    """What is removed: all objects of one label, one object of one label, or one object of any
    label, small ones more often (with a chance of 1 over the area). Scenes that are drawn again
    have 'all'."""

    largest: Share | None = None
    """Share of the crop above which objects stay; by default 0.1, and of scenes that are drawn
    again 0.3 of the image."""

    redraw: Switch = True
    """Draw scenes again where the dataset can, with the true labels of what was behind the object;
    otherwise, and for all other datasets, objects are in-painted and their pixels unlabeled."""

    method: Literal['telea', 'navier_stokes'] = 'telea'
    """How OpenCV in-paints."""

    radius: AboveZero = 3.0
    """Pixels around an in-painted one that its colour is made of."""
