"""Tries coxswain on one GPU. Needs a Python with torch, and nothing else; `cargo xtask gpu-kit` packs all that it runs.

    python3 kit.py                  on GPU 0, in less than ten minutes
    python3 kit.py --cpu            the same on the CPU, in the way that a GPU takes, with less of everything

It prints what it does, and writes results.json: the device, and for each part whether it held, how long it took and
what was measured. Parts for which no time is left are skipped, and say so. The exit code is 0 if every part held.

    shim        the tests of the process groups, of the data on the device, and of the arithmetic
    p1          the same bytes again: alone, by Gloo, and with two workers on one device, in fp32 and bf16
    killed      the same bytes where one of two workers is killed
    speed       images a second beside PyTorch's eager and compiled loops, taken alternately
"""

import argparse
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
SMALL = ["--limit-train", "650", "--batch-size", "64", "--limit-test", "300", "--epochs", "2", "--shards", "2"]


class Failed(Exception):
    """A part did not hold, for the reason given."""


class Kit:
    def __init__(self, args):
        self.cpu, self.out = args.cpu, Path(args.out).resolve()
        self.runs = self.out.parent / "runs"
        self.runs.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + 60 * args.minutes
        self.device = ["--cpu", "--as-gpu"] if self.cpu else ["--gpu", "0"]
        site = Path(torch.__file__).resolve().parent
        libraries = [Path(args.libtorch) / "lib"] if args.libtorch else [site / "lib", *site.parent.glob("nvidia/*/lib")]
        inherited = [path for path in [os.environ.get("LD_LIBRARY_PATH")] if path]
        self.environment = os.environ | {
            "LD_LIBRARY_PATH": ":".join([*map(str, libraries), *inherited]),
            "COXSWAIN_BIN_DIR": str(HERE / "bin"),
            "COXSWAIN_DATA_DIR": str(HERE / "data"),
            "NO_COLOR": "1",
        }

    def left(self):
        return self.end - time.monotonic()

    def each(self, jobs):
        """The results of jobs, by their names. On a GPU several go beside each other: only how fast they are depends on it."""
        with ThreadPoolExecutor(1 if self.cpu else 4) as pool:
            promised = {name: pool.submit(job, *arguments) for name, (job, *arguments) in jobs.items()}
            return {name: promise.result() for name, promise in promised.items()}

    def run_test(self, name):
        """One of the test programs. Returns its last lines."""
        command = [HERE / "tests" / name, "--test-threads=1"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=max(self.left(), 1))
        lines = (done.stdout + done.stderr).strip().splitlines()
        if done.returncode != 0:
            raise Failed(f"{name} ended with {done.returncode}: " + "\n".join(lines[-40:]))
        told = [line for line in lines if "SKIPPED" in line or line.startswith("test ")]
        return [line[:200] for line in told]

    def train(self, name, workers, flags, extra=(), kill_at=None):
        """A run of so many workers on the device. Returns its summary and its epochs. `kill_at`: when the last worker is
        killed, as (epoch, step)."""
        run_dir = self.runs / name
        subprocess.run(["rm", "-rf", str(run_dir)], check=True)
        command = [HERE / "bin" / "coordinator", "--workers", str(workers), "--listen", "127.0.0.1:0"]
        command += ["--run-dir", run_dir, "--data-dir", HERE / "data", *flags]
        log = open(self.runs / f"{name}.log", "w+")
        processes = [subprocess.Popen([str(part) for part in command], env=self.environment, stdout=log, stderr=log)]
        try:
            url = self.address(log, processes[0])
            for index in range(workers):
                worker = [HERE / "bin" / "worker", *self.device, *extra, "--coordinator", url, "--name", f"w{index}"]
                worker_log = open(self.runs / f"{name}-w{index}.log", "w")
                arguments = [str(part) for part in worker]
                processes.append(subprocess.Popen(arguments, env=self.environment, stdout=worker_log, stderr=worker_log))
            if kill_at:
                self.wait_for(url, kill_at, processes[0])
                processes[-1].send_signal(signal.SIGKILL)
            code = processes[0].wait(timeout=max(self.left(), 1))
        except subprocess.TimeoutExpired:
            raise Failed(f"{name} has taken too long: {self.tail(log)}") from None
        finally:
            for process in processes:
                if process.poll() is None:
                    process.terminate()
            for process in processes:
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
        if code != 0:
            workers_said = [path.read_text()[-500:] for path in sorted(self.runs.glob(f"{name}-w*.log"))]
            raise Failed(f"{name} ended with {code}: {self.tail(log)}; workers: {workers_said}")
        summary = json.loads((run_dir / "summary.json").read_text())
        epochs = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
        return summary, epochs

    @staticmethod
    def tail(log):
        log.seek(0)
        return log.read()[-1500:]

    def address(self, log, process):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            log.seek(0)
            found = re.search(r"listening on (\S+:\d+)", log.read())
            if found:
                return f"http://{found[1]}"
            time.sleep(0.05)
        raise Failed(f"the coordinator does not listen: {self.tail(log)}")

    def wait_for(self, url, place, process):
        while self.left() > 0 and process.poll() is None:
            command = [HERE / "bin" / "cox", "--coordinator", url, "status", "--json"]
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
            if done.returncode == 0:
                status = json.loads(done.stdout)
                if status["state"] == "training" and (status["epoch"], status["step"]) >= place:
                    return
            time.sleep(0.02)
        raise Failed(f"the run has never come to epoch {place[0]}, step {place[1]}")

    def shim(self):
        names = ["cuda", "resident", "optimizers_on_a_gpu", "parity_on_a_gpu", *([] if self.cpu else ["gpu"])]
        return self.each({name: (self.run_test, name) for name in names})

    def p1(self):
        gloo = ["--backend", "gloo"]
        ways = {"alone": (1, []), "again": (1, []), "gloo": (1, gloo), "two": (2, gloo)}
        jobs = {
            (precision, way): (self.train, f"p1-{precision}-{way}", workers, [*SMALL, "--precision", precision], extra)
            for precision in ["fp32", "bf16"]
            for way, (workers, extra) in ways.items()
        }
        figures = {}
        for (precision, way), (summary, _) in self.each(jobs).items():
            figures.setdefault(precision, {})[way] = summary["weights_sha256"]
        for precision, weights in figures.items():
            if len(set(weights.values())) != 1:
                raise Failed(f"{precision}: the weights differ: {weights}")
        return figures

    def killed(self):
        flags = [*SMALL, "--precision", "fp32", "--failure-timeout", "5s"]
        gloo = ["--backend", "gloo", "--shared-memory", "off"]
        ended = self.each({
            "undisturbed": (self.train, "killed-not", 2, flags, gloo),
            "killed": (self.train, "killed", 2, flags, gloo, (1, 3)),
        })
        (undisturbed, _), (summary, _) = ended["undisturbed"], ended["killed"]
        same = summary["weights_sha256"] == undisturbed["weights_sha256"]
        if not same or not summary["recoveries"]:
            raise Failed(f"{summary['weights_sha256']} with {summary['recoveries']}, {undisturbed['weights_sha256']} without")
        return {"recoveries": summary["recoveries"], "weights_sha256": summary["weights_sha256"]}

    def reference(self, side, model, options):
        """Images a second of PyTorch, or None if it came to nothing, which is told."""
        command = [sys.executable, HERE / "reference.py", options]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=min(max(self.left(), 1), 120))
        except subprocess.TimeoutExpired:
            print(f"  {side} of {model}: no time was left", flush=True)
            return None
        if done.returncode != 0:
            print(f"  {side} of {model}: {done.stderr.strip()[-300:]}", flush=True)
            return None
        return float(done.stdout.split()[-1])

    def speed(self):
        plans = [("resnet20", 64, 256, 2)] if self.cpu else [("resnet20", 512, 9_728, 12), ("resnet18", 512, 9_728, 8)]
        rounds = 1 if self.cpu else 3
        precision = "fp32" if self.cpu else "bf16"
        figures = {}
        for model, batch, images, epochs in plans:
            flags = ["--model", model, "--batch-size", str(batch), "--limit-train", str(images), "--limit-test", "512"]
            flags += ["--epochs", str(epochs), "--precision", precision]
            sides = {"coxswain": [], "eager": [], "compiled": []}
            for turn in range(rounds):
                if self.left() < 60:
                    break
                _, trained = self.train(f"speed-{model}-{turn}", 1, flags)
                # The first epoch warms up.
                sides["coxswain"].append(statistics.median(epoch["images_per_second"] for epoch in trained[1:]))
                for side in ["eager", "compiled"]:
                    options = json.dumps([model, batch, images, epochs, precision, side, self.cpu, str(HERE)])
                    speed = self.reference(side, model, options)
                    if speed:
                        sides[side].append(speed)
            medians = {side: statistics.median(values) for side, values in sides.items() if values}
            figures[model] = {"batch": batch, "precision": precision, "images_per_second": sides, "medians": medians}
            # Where the time of a step goes is in it, as the device's own clock has it.
            figures[model]["last_epoch"] = trained[-1] if sides["coxswain"] else None
            print(f"  {model}: {medians}", flush=True)
        return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cpu", action="store_true", help="on the CPU, in the way that a GPU takes")
    parser.add_argument("--libtorch", help="a libtorch of the kit's version [default: that of Python's torch]")
    parser.add_argument("--minutes", type=float, default=9.0, help="how long it may take")
    parser.add_argument("--out", default="results.json")
    parser.add_argument("--only", nargs="*", help="parts to run")
    args = parser.parse_args()
    wanted = (HERE / "version").read_text().strip()
    if not args.libtorch and torch.__version__.split("+")[0] != wanted:
        sys.exit(f"this kit is built for torch {wanted}, and Python has {torch.__version__}: use another kit, or --libtorch DIR")
    kit = Kit(args)
    about = {"torch": torch.__version__, "libtorch": wanted, "cpu": args.cpu}
    if not args.cpu:
        about |= {"device": torch.cuda.get_device_name(0), "capability": torch.cuda.get_device_capability(0)}
    results = {"about": about, "parts": {}}
    for name in ["shim", "p1", "killed", "speed"]:
        if args.only and name not in args.only:
            continue
        if kit.left() < 20:
            results["parts"][name] = {"held": None, "why": "no time was left"}
            continue
        print(f"{name}:", flush=True)
        began = time.monotonic()
        try:
            part = {"held": True, "figures": getattr(kit, name)()}
        except Failed as why:
            part = {"held": False, "why": str(why)}
        except Exception:  # noqa: BLE001: whatever it is, the other parts are still of use
            part = {"held": False, "why": traceback.format_exc()[-2000:]}
        part["seconds"] = round(time.monotonic() - began, 1)
        results["parts"][name] = part
        print(f"  {'held' if part['held'] else 'DID NOT HOLD: ' + part['why']} ({part['seconds']} s)", flush=True)
        kit.out.write_text(json.dumps(results, indent=1) + "\n")
    kit.out.write_text(json.dumps(results, indent=1) + "\n")
    print(f"results are in {kit.out}")
    sys.exit(0 if all(part["held"] for part in results["parts"].values()) else 1)


if __name__ == "__main__":
    main()
