# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""Initial layout of the viewer: images with labels and signs large, the rest beside and below."""

from __future__ import annotations

from collections.abc import Sequence

import rerun.blueprint as rrb

from hiseg_ros.viewer.cameras import SeenCamera
from hiseg_ros.viewer.names import (
    BY_LEVEL,
    FRAMES,
    TIMELINE,
    TIMES,
    metric_path,
    most_probable_path,
    node_path,
)
from hiseg_ros.viewer.truth import SeenTruth


def blueprint(
    cameras: Sequence[SeenCamera],
    levels: Sequence[int],
    truth: SeenTruth | None,
    *,
    has_metrics: bool,
) -> rrb.Blueprint:
    """Return the layout.

    Args:
        cameras: The cameras that are shown.
        levels: Levels whose probabilities are shown.
        truth: The ground truth, None without it.
        has_metrics: Whether there are metrics of a replay's frames.
    """
    whole = [camera_layout(c, levels, truth, has_metrics=has_metrics) for c in cameras]
    root: rrb.Container = whole[0]
    if len(whole) > 1:
        images = [image_view(camera, camera.node) for camera in cameras]
        root = rrb.Tabs(rrb.Grid(*images, name='all cameras'), *whole)
    return rrb.Blueprint(
        root,
        rrb.BlueprintPanel(state='expanded'),
        rrb.SelectionPanel(state='collapsed'),
        rrb.TimePanel(state='collapsed', timeline=TIMELINE),
        auto_views=False,
    )


def camera_layout(
    camera: SeenCamera, levels: Sequence[int], truth: SeenTruth | None, *, has_metrics: bool
) -> rrb.Horizontal:
    """Return the layout of one camera."""
    node = camera.node
    large = image_view(camera, 'image, labels, signs')
    plots = plot_views(camera, has_metrics=has_metrics)
    left = rrb.Vertical(large, rrb.Tabs(*plots), row_shares=[5, 2]) if plots else large
    beside: list[rrb.View | rrb.Container] = []
    judged = []
    if truth is not None and truth.node == node:
        images = [] if camera.image is None else [camera.image.name]
        judged.append(rrb.Spatial2DView(name='ground truth', contents=[*images, truth.topic]))
    if 'confidence' in camera.results:
        judged.append(rrb.Spatial2DView(name='confidence', contents=[f'{node}/confidence']))
    if judged:
        beside.append(rrb.Tabs(*judged) if len(judged) > 1 else judged[0])
    shown = [level_view(camera, level) for level in levels if level in camera.levels]
    if shown:
        beside.append(rrb.Tabs(*shown, name='probabilities'))
    if not beside:
        return rrb.Horizontal(left, name=node)
    return rrb.Horizontal(left, rrb.Vertical(*beside), column_shares=[5, 3], name=node)


def image_view(camera: SeenCamera, name: str) -> rrb.Spatial2DView:
    """Return a view of the camera's images with labels and signs over them."""
    contents = [f'{camera.node}/labels', f'{camera.node}/traffic_signs']
    if camera.image is not None:
        contents.insert(0, camera.image.name)
    return rrb.Spatial2DView(name=name, contents=contents)


def level_view(camera: SeenCamera, level: int) -> rrb.Spatial2DView:
    """Return a view of a level's most probable nodes; the probability of each node is hidden."""
    tree, node = camera.taxonomy, camera.node
    layers = [node_path(node, tree.nodes[i].name) for i in tree.level_nodes(level)]
    return rrb.Spatial2DView(
        name=f'level {level}',
        contents=[most_probable_path(node, level), *layers],
        overrides={path: rrb.EntityBehavior(visible=False) for path in layers},
    )


def plot_views(camera: SeenCamera, *, has_metrics: bool) -> list[rrb.TimeSeriesView]:
    """Return the plots."""
    node = camera.node
    views: list[rrb.TimeSeriesView] = []
    if has_metrics:
        by_level = metric_path(node, BY_LEVEL)
        contents = [f'{node}/figures/**', f'- {by_level}/**']
        views.append(rrb.TimeSeriesView(name='scores and flicker', contents=contents))
        views.append(rrb.TimeSeriesView(name=BY_LEVEL, contents=[f'{by_level}/**']))
    if camera.is_timed:
        for title, group in (('times [ms]', TIMES), ('frames so far', FRAMES)):
            contents = [f'{node}/stats/{group}/**']
            views.append(rrb.TimeSeriesView(name=title, contents=contents))
    return views
