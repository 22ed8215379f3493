"""The PyTorch side of `cargo xtask bench-peer`.

It does the work that `crates/townlet-drqn/examples/peer.rs` does, in the form in which PyTorch is fastest,
and speaks the same protocol: one JSON request a line on standard input, one JSON answer a line on standard
output. `xtask/src/bench_peer/protocol.rs` says what they hold.

What is measured is the algorithm, not the transport: the batch of an update is a set of tensors before the
clock starts, time first, as `nn.LSTM` reads it without a copy.
"""

import argparse
import gc
import json
import statistics
import sys
import time

import numpy
import torch
from torch import nn

# The observation of the `pomdp` level and the standard sizes of the network.
SIDE = 5
POSITION = 2
METERS = 8
AFFORDANCE = 15
FEATURES = SIDE * SIDE + POSITION + METERS + AFFORDANCE
ACTIONS = 5
HIDDEN = 256

DISCOUNT = 0.99
LEARNING_RATE = 1e-4
ADAM_EPSILON = 1e-8
MAX_GRAD_NORM = 10.0

# The part of a measurement that comes before it, and the fewest repetitions of both.
WARM_UP = 0.25
FEWEST = 3


class RecurrentSpatialQ(nn.Module):
    """Encoders over every step at once, one LSTM over the whole sequence, a head over every step at once."""

    def __init__(self):
        super().__init__()
        self.vision = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * SIDE * SIDE, 128),
            nn.ReLU(),
        )
        self.position = nn.Linear(POSITION, 32)
        self.meters = nn.Linear(METERS, 32)
        self.affordance = nn.Linear(AFFORDANCE, 32)
        self.lstm = nn.LSTM(128 + 3 * 32, HIDDEN)
        self.head = nn.Sequential(nn.Linear(HIDDEN, 128), nn.ReLU(), nn.Linear(128, ACTIONS))

    def forward(self, observations, state=None):
        """Values `[time, batch, ACTIONS]` of `[time, batch, FEATURES]`, and the state after the last step."""
        steps, batch, _ = observations.shape
        parts = observations.view(steps * batch, FEATURES).split(
            [SIDE * SIDE, POSITION, METERS, AFFORDANCE], dim=1
        )
        window, position, meters, affordance = parts
        features = torch.cat(
            [
                self.vision(window.reshape(-1, 1, SIDE, SIDE)),
                torch.relu(self.position(position)),
                torch.relu(self.meters(meters)),
                torch.relu(self.affordance(affordance)),
            ],
            dim=1,
        )
        memory, state = self.lstm(features.view(steps, batch, -1), state)
        return self.head(memory), state


class Batch:
    """Random sequences of full length, of which one step in fifty ends its episode."""

    def __init__(self, batch, steps):
        rng = numpy.random.default_rng(1)

        def tensor(array):
            return torch.from_numpy(numpy.ascontiguousarray(array))

        self.observations = tensor(rng.random((steps + 1, batch, FEATURES), dtype=numpy.float32))
        forbidden = rng.random((steps, batch, ACTIONS)) < 0.2
        # No observation of the town forbids everything.
        forbidden[:, :, -1] = False
        self.forbidden = tensor(forbidden)
        self.actions = tensor(rng.integers(0, ACTIONS, (steps, batch, 1)))
        self.rewards = tensor(rng.standard_normal((steps, batch), dtype=numpy.float32))
        terminated = rng.random((steps, batch)) < 0.02
        self.discounts = tensor(numpy.where(terminated, 0.0, DISCOUNT).astype(numpy.float32))


