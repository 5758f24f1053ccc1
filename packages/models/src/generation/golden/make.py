"""Makes `sampling.golden.json`: the tokens that transformers' own warpers keep, in the order that `generate` runs them.

    pip install torch transformers
    python make.py
"""

import json
from pathlib import Path

import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

SETTINGS = [
    {"temperature": 1.0},
    {"temperature": 1.0, "topK": 1},
    {"temperature": 0.7, "topK": 5},
    {"temperature": 1.0, "topK": 100},
    {"temperature": 1.0, "topP": 0.9},
    {"temperature": 2.5, "topP": 0.5},
    {"temperature": 0.3, "topP": 0.99},
    {"temperature": 1.0, "topP": 0.0},
    {"temperature": 1.0, "minP": 0.1},
    {"temperature": 0.5, "minP": 0.02},
    {"temperature": 0.6, "topK": 20, "topP": 0.95},
    {"temperature": 1.5, "topK": 8, "topP": 0.8, "minP": 0.05},
    {"temperature": 3.0, "topP": 0.97, "minP": 0.3},
    {"temperature": 0.8, "topK": 4, "topP": 0.7, "repetitionPenalty": 1.3},
    {"temperature": 1.0, "topK": 6, "repetitionPenalty": 0.8},
]


def kept(logits, seen, setting):
    ids, scores = torch.tensor([seen]), logits[None]
    if "repetitionPenalty" in setting:
        scores = RepetitionPenaltyLogitsProcessor(setting["repetitionPenalty"])(ids, scores)
    scores = TemperatureLogitsWarper(setting["temperature"])(ids, scores) if setting["temperature"] != 1 else scores
    for key, warper in (("topK", TopKLogitsWarper), ("topP", TopPLogitsWarper), ("minP", MinPLogitsWarper)):
        if key in setting:
            scores = warper(setting[key] if key != "topK" else min(setting[key], len(logits)))(ids, scores)
    probabilities = scores.softmax(-1)[0]
    return torch.nonzero(scores[0] > -torch.inf).flatten().tolist(), [round(p, 7) for p in probabilities.tolist()]


torch.manual_seed(0)
rows = [
    torch.randn(48) * 3,
    torch.randn(48) * 0.5,
    (torch.randn(48) * 2).round(),  # ties
    torch.cat([torch.randn(40), torch.full((8,), -torch.inf)]),
]
cases = []
for row, logits in enumerate(rows):
    for setting in SETTINGS:
        if row == 2 and "topP" in setting:
            continue  # which of equal logits top-p keeps depends on the sort there; lowest ids first here
        ids, probabilities = kept(logits, [1, 5, 5, 9], setting)
        cases.append({"row": row, "setting": setting, "kept": ids, "probabilities": [probabilities[i] for i in ids]})
logits = [[None if v == -torch.inf else v for v in row.tolist()] for row in rows]
path = Path(__file__).parent / "sampling.golden.json"
path.write_text(json.dumps({"seen": [1, 5, 5, 9], "logits": logits, "cases": cases}, separators=(",", ":")) + "\n")
