"""S3 services over real HTTP: moto's server, which checks keys, signatures and rights; and services that fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

import boto3

SERVER = """
import sys
from moto.server import ThreadedMotoServer

server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
# No settings or keys of the person who runs the tests are read.
ALONE = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_DEFAULT_REGION": "us-east-1",
}
ALL_KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys of a user of a service."""

    name: str
    secret: str = field(repr=False)

    @property
    def environment(self) -> Mapping[str, str]:
        """What boto3 reads them from."""
        return {"AWS_ACCESS_KEY_ID": self.name, "AWS_SECRET_ACCESS_KEY": self.secret}


@dataclass(frozen=True, kw_only=True)
class Service:
    """A running service with the bucket `bucket`, its owner, and a guest who may only list what is there."""

    url: str
    owner: Keys
    guest: Keys

    def describe(self, keys: Keys | None = None) -> dict[str, str]:
        """Return the environment of a command that talks to the service, by default as the owner."""
        return {**ALONE, "AWS_ENDPOINT_URL_S3": self.url, **(keys or self.owner).environment}

    def read_all(self, bucket: str = "bucket") -> dict[str, bytes]:
        """Return every object of a bucket, by its key."""
        client = _connect("s3", self.url, self.owner)
        found = client.list_objects_v2(Bucket=bucket).get("Contents", ())
        return {each["Key"]: client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in found}


@contextmanager
def served() -> Iterator[Service]:
    """Yield a running service, which a process of its own keeps in memory."""
    environment = {**os.environ, **ALONE, **ALL_KEYS}
    with subprocess.Popen(
        [sys.executable, "-P", "-c", SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline())}"
        anybody = Keys(name="key", secret="secret")
        _connect("s3", url, anybody).create_bucket(Bucket="bucket")
        users = {name: _make_user(url, anybody, name, may) for name, may in (("owner", "*"), ("guest", "ListBucket"))}
        # From now on, every request needs a user's signature and a right.
        urlopen(Request(f"{url}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"})).close()
        try:
            yield Service(url=url, **users)
        finally:
            process.kill()


def _make_user(url: str, maker: Keys, name: str, action: str) -> Keys:
    iam = _connect("iam", url, maker)
    policy = {"Effect": "Allow", "Action": f"s3:{action}", "Resource": "*"}
    iam.create_user(UserName=name)
    iam.put_user_policy(
        UserName=name, PolicyName="all", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [policy]})
    )
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Keys(name=made["AccessKeyId"], secret=made["SecretAccessKey"])


def _connect(kind: str, url: str, keys: Keys) -> Any:
    return boto3.client(
        kind,
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=keys.name,
        aws_secret_access_key=keys.secret,
    )


@contextmanager
def failing(code: int, *, promised: int = 0) -> Iterator[str]:
    """Yield the URL of a service that answers everything with this status; of `promised` bytes, it sends none."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(code)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.close_connection = True

        do_PUT = do_GET = do_DELETE = answer

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
