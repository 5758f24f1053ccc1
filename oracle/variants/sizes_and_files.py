"""Sizes, dtypes and ways to lay the weights out in files."""

import torch

from variant import Variant, edit_header, save_weights, tied, write_index


def sizes():
    for heads, kv, dim in [(4, 4, 16), (4, 2, 16), (4, 1, 16), (6, 3, 8), (8, 1, 4), (2, 2, 32), (3, 1, 24), (1, 1, 128)]:
        for bias in (False, True):
            shape = dict(num_attention_heads=heads, num_key_value_heads=kv, head_dim=dim, attention_bias=bias)
            yield Variant(f"sizes/{heads} of {kv} heads of {dim}, bias {bias}", shape)
    for layers in (1, 3, 5):
        yield Variant(f"sizes/{layers} layers", dict(num_hidden_layers=layers))
    for hidden, inner, words in [(16, 8, 97), (48, 144, 33), (80, 50, 256), (64, 64, 1009)]:
        yield Variant(
            f"sizes/hidden {hidden}, {inner}, {words} words",
            dict(hidden_size=hidden, intermediate_size=inner, vocab_size=words),
        )
    for eps in (1e-8, 1e-5, 1e-3, 0.1):
        yield Variant(f"sizes/eps {eps}", dict(rms_norm_eps=eps))
    for theta in (1, 100, 1e4, 500000, 1e6, 1e8):
        if theta != 1:
            yield Variant(f"sizes/theta {theta}", dict(rope_theta=theta))
    for tokens in (1, 2, 63, 64):
        yield Variant(f"sizes/{tokens} tokens", tokens=tokens)
    yield Variant("sizes/no head_dim", absent=("head_dim",))
    yield Variant("sizes/no eps, no context, no tie", absent=("rms_norm_eps", "max_position_embeddings", "tie_word_embeddings"))
    yield Variant("sizes/null KV heads", dict(num_key_value_heads=None))
    for act in ("swish", "gelu", "relu"):
        yield Variant(f"sizes/{act}", dict(hidden_act=act))


def cast(*dtypes):
    """Tensors take the dtypes in turn."""

    def write(folder, state):
        save_weights(folder, {name: t.to(dtypes[i % len(dtypes)]) for i, (name, t) in enumerate(state.items())})

    return write


DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16, "f64": torch.float64}


def dtypes():
    for name, dtype in DTYPES.items():
        yield Variant(f"dtypes/{name} weights", write=cast(dtype))
    yield Variant("dtypes/bf16 and f32 weights", write=cast(torch.bfloat16, torch.float32))
    yield Variant("dtypes/f16 and bf16 weights", write=cast(torch.float16, torch.bfloat16))
    yield Variant("dtypes/f64 and f16 weights", write=cast(torch.float64, torch.float16))
    for word in ("auto", "torch.float32", "float", "half", "double", "float64", "torch.bfloat16", "bfloat16"):
        yield Variant(f"dtypes/torch_dtype {word}", dict(torch_dtype=word))
    yield Variant("dtypes/dtype and torch_dtype", dict(dtype="bfloat16"))
    yield Variant("dtypes/neither", absent=("torch_dtype",))


def head(folder, state, change):
    change(state)
    save_weights(folder, state)


def tie(name, change, cast_to=torch.float32):
    def write(folder, state):
        state = {key: t.to(cast_to) for key, t in state.items()}
        change(state)
        save_weights(folder, state)

    return Variant(f"head/{name}", dict(tie_word_embeddings=True), write=write)


def heads():
    embedding, lm_head = "model.embed_tokens.weight", "lm_head.weight"
    yield tie("tied, no head", lambda s: s.pop(lm_head))
    yield tie("tied, equal head", lambda s: s.update({lm_head: s[embedding].clone()}))
    yield tie("tied, equal head, bf16", lambda s: s.update({lm_head: s[embedding].clone()}), torch.bfloat16)
    yield tie("tied, another head", lambda s: None)
    yield tie("tied, another head, bf16", lambda s: None, torch.bfloat16)
    yield tie("tied, the head alone", lambda s: s.pop(embedding))
    yield tie("tied, a head of other dtype but equal", lambda s: s.update({lm_head: s[embedding].float()}), torch.bfloat16)

    def one_value(state):
        state[lm_head] = state[embedding].clone()
        state[lm_head][3, 5] += 1

    yield tie("tied, a head that differs in one value", one_value)


def shards(state, count):
    names = list(state)
    return [{name: state[name] for name in names[i::count]} for i in range(count)]


def sharded(count=2, forget=lambda weight_map: weight_map):
    def write(folder, state):
        weight_map = {}
        for i, part in enumerate(shards(state, count)):
            file = f"model-{i + 1:05}-of-{count:05}.safetensors"
            save_weights(folder, part, file)
            weight_map |= {name: file for name in part}
        write_index(folder, forget(weight_map))

    return write


def renamed(rename, keep=lambda state: state):
    def write(folder, state):
        save_weights(folder, {rename(name): t for name, t in keep(state).items()})

    return write


def with_tensors(extra):
    def write(folder, state):
        save_weights(folder, {**state, **extra})

    return write


def with_header(change):
    def write(folder, state):
        save_weights(folder, state)
        edit_header(folder, change)

    return write


def files():
    for count in (1, 2, 5):
        yield Variant(f"files/{count} shards", write=sharded(count))
    one = "model.layers.0.mlp.up_proj.weight"
    yield Variant("files/index forgets a tensor", write=sharded(2, lambda m: {k: v for k, v in m.items() if k != one}))
    yield Variant("files/index has a tensor elsewhere", write=sharded(2, lambda m: {**m, one: sorted(set(m.values()))[0]}))
    strip = lambda name: name.removeprefix("model.")
    yield Variant("files/no model. before names", write=renamed(strip))
    yield Variant("files/no model. before names, tied", dict(tie_word_embeddings=True), write=renamed(strip, tied))
    yield Variant("files/model.lm_head", write=renamed(lambda n: "model.lm_head.weight" if n == "lm_head.weight" else n))
    yield Variant("files/metadata absent", write=lambda folder, state: save_weights(folder, state, metadata=None))
    inverse = torch.arange(8).float()
    yield Variant("files/rotary_emb.inv_freq", write=with_tensors({"model.rotary_emb.inv_freq": inverse}))
    per_layer = {f"model.layers.{i}.self_attn.rotary_emb.inv_freq": inverse.clone() for i in range(2)}
    yield Variant("files/rotary_emb.inv_freq of each layer", write=with_tensors(per_layer))
    yield Variant("files/header padded", write=with_header(lambda h: {**h, "__metadata__": {"format": "pt", "x": " " * 99}}))


def variants():
    for group in (sizes, dtypes, heads, files):
        yield from group()
