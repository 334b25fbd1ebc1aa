"""Ports for a server that a test or a benchmark starts, each in a block of its own."""
import socket

SERVER_PORTS = (3000, 8001, 8002, 8003, 8004)
CLAIM_PORT = 8005  # no server listens here: who binds it owns the block
OFFSETS = range(10000, 24000, 10)  # below 32768: a client's own port must not take ours while a server is down


def bound(port):
    claim = socket.socket()
    try:
        claim.bind(("127.0.0.1", port))
        return claim
    except OSError:
        claim.close()
        return None


def is_free(port):
    probe = bound(port)
    if probe:
        probe.close()
    return probe is not None


def claim_offset():
    """An offset at which all five ports are free, and the socket that keeps it ours until it is closed.  To find free
    ports is not enough: another process finds the same ones before our server listens.  The claim comes before the
    look, which binds for a moment and would be in the way of a server that starts there."""
    for offset in OFFSETS:
        claim = bound(CLAIM_PORT + offset)
        if claim and all(is_free(port + offset) for port in SERVER_PORTS):
            return offset, claim
        if claim:
            claim.close()
    raise RuntimeError("no free ports")
