# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""A finished replay as one page that opens from disk: metrics, timeline, images, signs."""

from hiseg_ros.reports.replay_page.page_writer import FILE_NAME, write_report

__all__ = ['FILE_NAME', 'write_report']
