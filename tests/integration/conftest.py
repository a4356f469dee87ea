from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server


@pytest.fixture(scope="module")
def telemetry(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Telemetry]:
    """A database that the tests of a module share: each works with devices of its own."""
    with (
        server.migrated() as address,
        Telemetry(address, tmp_path_factory.mktemp("dumps")) as shared,
    ):
        yield shared
