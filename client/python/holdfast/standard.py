"""multiprocessing.managers, as a type checker sees it: its stubs lack most of what is built on here."""

from __future__ import annotations

import multiprocessing.managers
from typing import Any

std: Any = multiprocessing.managers
