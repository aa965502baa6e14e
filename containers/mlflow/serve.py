"""Start the tracking server with what the environment says: secrets come by environment only, so MLflow's login
configuration, which it reads from a file, is written here, where only this process reads it.

MLFLOW_DATABASE_URI         runs, experiments and registry
MLFLOW_AUTH_DATABASE_URI    users and permissions
MLFLOW_AUTH_ADMIN_PASSWORD  the first administrator's, at least 12 characters
MLFLOW_ARTIFACTS            where small files go, such as s3://mlflow
"""

import configparser
import os
from pathlib import Path

CONFIGURATION = Path("/tmp/mlflow-auth.ini")  # noqa: S108 - a container's own file system
PORT = "5000"


def write_configuration() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser["mlflow"] = {
        "default_permission": "READ",
        "database_uri": os.environ["MLFLOW_AUTH_DATABASE_URI"],
        "admin_username": os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME", "admin"),
        "admin_password": os.environ["MLFLOW_AUTH_ADMIN_PASSWORD"],
        "authorization_function": "mlflow.server.auth:authenticate_request_basic_auth",
    }
    with open(os.open(CONFIGURATION, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        parser.write(file)


def main() -> None:
    write_configuration()
    os.environ["MLFLOW_AUTH_CONFIG_PATH"] = str(CONFIGURATION)
    arguments = ["mlflow", "server", "--app-name", "basic-auth", "--host", "0.0.0.0", "--port", PORT]  # noqa: S104
    arguments += ["--workers", os.environ.get("MLFLOW_WORKERS", "2")]
    arguments += ["--backend-store-uri", os.environ["MLFLOW_DATABASE_URI"]]
    arguments += ["--artifacts-destination", os.environ["MLFLOW_ARTIFACTS"]]
    os.execvp(arguments[0], arguments)  # noqa: S606 - this process becomes the server


if __name__ == "__main__":
    main()
