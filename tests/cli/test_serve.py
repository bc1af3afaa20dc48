"""`python -m app serve`."""

import pytest

from app.cli.exit_codes import ExitCode
from tests.support.command_line import refused


@pytest.mark.parametrize("host", ["", "x86_64-conda-linux-gnu", "no such host", "::1::1"])
def test_host_that_is_no_address_is_refused_by_name(host: str) -> None:
    message = refused(ExitCode.USAGE_ERROR, "serve", "--host", host)
    assert "--host: must be an address of this machine" in message
