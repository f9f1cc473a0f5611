"""How long torchrun takes from a rank's SIGKILL to the next step, with a checkpoint after every step.

    python benches/torchrun_recovery.py --kills 10

The script starts torchrun on itself: two ranks train ResNet-20 with DDP over Gloo on random images (their content does not
matter here), rank 0 saves after every step, and a restarted rank goes on from there, as PyTorch's tutorial on torchrun has it.
"""

import argparse
import math
import os
import queue
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

# Seconds after which a rank is not waited for any longer.
LIMIT = 60

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "golden"))


def rank(checkpoint):
    import torch
    import torch.distributed as dist
    from article_resnet import ZOO
    from torch import nn
    from torch.nn.parallel import DistributedDataParallel

    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    model = DistributedDataParallel(ZOO["resnet20"]().to(memory_format=torch.channels_last))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    step = 0
    if os.path.exists(checkpoint):
        saved = torch.load(checkpoint)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        step = saved["step"]
    images = torch.randn(64, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    labels = torch.randint(10, (64,))
    while True:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()
        step += 1
        if dist.get_rank() == 0:
            saved = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}
            torch.save(saved, checkpoint + ".new")
            os.replace(checkpoint + ".new", checkpoint)
        # One write, for lines of two ranks must not mix.
        os.write(1, f"step {step} {os.getpid()}\n".encode())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--checkpoint", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.checkpoint:
        return rank(args.checkpoint)
    times = []
    while len(times) < args.kills:
        times += kill_ranks(args.kills - len(times))
    times.sort()
    most = times[-(-len(times) * 95 // 100) - 1]
    words = [f"{passed:.2f} s" if passed < LIMIT else f"none within {LIMIT} s"
             for passed in (statistics.median_high(times), most)]
    hung = sum(passed == math.inf for passed in times)
    print(f"{args.kills} kills: from SIGKILL to the next step {words[0]} (median), {words[1]} (95th percentile); "
          f"{hung} times there was none within {LIMIT} s")


def kill_ranks(kills):
    """Kills a rank of one torchrun so many times. Ends early with an infinite time if it does not come back."""
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", "1000"]
        command += ["--master-addr", "127.0.0.1", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", __file__]
        command += ["--checkpoint", f"{directory}/checkpoint.pt"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment, text=True)
        steps = queue.Queue()
        threading.Thread(target=lambda: [steps.put(int(line.split()[2])) for line in run.stdout], daemon=True).start()
        times = []
        pids = set()
        try:
            for _ in range(kills):
                pids, count = set(), 0
                while len(pids) < 2 or count < 20:
                    pids.add(steps.get(timeout=LIMIT))
                    count += 1
                os.kill(random.choice(sorted(pids)), signal.SIGKILL)
                killed = time.perf_counter()
                # The first step of a process that was not there before.
                while steps.get(timeout=max(0.01, killed + LIMIT - time.perf_counter())) in pids:
                    pass
                times.append(time.perf_counter() - killed)
        except queue.Empty:
            times.append(math.inf)
        run.terminate()
        run.wait()
        return times


if __name__ == "__main__":
    main()
