"""`make_buckets.py NAME...`: make the buckets that are missing; waits for the server for a minute."""

import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PATIENCE_SECONDS = 60
THERE = ("BucketAlreadyOwnedByYou", "BucketAlreadyExists")


def main(names: list[str]) -> int:
    client = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}))
    deadline = time.monotonic() + PATIENCE_SECONDS
    for name in names:
        while (problem := make(client, name)) and time.monotonic() < deadline:
            time.sleep(1)
        if problem:
            print(f"bucket {name}: {problem}", file=sys.stderr)
            return 1
        print(f"bucket {name} is there")
    return 0


def make(client, name: str) -> str:
    """Why it could not be made; empty when it is there."""
    try:
        client.create_bucket(Bucket=name)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        return "" if code in THERE else f"the server answers {code}"
    except BotoCoreError as error:
        return f"{type(error).__name__}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
