"""Tests that need a Debian package are counted as not run, by name, where it is missing."""

import os
import shutil

import pytest


def needs(program: str, package: str = "") -> pytest.MarkDecorator:
    """A mark for a test or a module (`pytestmark`)."""
    # Daemons lie in sbin, which is not on everybody's PATH.
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    return pytest.mark.skipif(
        shutil.which(program, path=path) is None,
        reason=f"needs the Debian package {package or program}, which is not installed",
    )
