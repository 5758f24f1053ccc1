"""Every key of a family's config class, for a test that each is used, known to be harmless, or refused."""

import dataclasses

import transformers
from transformers import PreTrainedConfig
from transformers.models.auto.configuration_auto import CONFIG_MAPPING


def plain(value):
    """A default as JSON has it."""
    return value if isinstance(value, (bool, int, float, str, list, dict, type(None))) else str(value)


def field_default(field):
    if field.default is not dataclasses.MISSING:
        return plain(field.default)
    return plain(field.default_factory()) if field.default_factory is not dataclasses.MISSING else None


def config_keys(family):
    """`fields` are the class's own with default and type, `inherited` what every config has, `aliases` the
    keys that the class reads under another name.
    """
    cls = CONFIG_MAPPING[family.model_type]
    inherited = {field.name for field in dataclasses.fields(PreTrainedConfig)}
    own = [field for field in dataclasses.fields(cls) if field.name not in inherited]
    aliases = {f"{key}": f"the field {name}" for key, name in cls.attribute_map.items()}
    return {
        "model_type": family.model_type,
        "class": f"transformers.{cls.__name__}",
        "version": transformers.__version__,
        "fields": {
            field.name: {"default": field_default(field), "type": type_name(field.type)} for field in own
        },
        "aliases": {**aliases, **family.aliases},
        "inherited": sorted(name for name in inherited if not name.startswith("_")),
    }


def type_name(annotation):
    name = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", None)
    text = str(annotation) if name is None or "|" in str(annotation) else name
    return text.replace("typing.", "").replace("transformers.modeling_rope_utils.", "")
