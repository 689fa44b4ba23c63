"""Where a cluster is, and whether anything answers there.

Ray waits minutes for an address that nobody listens on, and can be stopped only by ending the process. So we ask
first, for a bounded time, by the standard health check that every gRPC server understands.
"""

import os
import re
from typing import NamedTuple

from brev_pipeline.errors import EngineError

_FORM = re.compile(r"(?P<scheme>ray://)?(?P<host>\[[0-9a-fA-F:]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})")
ADVICE = "give host:6379 of its head on a machine that belongs to it, or ray://host:10001 from anywhere else"


class Address(NamedTuple):
    """Parts of an address."""

    text: str
    place: str
    """host:port."""
    is_client: bool
    """Whether Ray's client is to be used: this machine is no part of the cluster."""


def parse(text: str) -> Address:
    """Take an address apart. Raises `EngineError` if it is none."""
    found = _FORM.fullmatch(text)
    if not found:
        raise EngineError(f"engine.address: {text!r} is no address of a Ray cluster: {ADVICE}")
    return Address(text, f"{found['host']}:{found['port']}", bool(found["scheme"]))


def ask(address: Address, seconds: float) -> None:
    """Make sure that a gRPC server answers.

    Raises:
        EngineError: none does within ``seconds``; it is passing, so a step may try again later.
    """
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return _knock(address, seconds)
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    request = health_pb2.HealthCheckRequest()
    # Not through a proxy of the environment: clusters are reached directly.
    with grpc.insecure_channel(address.place, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            health_pb2_grpc.HealthStub(channel).Check(request, timeout=seconds, wait_for_ready=True)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.UNAVAILABLE):
                raise unreachable(address, f"no Ray cluster answered within {seconds:g} s") from None
            # Any other answer is one: it does not know health checks, or wants a token.
    return None


def _knock(address: Address, seconds: float) -> None:
    import socket

    host, _, port = address.place.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), seconds).close()
    except OSError as error:
        raise unreachable(address, str(error)) from None


def unreachable(address: Address, why: str) -> EngineError:
    """The error for a cluster that cannot be reached now."""
    error = EngineError(
        f"engine.address: {address.text} cannot be reached: {why}; check that the cluster runs and that its address "
        f"is right: {ADVICE}"
    )
    error.passing = True
    return error
