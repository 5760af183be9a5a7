"""A server of buckets, and an empty bucket of it, for tests of several packages."""

from uuid import uuid4

import pytest
from bucket_server import CREDENTIALS, CuttingProxy, bucket_server, make_bucket


@pytest.fixture(scope="session")
def server_address():
    """The address of a server of buckets, which all tests share."""
    with bucket_server() as address:
        yield address


@pytest.fixture
def proxy(server_address):
    """What stands before the server of buckets, and can cut connections."""
    proxy = CuttingProxy(server_address)
    yield proxy
    proxy.close()


@pytest.fixture
def bucket(proxy, server_address, monkeypatch):
    """URL of an empty bucket; the environment says how to reach it, through the proxy."""
    name = f"bucket-{uuid4().hex}"
    make_bucket(server_address, name)
    for variable, value in (CREDENTIALS | {"AWS_ENDPOINT_URL": proxy.address}).items():
        monkeypatch.setenv(variable, value)
    return f"s3://{name}"
