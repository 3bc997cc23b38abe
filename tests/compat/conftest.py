"""What the tests of old programs share."""

from collections.abc import Iterator

import pytest

from tf_estimator.compat.install import install, uninstall


@pytest.fixture
def installed() -> Iterator[None]:
    """`install()` is in force for the time of a test."""
    install()
    yield
    uninstall()
