"""What transformers renders of conversations with the templates of `chat_templates/`, which are written as published ones are.

    python oracle/chat_templates.py packages/models/src/text/golden/chat-templates.golden.json
"""

import json
import sys
from pathlib import Path

import jinja2
import transformers
from transformers.utils.chat_template_utils import _normalize_chat_messages, render_jinja_template

SPECIAL = {"bos_token": "<s>", "eos_token": "</s>"}


def user(content, **fields):
    return {"role": "user", "content": content, **fields}


def said(content, **fields):
    return {"role": "assistant", "content": content, **fields}


def system(content):
    return {"role": "system", "content": content}


def called(name, arguments, number="abcdefghi"):
    return {"id": number, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(content, name="weather", number="abcdefghi"):
    return {"role": "tool", "content": content, "name": name, "tool_call_id": number}


ARGUMENTS = {"city": "Paris", "days": 2, "f": 1.0, "n": None, "b": True, "l": ["x", {"y": 1e-7}]}
CONVERSATIONS = {
    "a question": [user("hi")],
    "a system": [system("Be brief."), user("Hello \U0001f600\n\n ok? ")],
    "some turns": [system(" rules "), user("  a "), said(" b\n"), user("c"), said("d"), user("e")],
    "an answer at the end": [user("a"), said("b")],
    "thoughts": [user("a"), said("x", reasoning_content="why 1"), user("b"), said("y", reasoning="why 2")],
    "thoughts in tags": [user("a"), said("<think>\nwell\n</think>\n\nx"), user("b")],
    "a call": [user("rain?"), said("", tool_calls=[called("weather", ARGUMENTS)]), result('{"t": 20}'), user("thanks")],
    "two calls": [
        system("s"),
        user("rain?"),
        said(None, tool_calls=[called("weather", {"city": "Rome"}, "a" * 9), called("noop", {}, "b" * 9)]),
        result("20", number="a" * 9),
        result("it's \"ok\"\n", "noop", "b" * 9),
    ],
    "a call of text": [user("q"), said("I look", tool_calls=[called("weather", '{"city": "Rome"}')]), result("x"), said("so")],
    "parts": [
        user([{"type": "text", "text": "look "}, {"type": "image"}, {"type": "text", "text": "here"}]),
        said([{"type": "text", "text": "nice"}]),
    ],
    "turns that do not alternate": [said("first"), user("x"), user("y")],
    "other roles": [user("x"), {"role": "developer", "content": "dev"}, {"role": "weird", "content": "w"}],
}
WEATHER = {
    "name": "weather",
    "description": 'weather "NOW" <b> é',
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "The city\nof it"},
            "unit": {"type": "string", "enum": ["c", "f"]},
            "days": {"type": "integer", "default": 3, "maximum": 9223372036854775807},
            "tags": {"type": "array", "items": {"type": "string"}},
            "place": {"type": "object", "properties": {"x": {"type": "number", "default": 1.0}}},
        },
        "required": ["city"],
    },
    "return": {"type": "string", "description": "A text"},
}
NOOP = {"name": "noop", "description": "Nothing", "parameters": {"type": "object", "properties": {}}}
TOOLS = [{"type": "function", "function": tool} for tool in (WEATHER, NOOP)]
OPTIONS = {
    "alone": {},
    "with tools": {"tools": TOOLS, "add_generation_prompt": True},
    "without thoughts": {"enable_thinking": False, "add_generation_prompt": True},
    "with documents": {"documents": [{"title": "T", "text": "body"}, {"id": 7, "text": None}]},
}


def rendered(template, messages, options):
    """None where the template is in error."""
    options = {"tools": None, "documents": None, **options}
    try:
        conversation = _normalize_chat_messages(messages)
        return render_jinja_template([conversation], chat_template=template, **SPECIAL, **options)[0][0]
    except Exception:
        return None


def main():
    folder = Path(__file__).parent / "chat_templates"
    templates = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jinja"))}
    texts = {
        name: {
            talk: {option: rendered(template, messages, OPTIONS[option]) for option in OPTIONS}
            for talk, messages in CONVERSATIONS.items()
        }
        for name, template in templates.items()
    }
    versions = {"transformers": transformers.__version__, "jinja2": jinja2.__version__}
    with open(sys.argv[1], "w", encoding="utf-8") as out:
        for key, value in {"versions": versions, "special": SPECIAL}.items():
            out.write(("{" if key == "versions" else "") + f'"{key}": {json.dumps(value)},\n')
        # As texts, so that 1.0 stays 1.0.
        talks = {name: json.dumps(messages) for name, messages in CONVERSATIONS.items()}
        options = {name: {key: json.dumps(value) for key, value in given.items()} for name, given in OPTIONS.items()}
        out.write(f'"conversations": {json.dumps(talks)},\n"options": {json.dumps(options)},\n')
        out.write(f'"templates": {json.dumps(templates)},\n"texts": {json.dumps(texts)}}}\n')


main()
