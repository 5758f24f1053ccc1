"""Greedy continuations under every key of generation_config.json that changes them."""

from variant import Variant

END = 95


def greedy(name, settings, tokens=12, config={}, generate=14):
    # Where the file has no end of text, this project takes the one of config.json; transformers knows none then.
    settings = {"eos_token_id": END, **settings}
    return Variant(
        f"generation/{name}", dict(config), generation=settings, tokens=tokens, generate=generate, seed=3
    )


def variants():
    yield greedy("nothing", {})
    for penalty in (0.8, 1.3, 5.0):
        yield greedy(f"repetition_penalty {penalty}", dict(repetition_penalty=penalty))
    for size in (1, 2, 3):
        yield greedy(f"no_repeat_ngram_size {size}", dict(no_repeat_ngram_size=size))
    yield greedy("suppress_tokens", dict(suppress_tokens=list(range(40))))
    yield greedy("begin_suppress_tokens", dict(begin_suppress_tokens=list(range(90))))
    yield greedy("bad_words_ids", dict(bad_words_ids=[[i] for i in range(30)] + [[60, 61], [70, 71, 72]]))
    yield greedy("bad words of two", dict(bad_words_ids=[[a, b] for a in range(96) for b in range(48)]))
    yield greedy("sequence_bias", dict(sequence_bias=[[[i], 3.0 * (i % 3)] for i in range(60)]))
    yield greedy("sequence_bias of two", dict(sequence_bias=[[[a, (a * 7) % 96], 9.5] for a in range(96)]))
    likely_end = dict(sequence_bias=[[[END], 20.0]], eos_token_id=END)
    yield greedy("eos at once", likely_end)
    yield greedy("min_new_tokens", dict(likely_end, min_new_tokens=5))
    yield greedy("min_length", dict(likely_end, min_length=15))
    yield greedy("min_length below the prompt", dict(likely_end, min_length=8))
    yield greedy("min_new_tokens before min_length", dict(likely_end, min_new_tokens=2, min_length=20))
    yield greedy("two ends", dict(eos_token_id=[END, 7], suppress_tokens=list(range(10, 95))))
    yield greedy("exponential_decay_length_penalty", dict(eos_token_id=END, exponential_decay_length_penalty=[3, 1.8]))
    yield greedy("forced_bos_token_id", dict(forced_bos_token_id=11), tokens=1)
    yield greedy("forced_bos_token_id after two", dict(forced_bos_token_id=11), tokens=2)
    yield greedy("forced_bos and begin_suppress", dict(forced_bos_token_id=11, begin_suppress_tokens=list(range(50))), tokens=1)
    yield greedy("forced_eos_token_id", dict(forced_eos_token_id=END, eos_token_id=END))
    yield greedy("forced_eos_token_id, two", dict(forced_eos_token_id=[5, END]))
    yield greedy("sampling keys of no use", dict(temperature=0.3, top_k=2, top_p=0.1, typical_p=0.2, epsilon_cutoff=0.1))
    yield greedy("do_sample that an option goes before", dict(do_sample=True, temperature=0.3, top_k=2))
    yield greedy("max_length that an option goes before", dict(max_length=14))
    together = dict(repetition_penalty=1.4, no_repeat_ngram_size=2, suppress_tokens=[3, 9, 27], min_new_tokens=4)
    yield greedy("several together", dict(likely_end, **together))
    old = dict(repetition_penalty=1.7, suppress_tokens=list(range(40)))
    yield Variant("generation/keys in config.json", dict(old), tokens=12, generate=10, seed=3)
