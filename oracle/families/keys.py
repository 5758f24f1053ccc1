"""Every key of a family's config class, for a test that each is used, known to be harmless, or refused."""

import dataclasses
import json

import transformers
from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from .effects import effects


def plain(value):
    """A default as JSON has it."""
    return value if isinstance(value, (bool, int, float, str, list, dict, type(None))) else str(value)


def field_default(field):
    if field.default is not dataclasses.MISSING:
        return plain(field.default)
    return plain(field.default_factory()) if field.default_factory is not dataclasses.MISSING else None


def config_keys(out, family):
    """`fields` are the class's own with default, type and effect, `inherited` what every config has,
    `aliases` the keys that the class reads under another name. The family's variants have to stand in `out`.
    """
    cls = CONFIG_MAPPING[family.model_type]
    inherited = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    own = [field for field in dataclasses.fields(cls) if field.name not in inherited]
    aliases = {key: f"the field {name}" for key, name in cls.attribute_map.items()}
    effect = effects(out, family, [field.name for field in own])
    return {
        "model_type": family.model_type,
        "class": f"transformers.{cls.__name__}",
        "version": transformers.__version__,
        "fields": {
            field.name: {
                "default": field_default(field),
                "type": type_name(field.type),
                "effect": effect[field.name],
            }
            for field in own
        },
        "aliases": {**aliases, **family.aliases},
        "inherited": sorted(name for name in inherited if not name.startswith("_")),
    }


def type_name(annotation):
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", None)
    text = str(annotation) if name is None or "|" in str(annotation) else name
    return text.replace("typing.", "").replace("transformers.modeling_rope_utils.", "")


def write_keys(path, record):
    """JSON with one line for each key, so that a key is short to read and to diff."""

    def shown(value):
        if not isinstance(value, dict) or not value:
            return json.dumps(value)
        lines = (f"    {json.dumps(key)}: {json.dumps(inner)}" for key, inner in value.items())
        return "{\n" + ",\n".join(lines) + "\n  }"

    lines = (f"  {json.dumps(key)}: {shown(value)}" for key, value in record.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