class Training:
    """Updates from one batch, one after the other."""

    def __init__(self, batch, steps, fused):
        self.online = RecurrentSpatialQ()
        self.target = RecurrentSpatialQ()
        self.target.load_state_dict(self.online.state_dict())
        self.target.requires_grad_(False)
        self.parameters = list(self.online.parameters())
        # Not `fused=False`: leaving it out keeps the form that PyTorch itself chooses.
        form = {"fused": True} if fused else {}
        self.adam = torch.optim.Adam(self.parameters, lr=LEARNING_RATE, eps=ADAM_EPSILON, **form)
        self.batch = Batch(batch, steps)

    def __call__(self):
        batch = self.batch
        values, _ = self.online(batch.observations[:-1])
        values = values.gather(2, batch.actions).squeeze(2)
        with torch.no_grad():
            # The target network sees the first observation too: its memory begins where the other's does.
            successors = self.target(batch.observations)[0][1:]
            best = successors.masked_fill(batch.forbidden, -1e30).amax(dim=2)
            targets = torch.addcmul(batch.rewards, batch.discounts, best)
        loss = nn.functional.mse_loss(values, targets)
        self.adam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, MAX_GRAD_NORM)
        self.adam.step()
        return loss.item()


class Acting:
    """Steps of many agents that remember, from observations on the host to actions on the host."""

    def __init__(self, batch):
        self.network = RecurrentSpatialQ().eval()
        self.observations = numpy.random.default_rng(1).random((batch, FEATURES), dtype=numpy.float32)
        self.state = None

    @torch.inference_mode()
    def __call__(self):
        observations = torch.from_numpy(self.observations).unsqueeze(0)
        values, self.state = self.network(observations, self.state)
        return values[0].argmax(dim=1).tolist()


def measure(work, seconds):
    """The median time of `work` in ms, and how often it was timed."""
    repeat(work, seconds * WARM_UP)
    gc.collect()
    # The collector would run in the middle of a repetition.
    gc.disable()
    try:
        times = repeat(work, seconds)
    finally:
        gc.enable()
    return statistics.median(times) / 1e6, len(times)


def repeat(work, seconds):
    """How long `work` takes, in ns, over and over until so many seconds have passed."""
    times = []
    before = time.perf_counter_ns()
    end = before + int(seconds * 1e9)
    while before < end or len(times) < FEWEST:
        work()
        after = time.perf_counter_ns()
        times.append(after - before)
        before = after
    return times


def train(request):
    batch, steps, seconds = request["batch"], request["time"], request["seconds"]
    timings = []
    for form, fused in [("Adam", False), ("fused Adam", True)]:
        training = Training(batch, steps, fused)
        median, repetitions = measure(training, seconds)
        timings.append(timing(median, repetitions, training.parameters, form))
    return min(timings, key=lambda timing: timing["median_ms"])


def act(request):
    acting = Acting(request["batch"])
    median, repetitions = measure(acting, request["seconds"])
    return timing(median, repetitions, acting.network.parameters(), None)


def timing(median, repetitions, parameters, form):
    return {
        "median_ms": median,
        "repetitions": repetitions,
        "parameters": sum(parameter.numel() for parameter in parameters),
        "form": form,
    }


def about(_request):
    return {"program": "PyTorch", "version": torch.__version__, "threads": torch.get_num_threads()}


WORKS = {"about": about, "train": train, "act": act}


def answer(line):
    """What to say to one request. Whatever goes wrong becomes an answer too."""
    try:
        request = json.loads(line)
        work = WORKS.get(request.get("work"))
        if work is None:
            return {"error": f"work is {request.get('work')!r}: expected one of {', '.join(WORKS)}"}
        return work(request)
    except KeyError as key:
        return {"error": f"the request has no {key}"}
    except Exception as error:  # noqa: BLE001
        return {"error": f"{type(error).__name__}: {error}"}


def main():
    parser = argparse.ArgumentParser(description="The PyTorch side of `cargo xtask bench-peer`.")
    parser.add_argument("--threads", type=int, required=True, help="how many threads to compute with")
    threads = parser.parse_args().threads
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    for line in sys.stdin:
        print(json.dumps(answer(line)), flush=True)


if __name__ == "__main__":
    main()
