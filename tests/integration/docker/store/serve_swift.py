"""`serve_swift.py --folder DIR --port N`: OpenStack Swift with its S3 interface, one disk, one copy, four processes.

Users come from the environment: every `S3_<NAME>_SECRET` makes a user NAME (in small letters). Access keys are
`<account>:<name>`. The folder's file system must know extended attributes.
"""

import argparse
import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path

from swift.common.ring import RingBuilder, RingData

SERVERS = ("object", "container", "account")
STOP = (signal.SIGTERM, signal.SIGINT)

SWIFT = """[swift-hash]
swift_hash_path_prefix = psgpo
swift_hash_path_suffix = psgpo
[storage-policy:0]
name = single
default = yes
[swift-constraints]
max_file_size = 5368709122
"""
BACKEND = """[DEFAULT]
devices = {devices}
mount_check = false
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {conf}
log_level = ERROR
fallocate_reserve = 0
disable_fallocate = true
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""
PROXY = """[DEFAULT]
bind_ip = {host}
bind_port = {port}
workers = {workers}
user = {user}
swift_dir = {conf}
log_level = ERROR
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck listing_formats s3api tempauth bulk slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:healthcheck]
use = egg:swift#healthcheck
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
auth_pipeline_check = false
[filter:tempauth]
use = egg:swift#tempauth
{users}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def users(account: str) -> str:
    secrets = {
        name.removeprefix("S3_").removesuffix("_SECRET").lower(): secret
        for name, secret in os.environ.items()
        if name.startswith("S3_") and name.endswith("_SECRET")
    }
    return "\n".join(f"user_{account}_{name} = {secret} .admin" for name, secret in secrets.items())


def configure(folder: Path, host: str, port: int, account: str) -> Path:
    conf, devices = folder / "conf", folder / "devices"
    (devices / "d1").mkdir(parents=True, exist_ok=True)
    conf.mkdir(exist_ok=True)
    user = pwd.getpwuid(os.getuid()).pw_name
    (conf / "swift.conf").write_text(SWIFT)
    for name in SERVERS:
        backend = free_port()
        (conf / f"{name}.conf").write_text(
            BACKEND.format(devices=devices, port=backend, user=user, conf=conf, name=name)
        )
        _ring(backend).save(str(conf / f"{name}.ring.gz"))
    (conf / "proxy.conf").write_text(
        PROXY.format(host=host, port=port, workers=2, user=user, conf=conf, users=users(account))
    )
    return conf


def _ring(port: int) -> RingData:
    """One disk on one server."""
    builder = RingBuilder(4, 1, 0)
    here = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
    builder.add_dev({**here, "region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": ""})
    builder.rebalance()
    return builder.get_ring()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--account", default="psgpo")
    options = parser.parse_args()
    conf = configure(options.folder, options.host, options.port, options.account)
    scripts = Path(sys.executable).parent
    started = [
        subprocess.Popen(
            [
                sys.executable,
                "-W",
                "ignore",
                str(scripts / f"swift-{name}-server"),
                str(conf / f"{name}.conf"),
            ]
        )
        for name in (*SERVERS, "proxy")
    ]

    def stop(*_: object) -> None:
        for process in started:
            process.terminate()

    for number in STOP:
        signal.signal(number, stop)
    codes = [process.wait() for process in started]
    return max(abs(code) for code in codes)


if __name__ == "__main__":
    sys.exit(main())
