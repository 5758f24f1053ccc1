"""Makes the files of this folder: what Hugging Face's own tokenizers and transformers say about text.

    pip install tokenizers transformers jinja2
    python make.py

`tokenizer.json` is a small byte-level BPE with Qwen's splitting rule, normaliser and kinds of added tokens;
`tokenizer.golden.json` has texts with their ids, and ids with their text; `chat.golden.json` has conversations
rendered by `chat_template.jinja`.
"""

import json
import random
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.utils.chat_template_utils import render_jinja_template

HERE = Path(__file__).parent
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
CORPUS = [
    "The norm of each head is taken before the rotation, and the rotation keeps the norm.",
    "we're they'll I'd it's you've DON'T isn't\n\n  indented text\twith tabs \r\n and  double  spaces   ",
    "Zażółć gęślą jaźń. Größe, naïve café, Ελληνικά, русский язык, 日本語の文章、中文句子。 한국어 문장",
    "for (let i = 0; i < 128; i++) { sum += x[i] * x[i]; } // 3.14159 + 2,718",
    "emoji 😀👩‍👩‍👧‍👦🇵🇱 and signs ½ ² ™ … — “quoted”",
]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PLAIN = ["<think>", "</think>"]
TEXTS = CORPUS + [
    "",
    " ",
    "\n",
    "a",
    "  leading and trailing  ",
    "\u00e9 and e\u0301 are one after NFC",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
    "x<|im_end|>y<think>z",
    "<|im_end",
    "1234567890",
    "tab\t\tnewline\n\n\nend",
    "I'LL we'Re 'sure' ''",
    "\u00a0nbsp\u2003em space\u200bzero width\ufeffbom",
    "\u0000\u0001\u007f control",
    "\U0001d400\U0001d401 math, \u0915\u093f conjunct, \u202eright to left",
    "ſtrange long s: 'ſ, K",
]


def make_tokenizer():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=420, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS * 3, trainer)
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in PLAIN])
    return tokenizer


def write(name, value):
    (HERE / name).write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n")


def write_tokenizer(tokenizer):
    write("tokenizer.json", json.loads(tokenizer.to_str()))
    draw = random.Random(0)
    size = tokenizer.get_vocab_size()
    sequences = [[draw.randrange(size) for _ in range(draw.randrange(1, 24))] for _ in range(60)]
    sequences += [[draw.randrange(256) for _ in range(40)] for _ in range(20)]
    write(
        "tokenizer.golden.json",
        {
            "texts": [{"text": text, "ids": tokenizer.encode(text).ids} for text in TEXTS],
            "sequences": [
                {
                    "ids": ids,
                    "text": tokenizer.decode(ids, skip_special_tokens=False),
                    "skipped": tokenizer.decode(ids, skip_special_tokens=True),
                }
                for ids in sequences
            ],
        },
    )


def write_chats():
    template = (HERE / "chat_template.jinja").read_text()
    user, answer = {"role": "user", "content": "127+456="}, {"role": "assistant", "content": "583"}
    system = {"role": "system", "content": "Answer \u201cshortly\u201d."}
    thought = {"role": "assistant", "content": "<think>\nseven and six\n</think>\n\n583"}
    cases = [
        ([user], {}),
        ([user], {"enable_thinking": False}),
        ([user], {"enable_thinking": True}),
        ([system, user], {}),
        ([system, user, answer], {"add_generation_prompt": False}),
        ([user, thought, user], {}),
        ([user, {**answer, "reasoning_content": "\nseven and six\n"}, user, answer], {"add_generation_prompt": False}),
        ([user], {"tools": [{"type": "function", "function": {"name": "add", "description": "a \u2264 b", "n": [1, 2.5, True, None]}}]}),
    ]
    rendered = []
    for messages, options in cases:
        arguments = {"add_generation_prompt": True, **options}
        texts, _ = render_jinja_template(conversations=[messages], chat_template=template, **arguments)
        rendered.append({"messages": messages, "options": options, "text": texts[0]})
    write("chat.golden.json", rendered)


write_tokenizer(make_tokenizer())
write_chats()
