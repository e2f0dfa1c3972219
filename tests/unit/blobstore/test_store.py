"""What a bucket is asked with."""

import pytest
from blobstore import BlobStore


@pytest.mark.parametrize(
    ("url", "unsigned"),
    [
        ("http://127.0.0.1:2833", "true"),
        ("http://[::1]:2833", "true"),
        ("http://localhost:2833", "true"),
        ("https://s3.example.org", "false"),
        ("http://10.0.0.1:9000", "false"),
        ("http://127.0.0.1.example.org", "false"),
        ("http://127.0.0.1@example.org", "false"),
    ],
)
def test_what_leaves_the_machine_is_signed_whole(url: str, unsigned: str) -> None:
    config = dict(BlobStore.open(url, "mail", "key", "secret")._store.config)
    assert config["unsigned_payload"] == unsigned
