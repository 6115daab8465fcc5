# SPDX-License-Identifier: Apache-2.0
"""conftest.py - the nested tier (run-kvm) finds guests.py and the modules of tests/e2e."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import guests  # noqa: E402,F401 (tests/e2e)
