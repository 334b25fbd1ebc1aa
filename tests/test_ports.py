"""Wards of several test runs on one machine never meet on a port."""
import pathlib, socket, subprocess, sys

import pytest

import ports
from ports import claim_offset


def test_an_offset_belongs_to_one_process_until_it_is_given_back():
    offset, claim = claim_offset()
    code = "import ports; print(ports.claim_offset()[0])"
    others = [subprocess.Popen([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parent, stdout=subprocess.PIPE,
                               text=True) for _ in range(2)]
    assert all(int(other.communicate()[0]) != offset for other in others)
    here, second = claim_offset()
    assert here != offset
    second.close()
    claim.close()


def test_a_port_that_is_taken_takes_its_block(monkeypatch):
    offset, block = claim_offset()
    monkeypatch.setattr(ports, "OFFSETS", [offset])
    monkeypatch.setattr(ports, "CLAIM_PORT", ports.CLAIM_PORT + 1)  # within our block, so that nobody else is there
    for port in ports.SERVER_PORTS:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", port + offset))
            with pytest.raises(RuntimeError, match="no free ports"):
                claim_offset()
    found, claim = claim_offset()
    assert found == offset
    claim.close()
    block.close()
