"""What transformers continues with, greedily, under keys of generation_config.json, for the tests to be held to.

    python oracle/variants/golden_generation.py

Writes packages/models/golden/variants/generations.json; the model is `model.safetensors` beside it. Run it after
`golden.py`, which empties the folder.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

sys.path.append(str(Path(__file__).resolve().parent.parent))
from checkpoint import versions, write_json  # noqa: E402
from golden import BASE, OUT  # noqa: E402
from variant import save_weights  # noqa: E402

END, NEW = 39, 10
LIKELY = dict(eos_token_id=END, sequence_bias=[[[END], 20.0]])
SETTINGS = [
    ({}, 12),
    (dict(repetition_penalty=1.5), 12),
    (dict(no_repeat_ngram_size=2), 12),
    (dict(suppress_tokens=list(range(20))), 12),
    (dict(begin_suppress_tokens=list(range(38))), 12),
    (dict(bad_words_ids=[[i] for i in range(10)] + [[a, b] for a in range(40) for b in (10, 27, 37)]), 12),
    (dict(sequence_bias=[[[a, (a * 7) % 40], 9.5] for a in range(40)]), 12),
    (LIKELY, 12),
    (dict(LIKELY, min_new_tokens=4), 12),
    (dict(LIKELY, min_length=15), 12),
    (dict(eos_token_id=END, exponential_decay_length_penalty=[2, 1.9]), 12),
    (dict(forced_bos_token_id=11), 1),
    (dict(forced_bos_token_id=11, begin_suppress_tokens=list(range(30))), 1),
    (dict(forced_eos_token_id=END), 12),
    (dict(LIKELY, repetition_penalty=1.4, no_repeat_ngram_size=2, suppress_tokens=[3, 9, 27], min_new_tokens=4), 12),
]


@torch.no_grad()
def main():
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as scratch:
        write_json(Path(scratch, "config.json"), dict(BASE, eos_token_id=None))
        save_weights(scratch, load_file(OUT / "model.safetensors"))
        model = transformers.AutoModelForCausalLM.from_pretrained(
            scratch, dtype=torch.float32, attn_implementation="eager"
        )
    cases = []
    for n, (settings, tokens) in enumerate(SETTINGS):
        ids = torch.randint(38, (1, tokens), generator=torch.Generator().manual_seed(n))
        model.generation_config = transformers.GenerationConfig(**settings)
        out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=NEW)
        cases.append({"settings": settings, "ids": ids[0].tolist(), "generated": out[0, tokens:].tolist()})
    lines = ",\n".join(f"    {json.dumps(case)}" for case in cases)
    (OUT / "generations.json").write_text(
        f'{{"versions": {json.dumps(versions())}, "newTokens": {NEW}, "cases": [\n{lines}\n]}}\n'
    )


if __name__ == "__main__":
    main()
