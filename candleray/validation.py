"""Validation at the edge: the base of every model, and pydantic's errors as our problems."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Self, TypeVar, Union, cast, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Tag,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import ErrorType

from candleray.errors import InvalidInput, Problem, nearest
from candleray.field_hints import FieldHint, hint_from_around, hint_of, required_json
from candleray.frozen_model import FrozenModel

_KNOWN_TYPES = frozenset(get_args(ErrorType))
_UNKNOWN_FIELD = "unknown_field"
_REWORDED = ("extra_forbidden", _UNKNOWN_FIELD, "model_type")
"""Kinds of errors whose words of pydantic's do not say what to write."""
_WORDS = {"missing": "is required", "json_invalid": "is not valid JSON"}


class Model(FrozenModel):
    """A frozen model without unknown fields; a misspelled field is answered with its nearest match."""

    model_config = ConfigDict(allow_inf_nan=False)

    @model_validator(mode="wrap")
    @classmethod
    def _name_the_nearest_field(cls, value: Any, handler: Callable[[Any], Self]) -> Self:
        try:
            return handler(value)
        except ValidationError as error:
            details = error.errors(include_url=False)
            if not any(detail["type"] in _REWORDED for detail in details):
                raise
            lines = [cls._line(detail) for detail in details]
            raise ValidationError.from_exception_data(error.title, lines) from None

    @classmethod
    def _hint(cls, name: str, value: Any) -> FieldHint:
        """Return what to say of a field that the model does not know."""
        return hint_of(cls, name, value)

    @classmethod
    def _line(cls, detail: Any) -> InitErrorDetails:
        kind: str | PydanticCustomError = detail["type"]
        loc, context = detail["loc"], detail.get("ctx", {})
        if kind == "extra_forbidden" and len(loc) == 1:
            kind = _unknown_field(str(loc[0]), cls._hint(str(loc[0]), detail["input"]))
        elif kind == _UNKNOWN_FIELD and not context.get("is_sure"):
            better = hint_from_around(cls, loc, detail["input"])
            hint = FieldHint(better or context["hint"], is_sure=better is not None)
            kind = _unknown_field(str(loc[-1]), hint)
        elif kind == "model_type" and not loc and (needed := required_json(cls)):
            words = {"needed": needed, "got": _shown(detail["input"])}
            kind = PydanticCustomError("not_an_object", "an object {needed} is needed, got {got}", words)
        elif kind not in _KNOWN_TYPES:
            kind = PydanticCustomError(kind, "{text}", {**context, "text": detail["msg"]})  # type: ignore[arg-type]
        return InitErrorDetails(type=kind, loc=detail["loc"], input=detail["input"], ctx=detail.get("ctx", {}))


def _unknown_field(name: str, hint: FieldHint) -> PydanticCustomError:
    context = {"name": repr(name[:60]), "hint": hint.text, "is_sure": hint.is_sure}
    return PydanticCustomError(_UNKNOWN_FIELD, "unknown field {name}; {hint}", context)


def secret_text(pattern: str, rule: str) -> BeforeValidator:
    """A check of text against a pattern whose message is the `rule`: wrong text may be most of a secret."""
    compiled = re.compile(pattern)

    def check(value: Any) -> Any:
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise PydanticCustomError("secret", "{rule}", {"rule": rule})
        return value

    return BeforeValidator(check)


ModelT = TypeVar("ModelT", bound=BaseModel)


def generated_model(name: str, base: type[ModelT], /, **fields: Any) -> type[ModelT]:
    """A model made at run time: `base` with these fields, built at once."""
    model = create_model(name, __base__=base, **fields)
    model.model_rebuild()
    return cast(type[ModelT], model)


def one_of(
    models: Mapping[str, type[BaseModel]], *, key: str, noun: str, label: str, default: str | None = None
) -> Any:
    """The type of a value of any one of the models, which are told apart by the field `key`.

    An unknown name is answered with the nearest of the known ones.

    Args:
        noun: what a value is, with its article: "a sizing".
        label: what the field's content is called where it is unknown: "mode".
        default: the name that stands for a missing one.
    """
    kind = noun.split()[-1]

    def name_of(value: Any) -> Any:
        return value.get(key, default) if isinstance(value, dict) else getattr(value, key, None)

    def check_name(value: Any) -> Any:
        name = name_of(value)
        if name is None:
            raise PydanticCustomError(
                f"no_{kind}",
                "an object with the {key} of {noun} is needed",
                {"key": key, "noun": noun},
            )
        if not isinstance(name, str) or name not in models:
            raise PydanticCustomError(
                f"unknown_{kind}",
                "unknown {label} {name}; {hint}",
                {"label": label, "name": repr(str(name)[:40]), "hint": nearest(str(name), list(models))},
            )
        return value

    tagged = tuple(Annotated[model, Tag(f"<{name}>")] for name, model in models.items())
    union: Any = Union[tagged]  # noqa: UP007  the models are known at run time only
    return Annotated[union, Discriminator(lambda value: f"<{name_of(value)}>"), BeforeValidator(check_name)]


def validated(model: type[ModelT], content: Any, subject: str = "the request") -> ModelT:
    """The content as a model.

    Raises:
        InvalidInput: "`subject` is not valid: …"; one problem a field, sorted, the same for the same content.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise invalid_from(error.errors(include_url=False), subject) from None


def invalid_from(details: Any, subject: str = "the request") -> InvalidInput:
    """Turn pydantic's or FastAPI's list of errors into one error of ours."""
    return refusal_of({_problem(detail) for detail in details}, subject)


def refusal_of(found: set[Problem], subject: str = "the request") -> InvalidInput:
    """One error of all these problems, sorted."""
    problems = sorted(_without_echoes(found))
    first = problems[0]
    where = f"{first.field}: " if first.field else ""
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return InvalidInput(f"{subject} is not valid: {where}{first.message}{more}", problems)


def _without_echoes(problems: set[Problem]) -> set[Problem]:
    """Drop "too short" of a tuple of which an item is wrong: pydantic reports both."""
    fields = tuple(problem.field for problem in problems)
    return {
        problem
        for problem in problems
        if problem.code != "too_short" or not any(field.startswith(f"{problem.field}.") for field in fields)
    }


def _problem(detail: Any) -> Problem:
    # Parts in angle brackets are tags of unions and no place of the input.
    path = ".".join(str(part) for part in detail["loc"] if not str(part).startswith("<"))
    kind = str(detail["type"])
    message = _WORDS.get(kind) or str(detail["msg"]).removeprefix("Value error, ")
    if kind not in ("missing", "json_invalid") and kind in _KNOWN_TYPES:
        message = f"{_in_words_of_json(message[:1].lower() + message[1:])}, got {_shown(detail.get('input'))}"
    return Problem(path, kind, message)


def _in_words_of_json(message: str) -> str:
    """Say a list and an object, not what Python makes of them."""
    message = re.sub(r"dictionary( or instance of \w+)?", "object", message.removesuffix(" after validation"))
    message = re.sub(r"a valid datetime( or date)?\b", "a time like 2025-01-01T00:00:00Z", message)
    return message.replace(" after validation,", ",").replace("tuple", "list")


def _shown(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[str(value)]
    if isinstance(value, str | int | float | bool) or value is None:
        text = repr(value)
        return text if len(text) <= 60 else text[:57] + "..."
    if isinstance(value, list | tuple):
        return "a list"
    return "an object" if isinstance(value, dict) else type(value).__name__
