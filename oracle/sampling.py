"""Which tokens transformers draws from, and how likely each is, under every option that cuts some off.

    python oracle/sampling.py packages/models/src/generation/golden/sampling.golden.json

The processors are those that `generate` itself makes of a generation config, in its order.
"""

import json
import sys

import torch
import transformers
from checkpoint import versions

VOCABULARY, SEEN = 48, [1, 5, 5, 9]
NAMES = {
    "temperature": "temperature",
    "topK": "top_k",
    "topP": "top_p",
    "minP": "min_p",
    "typicalP": "typical_p",
    "epsilonCutoff": "epsilon_cutoff",
    "etaCutoff": "eta_cutoff",
    "repetitionPenalty": "repetition_penalty",
}
SETTINGS = [
    dict(temperature=1.0),
    dict(temperature=1.0, topK=1),
    dict(temperature=0.7, topK=5),
    dict(temperature=1.0, topK=100),
    dict(temperature=1.0, topP=0.9),
    dict(temperature=2.5, topP=0.5),
    dict(temperature=0.3, topP=0.99),
    dict(temperature=1.0, topP=0.0),
    dict(temperature=1.0, minP=0.1),
    dict(temperature=0.5, minP=0.02),
    dict(temperature=0.6, topK=20, topP=0.95),
    dict(temperature=1.5, topK=8, topP=0.8, minP=0.05),
    dict(temperature=3.0, topP=0.97, minP=0.3),
    dict(temperature=1.0, typicalP=0.2),
    dict(temperature=0.5, typicalP=0.9),
    dict(temperature=2.0, typicalP=0.999),
    dict(temperature=1.0, topK=12, typicalP=0.6),
    dict(temperature=1.0, epsilonCutoff=0.01),
    dict(temperature=0.7, epsilonCutoff=0.2),
    dict(temperature=1.0, epsilonCutoff=0.99),
    dict(temperature=1.0, topK=10, epsilonCutoff=0.05),
    dict(temperature=1.0, etaCutoff=0.01),
    dict(temperature=2.0, etaCutoff=0.2),
    dict(temperature=0.4, etaCutoff=0.9),
    dict(temperature=1.5, topP=0.95, typicalP=0.8, epsilonCutoff=0.02, etaCutoff=0.05),
    dict(temperature=0.8, topK=4, topP=0.7, repetitionPenalty=1.3),
    dict(temperature=1.0, topK=6, repetitionPenalty=0.8),
]


def rows():
    """Peaked, flat, full of ties, and with tokens that are ruled out."""
    generator = torch.Generator().manual_seed(7)
    draw = lambda spread: torch.randn(VOCABULARY, generator=generator) * spread
    ruled_out = draw(1.0)
    ruled_out[40:] = -torch.inf
    return [draw(3.0), draw(0.6), draw(2.0).round(), ruled_out]


def processors(model, setting):
    config = transformers.GenerationConfig(do_sample=True, top_k=0)
    config.update(**{NAMES[key]: value for key, value in setting.items()})
    config._eos_token_tensor = None
    return model._get_logits_processor(config, input_ids_seq_length=len(SEEN), logits_processor=[])


def cases(model, logits):
    for row, scores in enumerate(logits):
        for setting in SETTINGS:
            # Of equal tokens torch's sort keeps some, and another sort would keep others.
            if setting.get("topP", 1) < 1 and len(scores.unique()) < VOCABULARY - 8:
                continue
            kept = processors(model, setting)(torch.tensor([SEEN]), scores[None].clone())[0]
            shares = kept.softmax(-1)
            ids = (kept > -torch.inf).nonzero()[:, 0]
            yield {
                "row": row,
                "setting": setting,
                "kept": ids.tolist(),
                "probabilities": [float(f"{p:.8g}") for p in shares[ids].tolist()],
            }


def main():
    tiny = dict(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1)
    model = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(vocab_size=VOCABULARY, head_dim=8, **tiny))
    logits = rows()
    written = [[None if x == -torch.inf else x for x in row.tolist()] for row in logits]
    golden = {"versions": versions(), "seen": SEEN, "logits": written, "cases": list(cases(model, logits))}
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        json.dump(golden, out, separators=(",", ":"))
        out.write("\n")


main()
