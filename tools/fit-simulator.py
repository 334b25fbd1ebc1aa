#!/usr/bin/env python3
"""What recordings of real patients say about vital signs, and how near the simulator comes to it.

    tools/fit-simulator.py                  recorded beside simulated, a distance per row
    tools/fit-simulator.py --check          the same; exit 1 where a row is beyond its bar
    tools/fit-simulator.py --tables         the numbers of backend/ingest/simulator_fit.c, measured
    tools/fit-simulator.py --markdown       the table of docs/decisions/0014

Needs the recordings (`wardscribe data get NAME`, or $WARDSCRIBE_DATA) and a built program.  Both sides are judged by
the same code: implausible values are counted and left out (the bounds of backend/clinical/vital.c), rows that
measured nothing are left out.  The simulated side is `wardscribe simulate --charting SET`.

level    PSI of all values over NEWS2's bands, the bins of backend/learn/profile.c; bar 0.25 (Siddiqi 2006, chapter 10)
between  standard deviation of the patients' medians                          ratio, bar 1.5
change   mean absolute difference over an hour and over twelve (BIDMC: 1 s and 60 s)   ratio, bar 1.5
missing  share of rows without the vital                                      difference, bar 0.05
gap      mean rows in a gap                                                   ratio, bar 2
together correlation of deviations from the patient's mean                    difference, bar 0.2
alarms   share of values beyond the default limits of docs (warning or worse) difference, bar 0.1
episodes runs of such values per patient-hour, breaks over 12 h left out       ratio, bar 2
implausible  share of values                                                  shown, no bar
BIDMC is 33 patients for eight minutes: between them a PSI of about 0.3 is chance alone (bins / patients), so that
level and between have no bar there; it judges the change over seconds.  Nor has between one where a vital is in fewer
than a tenth of the rows.
"""
import argparse, bisect, collections, csv, datetime, gzip, itertools, json, math, os, pathlib, statistics
import subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
VITALS = ["heartRate", "spO2", "systolic", "diastolic", "temperature", "respiratory"]
PLAUSIBLE = [(10, 300), (30, 100), (30, 300), (10, 200), (24, 45), (2, 120)]
EDGES = [[40, 50, 60, 70, 80, 90, 110, 130, 150], [84, 87, 90, 91, 93, 95, 96, 97, 98],
         [80, 90, 100, 110, 120, 130, 140, 160, 180], [40, 50, 55, 60, 65, 70, 80, 90, 100],
         [35, 36, 36.5, 37, 37.5, 38, 38.5, 39, 40], [8, 11, 14, 16, 18, 20, 24, 29, 35]]
# The default limits of backend/clinical/alarm_limits.c, warning or worse.
ALARMS = {"tachycardia": (0, lambda x: x > 100), "bradycardia": (0, lambda x: x < 60),
          "hypoxia": (1, lambda x: x <= 92), "hypertension": (2, lambda x: x >= 140),
          "hypotension": (2, lambda x: x <= 90), "fever": (4, lambda x: x > 38),
          "hypothermia": (4, lambda x: x <= 35.5), "tachypnea": (5, lambda x: x >= 24),
          "bradypnea": (5, lambda x: x <= 10)}
PAIRS = [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 5), (2, 3), (4, 5)]
SETS = {  # patients and time to simulate
    "challenge2019": (200, "5d"), "challenge2012": (500, "2d"), "mimic": (200, "4d"), "bidmc": (200, "481s")}
CHARTED = ["challenge2019", "challenge2012", "mimic"]
SAME_ENOUGH = 1e-9
SELDOM = 0.9    # missing more often: a patient has three or four values, whose median says little of the patient


# ---- rows: (patient, seconds, six values or None) ----

def number(text):
    text = (text or "").strip()
    return None if text in ("", "NaN") else float(text)


def read_bidmc(folder):
    for path in sorted((folder / "bidmc").glob("*_Numerics.csv")):
        for row in csv.reader(open(path), skipinitialspace=True):
            if row and row[0] != "Time [s]":
                heart, respiratory, spo2 = number(row[1]), number(row[3]), number(row[4])
                yield path.name, float(row[0]), [heart, spo2, None, None, None, respiratory]


def read_challenge2019(folder):
    for path in sorted((folder / "challenge2019").glob("*.psv")):
        for hour, row in enumerate(csv.DictReader(open(path), delimiter="|")):
            yield path.name, hour * 3600.0, [number(row[k]) for k in ("HR", "O2Sat", "SBP", "DBP", "Temp", "Resp")]


