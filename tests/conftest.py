"""Fixtures of the suites with real parts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def small_model() -> Path:
    """The folder of the small model."""
    folder = os.environ.get("CONCLAVE_SMALL_MODEL")
    if not folder:
        pytest.skip("CONCLAVE_SMALL_MODEL names no folder")
    return Path(folder)
