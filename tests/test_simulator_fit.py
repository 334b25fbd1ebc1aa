"""The simulator resembles the recordings it was fitted to: tools/fit-simulator.py, row by row, within its bars."""
import json, subprocess

import pytest

from conftest import BINARY, DATA, ROOT

TOOL = ROOT / "tools" / "fit-simulator.py"
VITALS = {"heartRate", "spO2", "systolic", "diastolic", "temperature", "respiratory"}


def compared(*more):
    if not (DATA / "vitals").is_dir():
        pytest.skip(f"{DATA / 'vitals'} is not there (WARDSCRIBE_DATA)")
    done = subprocess.run([TOOL, "--json", "--data", DATA / "vitals", "--binary", BINARY, *more], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_simulated_patients_are_charted_like_recorded_ones():
    rows = compared()
    beyond = [f"{r['set']} {r['what']}: {r['recorded']} recorded, {r['simulated']} simulated" for r in rows
              if r["bar"] is not None and r["distance"] > r["bar"]]
    assert not beyond, "\n".join(beyond)
    for name in ("challenge2019", "challenge2012", "mimic"):
        assert {r["what"].split()[0] for r in rows if r["set"] == name and r["what"].endswith(" level")} == VITALS
    assert len([r for r in rows if r["bar"] is not None]) > 120


def test_the_comparison_can_fail(tmp_path):
    """A ward of the simulator as it shows itself, which is not an intensive care unit's charts, is told apart."""
    stand_in = tmp_path / "wardscribe"
    stand_in.write_text(f'#!/bin/sh\nexec "{BINARY}" simulate --patients 60 --interval 600 --duration 6h --seed 1 '
                        '--quiet\n')
    stand_in.chmod(0o755)
    if not (DATA / "vitals").is_dir():
        pytest.skip(f"{DATA / 'vitals'} is not there (WARDSCRIBE_DATA)")
    done = subprocess.run([TOOL, "--check", "--sets", "challenge2019", "--data", DATA / "vitals", "--binary", stand_in],
                          capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "BEYOND" in done.stdout


def test_without_recordings_it_says_what_to_do(tmp_path):
    done = subprocess.run([TOOL, "--data", tmp_path / "none"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "wardscribe data get" in done.stderr