def read_challenge2012(folder):
    for row in csv.DictReader(gzip.open(folder / "challenge2012" / "set-a-vitals.csv.gz", "rt")):
        hours, minutes = row["Time"].split(":")
        line = [number(row["SysABP"]), number(row["DiasABP"])]
        believed = None not in line and line[0] >= 30 and 10 <= line[1] < line[0]
        pressure = line if believed else [number(row["NISysABP"]), number(row["NIDiasABP"])]
        yield row["RecordID"], int(hours) * 3600.0 + int(minutes) * 60, [number(row["HR"]), number(row["SaO2"]),
                                                                         *pressure, number(row["Temp"]),
                                                                         number(row["RespRate"])]


def read_mimic(folder):
    names = ("heart_rate_bpm", "spo2_pct", "systolic_mmHg", "diastolic_mmHg", "temperature_C", "resp_rate_bpm")
    for row in csv.DictReader(open(folder / "mimic3-demo" / "vitals.csv")):
        yield row["subject_id"], datetime.datetime.fromisoformat(row["charttime"]).timestamp(), [number(row[k])
                                                                                                 for k in names]


READERS = {"bidmc": read_bidmc, "challenge2019": read_challenge2019, "challenge2012": read_challenge2012,
           "mimic": read_mimic}


def simulated(binary, name, seed):
    patients, duration = SETS[name]
    command = [binary, "simulate", "--charting", name, "--patients", str(patients), "--duration", duration, "--seed",
               str(seed), "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            row = json.loads(line)
            seconds = datetime.datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00")).timestamp()
            yield row["patient_id"], round(seconds), [row.get(v) for v in VITALS]
    if process.returncode:
        sys.exit(f"simulate --charting {name} failed")


# ---- what is measured of either side ----

class Portrait:
    def __init__(self, rows):
        self.patients, self.present, self.implausible = collections.OrderedDict(), [0] * 6, [0] * 6
        for patient, seconds, values in rows:
            self.take(values)
            if any(v is not None for v in values):
                self.patients.setdefault(patient, []).append((seconds, values))
        for rows in self.patients.values():
            rows.sort(key=lambda row: row[0])  # MIMIC's stays are in the order of their numbers
        self.rows = sum(map(len, self.patients.values()))
        self.series = [[[(t, v[i]) for t, v in rows if v[i] is not None] for rows in self.patients.values()]
                       for i in range(6)]
        self.values = [sorted(x for s in self.series[i] for _, x in s) for i in range(6)]
        self.means = [{p: statistics.fmean(x for _, x in s) for p, s in zip(self.patients, self.series[i]) if s}
                      for i in range(6)]

    def take(self, values):
        for i, value in enumerate(values):
            self.present[i] += value is not None
            if value is not None and not PLAUSIBLE[i][0] <= value <= PLAUSIBLE[i][1]:
                values[i] = None
                self.implausible[i] += 1
        if None not in values[2:4] and values[3] >= values[2]:
            values[2] = values[3] = None
            self.implausible[2] += 1

    def medians(self, i):
        return sorted(statistics.median(x for _, x in s) for s in self.series[i] if s)

    def change(self, i, lag_s, grain_s):
        """Mean absolute difference between values `lag_s` apart; None: fewer than 200."""
        sizes = []
        for series in self.series[i]:
            at = {round(t / grain_s): x for t, x in series}
            step = round(lag_s / grain_s)
            sizes += [abs(at[k + step] - x) for k, x in at.items() if k + step in at]
        return statistics.fmean(sizes) if len(sizes) >= 200 else None

    def missing(self, i):
        return 1 - len(self.values[i]) / self.rows

    def gaps(self, i):
        """Mean length, in rows, of the gaps between two values of a patient."""
        lengths = []
        for rows in self.patients.values():
            have = [k for k, (_, v) in enumerate(rows) if v[i] is not None]
            lengths += [b - a - 1 for a, b in itertools.pairwise(have) if b - a > 1]
        return statistics.fmean(lengths) if len(lengths) >= 50 else None

    def together(self, i, j, between=False):
        if between:
            both = [(self.means[i][p], self.means[j][p]) for p in self.means[i] if p in self.means[j]]
        else:
            both = [(v[i] - self.means[i][p], v[j] - self.means[j][p]) for p, rows in self.patients.items()
                    for _, v in rows
                    if v[i] is not None and v[j] is not None]
        if len(both) < 50 or len({a for a, _ in both}) < 2 or len({b for _, b in both}) < 2:
            return None
        return statistics.correlation([a for a, _ in both], [b for _, b in both])

    def alarm(self, name):
        i, beyond = ALARMS[name]
        if len(self.values[i]) < 200:
            return None, None
        hours = sum(b[0] - a[0] for s in self.series[i] for a, b in itertools.pairwise(s)
                    if b[0] - a[0] <= 12 * 3600) / 3600
        runs = sum(sum(1 for k, (_, x) in enumerate(s) if beyond(x) and (k == 0 or not beyond(s[k - 1][1])))
                   for s in self.series[i])
        return sum(map(beyond, self.values[i])) / len(self.values[i]), runs / hours if hours else 0


def quantile(values, q):
    return values[min(len(values) - 1, int(q * len(values)))]


def psi(a, b, edges):
    def shares(values):
        counts = collections.Counter(bisect.bisect_left(edges, v) for v in values)
        whole = [max(counts[k], 0.5) for k in range(len(edges) + 1)]
        return [c / sum(whole) for c in whole]
    return sum((p - q) * math.log(p / q) for p, q in zip(shares(a), shares(b)))


def ratio(a, b):
    if max(a, b) < SAME_ENOUGH:
        return 1.0
    return max(a, b) / max(min(a, b), SAME_ENOUGH)


# ---- comparing ----

Row = collections.namedtuple("Row", "set what recorded simulated distance bar")


def compare(name, real, made):
    """Every row that both sides can fill."""
    lags = [("1 s", 1, 1), ("60 s", 60, 1)] if name == "bidmc" else [("1 h", 3600, 3600), ("12 h", 43200, 3600)]
    def row(what, a, b, distance, bar, form="%.2f"):
        if a is not None and b is not None:
            yield Row(name, what, form % a, form % b, distance(a, b), bar)
    def apart(a, b):
        return abs(a - b)
    for i, vital in enumerate(VITALS):
        if len(real.values[i]) < 200:
            continue
        spread = ["/".join("%g" % round(quantile(p.values[i], q), 1) for q in (.01, .1, .5, .9, .99))
                  for p in (real, made)]
        yield Row(name, f"{vital} level", *spread, psi(real.values[i], made.values[i], EDGES[i]),
                  0.25 if name in CHARTED else None)
        yield from row(f"{vital} between", *(statistics.pstdev(p.medians(i)) for p in (real, made)), ratio,
                       1.5 if name in CHARTED and real.missing(i) < SELDOM else None)
        for label, lag, grain in lags:
            yield from row(f"{vital} change {label}", real.change(i, lag, grain), made.change(i, lag, grain), ratio,
                           1.5)
        yield from row(f"{vital} missing", real.missing(i), made.missing(i), apart, 0.05, "%.3f")
        if real.missing(i) > 0.02:
            yield from row(f"{vital} gap", real.gaps(i), made.gaps(i), ratio, 2)
        yield from row(f"{vital} implausible", *(p.implausible[i] / max(p.present[i], 1) for p in (real, made)), apart,
                       None, "%.5f")
    if name == "bidmc":
        return
    for i, j in PAIRS:
        yield from row(f"{VITALS[i]} with {VITALS[j]}", real.together(i, j), made.together(i, j), apart, 0.2)
    for alarm in ALARMS:
        (share, often), (made_share, made_often) = real.alarm(alarm), made.alarm(alarm)
        yield from row(f"{alarm} share", share, made_share, apart, 0.1, "%.3f")
        yield from row(f"{alarm} episodes/h", often, made_often, ratio, 2, "%.3f")


# ---- the tables of simulator_fit.c ----

def average(values):
    known = [v for v in values if v is not None]
    return statistics.fmean(known) if known else None


def cholesky(matrix):
    low = [[0.0] * 6 for _ in range(6)]
    for i in range(6):
        for j in range(i + 1):
            rest = matrix[i][j] - sum(low[i][k] * low[j][k] for k in range(j))
            low[i][j] = math.sqrt(max(rest, 0.01)) if i == j else rest / low[j][j]
    return low


def tables(real):
    charted = [real[name] for name in CHARTED]
    print("resting_milli at 1, 10, 25, 50, 75, 90, 99 %: the mean of three sets' quantiles of the patients' medians")
    for i, vital in enumerate(VITALS):
        medians = [p.medians(i) for p in charted]
        print(f"  {vital:12}", *(round(1000 * statistics.fmean(quantile(m, q) for m in medians))
                                 for q in (.01, .1, .25, .5, .75, .9, .99)))
    print("slow, medium, fast_milli: from mean absolute differences (x sqrt(pi)/2: a normal deviation) over 1 and "
          "12 h, 1 and 60 s")
    fast_decay, slow_decay = 1 - math.exp(-6), math.exp(-1 / 8) - math.exp(-12 / 8)
    for i, vital in enumerate(VITALS):
        hour, half_day = (average(p.change(i, lag, 3600) for p in charted) * math.sqrt(math.pi) / 2
                          for lag in (3600, 43200))
        minute = real["bidmc"].change(i, 60, 1)
        fast = (minute or 0) * math.sqrt(math.pi) / 2 / math.sqrt(fast_decay)
        slow2 = (half_day ** 2 - hour ** 2) / slow_decay
        medium2 = max(hour ** 2 - slow2 * (1 - math.exp(-1 / 8)) - fast ** 2, 0) / (1 - math.exp(-3))
        print(f"  {vital:12}", *(round(1000 * x) for x in (math.sqrt(slow2), math.sqrt(medium2), fast)))
    for between in (True, False):
        print("between_permille" if between else "within_permille")
        matrix = [[1.0 if i == j else average(p.together(i, j, between) for p in charted) for j in range(6)]
                  for i in range(6)]
        for i, line in enumerate(cholesky(matrix)):
            print("  ", *(round(1000 * x) for x in line[:i + 1]))


# ---- telling ----

def tell(rows, markdown):
    beyond = 0
    if markdown:
        print("| set | what | recorded | simulated | distance | bar |\n|---|---|---|---|---|---|")
    for r in rows:
        bad = r.bar is not None and r.distance > r.bar
        beyond += bad
        cells = [r.set, r.what, r.recorded, r.simulated, f"{r.distance:.3f}" if r.distance < 1e6 else "none",
                 "" if r.bar is None else f"{r.bar:g}"]
        line = "| " + " | ".join(cells) + " |" if markdown else "{:14} {:24} {:>30} {:>30} {:>8} {:>5}".format(*cells)
        print(line + (" **beyond**" if bad and markdown else "  BEYOND" if bad else ""))
    levels = [r for r in rows if r.what.endswith(" level") and r.bar]
    print(f"{'' if markdown else '# '}{beyond} of {len([r for r in rows if r.bar is not None])} rows beyond their bar; "
          f"levels: mean PSI {statistics.fmean(r.distance for r in levels):.3f}, "
          f"worst {max(r.distance for r in levels):.3f}")
    return beyond


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    data = pathlib.Path(os.environ.get("WARDSCRIBE_DATA", ROOT.parent / "shared" / "data"))
    parser.add_argument("--data", type=pathlib.Path, default=data / "vitals", help="folder with bidmc, challenge2019 …")
    parser.add_argument("--binary", default=str(ROOT / "build" / "wardscribe"))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sets", default=",".join(SETS), help="some of: %(default)s")
    parser.add_argument("--json", action="store_true", help="a JSON object per row")
    for flag in ("check", "tables", "markdown"):
        parser.add_argument("--" + flag, action="store_true")
    arguments = parser.parse_args()
    wrong = [name for name in arguments.sets.split(",") if name not in SETS]
    if wrong:
        parser.error(f"no set {wrong[0]!r}: {', '.join(SETS)}")
    if not arguments.data.is_dir():
        sys.exit(f"{arguments.data}: not there; set WARDSCRIBE_DATA or get the sets with `wardscribe data get`")
    names = list(SETS) if arguments.tables else arguments.sets.split(",")
    real = {name: Portrait(READERS[name](arguments.data)) for name in names}
    if arguments.tables:
        return tables(real)
    rows = [r for name in names for r in compare(name, real[name],
                                                 Portrait(simulated(arguments.binary, name, arguments.seed)))]
    if arguments.json:
        for r in rows:
            print(json.dumps(r._asdict()))
        beyond = sum(r.bar is not None and r.distance > r.bar for r in rows)
    else:
        beyond = tell(rows, arguments.markdown)
    return 1 if arguments.check and beyond else 0


if __name__ == "__main__":
    sys.exit(main())
