"""Writes reference.json beside it: what the package lifelines (0.30) says about seeded data.

Run it as `python3 reference.py` where lifelines is installed; the test only reads the file.
Weights of lifelines multiply observations, so its variances are compared where all weights are one.
"""

import json
import pathlib
import random

from lifelines import KaplanMeierFitter
from lifelines.utils import restricted_mean_survival_time


def exponential(generator):
    return int(generator.expovariate(1 / 300)) + 1


def heavy_tailed(generator):
    return int(min(generator.lognormvariate(4, 1.5), 4000)) + 1


def tied(generator):
    return generator.choice([1, 2, 5, 10, 10, 10, 50])


def data_set(name, seed, count, law, censored_share, weigh):
    """Lives with censoring at random ages; as tuples of time, whether it died, weight."""
    generator = random.Random(seed)
    lives = []
    for _ in range(count):
        time, died = law(generator), True
        if generator.random() < censored_share:
            time, died = generator.randint(1, time), False
        lives.append((time, died, weigh(generator)))
    times, deaths, weights = zip(*lives)
    fitter = KaplanMeierFitter().fit(times, deaths, weights=weights)
    bands = fitter.confidence_interval_
    until = 200
    mean, variance = restricted_mean_survival_time(fitter, t=until, return_variance=True)
    median = fitter.median_survival_time_
    return {
        "name": name,
        "lives": lives,
        "is_weighted": any(weight != 1 for weight in weights),
        "times": [int(time) for time in fitter.survival_function_.index],
        "survival": [float(value) for value in fitter.survival_function_.iloc[:, 0]],
        "low": [float(value) for value in bands.iloc[:, 0]],
        "high": [float(value) for value in bands.iloc[:, 1]],
        "median": None if median == float("inf") else float(median),
        "until": until,
        "restricted_mean": float(mean),
        "restricted_variance": float(variance),
    }


def one(_):
    return 1


def fractional(generator):
    return round(1 / (1 - 2.718281828 ** -generator.uniform(0.02, 3)), 3)


SETS = [
    data_set("nothing censored", 1, 61, exponential, 0, one),
    data_set("a third censored", 2, 121, exponential, 0.33, one),
    data_set("ties", 3, 81, tied, 0.25, one),
    data_set("few", 4, 7, exponential, 0.3, one),
    data_set("most alive", 5, 61, heavy_tailed, 0.85, one),
    data_set("weights", 6, 91, heavy_tailed, 0.3, fractional),
    data_set("weights and ties", 7, 71, tied, 0.4, fractional),
]

if __name__ == "__main__":
    place = pathlib.Path(__file__).with_name("reference.json")
    lines = ",\n".join(json.dumps(data) for data in SETS)
    place.write_text(f"[\n{lines}\n]\n")
