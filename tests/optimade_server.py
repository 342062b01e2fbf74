"""A real OPTIMADE server: optimade-python-tools with its in-memory back end, behind a network that can fail.

    python optimade_server.py CONFIG.json

The configuration is optimade-python-tools'; the port is chosen by the system and written to standard output.
"""

from __future__ import annotations

import logging
import os
import socket
import sys

from faulty_network import FaultyNetwork

LICENCE = "https://spdx.org/licenses/CC-BY-4.0"


def main() -> None:
    """Serve until the process is ended."""
    os.environ["OPTIMADE_CONFIG_FILE"] = sys.argv[1]
    from optimade.server.config import ServerConfig
    from optimade.server.create_app import create_app

    config = ServerConfig()
    config.__dict__["license"] = LICENCE  # an assigned one would be looked up on the network
    serve(create_app(config))


def serve(app: object) -> None:
    """Run an app on a free port of this machine, and say which."""
    import uvicorn

    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(100)
    sys.stdout.write(f"{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # cut connections are on purpose
    server = uvicorn.Server(uvicorn.Config(FaultyNetwork(app), log_level="critical", lifespan="off"))
    server.run(sockets=[listening])


if __name__ == "__main__":
    main()
