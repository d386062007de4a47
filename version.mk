# SPDX-License-Identifier: GPL-2.0-or-later
# Copyright (C) 2026 The dscp-tool authors
DSCP_TOOL_VERSION := 0.1.0
