# Copyright 2026 The hiseg_ros developers
# SPDX-License-Identifier: Apache-2.0
"""The HTML report of a finished replay: metrics, timeline, images and signs in one file.

Plotting libraries have no viewer of image layers under a divider, and their scripts alone are
megabytes; the script of this page is 30 kB, and nothing is loaded from the network.
"""

from hiseg_ros.reports.replay_page.page_writer import FILE_NAME, write_report

__all__ = ['FILE_NAME', 'write_report']
