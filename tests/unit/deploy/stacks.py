"""What CloudFormation makes of a template in `deploy/`: parameters judged, conditions decided, references filled."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
ACCOUNT, REGION = "111122223333", "us-east-1"
PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::StackName": "watcher",
    "AWS::URLSuffix": "amazonaws.com",
}
NOTHING = object()
"""What `AWS::NoValue` leaves: its key, or its place in a list, is not there."""


class RefusedError(Exception):
    """CloudFormation would not begin: a parameter or a rule of the template says no."""


class _Loader(yaml.SafeLoader):
    """Reads the short forms of CloudFormation's functions, as `!Sub` of `Fn::Sub`, and no text as a date."""


def _function(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    match node:
        case yaml.MappingNode():
            value = loader.construct_mapping(node, deep=True)
        case yaml.SequenceNode():
            value = loader.construct_sequence(node, deep=True)
        case _:
            value = loader.construct_scalar(node)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in {"Ref", "Condition"} else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _function)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)


@cache
def template(name: str) -> Any:
    """The template as it is written."""
    return yaml.load((DEPLOY / name).read_text(encoding="utf-8"), _Loader)  # noqa: S506  it is a safe one


class Stack:
    """A template with its parameters; `resources` are those that are made, and `outputs` what is told of them."""

    def __init__(self, name: str, **given: str) -> None:
        self._template = template(name)
        self._values: dict[str, Any] = dict(PSEUDO)
        for parameter, rules in self._template["Parameters"].items():
            self._values[parameter] = _taken(parameter, rules, given.pop(parameter, rules.get("Default")))
        assert not given, f"{name} has no such parameter: {given}"
        for rule in self._template.get("Rules", {}).values():
            if self._of(rule.get("RuleCondition", True)):
                for assertion in rule["Assertions"]:
                    if not self._of(assertion["Assert"]):
                        raise RefusedError(assertion["AssertDescription"])
        self.resources: dict[str, Any] = {
            key: self._of({part: value for part, value in made.items() if part != "Metadata"})
            for key, made in self._template["Resources"].items()
            if "Condition" not in made or self._condition(made["Condition"])
        }
        self.outputs = {
            key: self._of(told["Value"])
            for key, told in self._template["Outputs"].items()
            if "Condition" not in told or self._condition(told["Condition"])
        }

    def properties(self, key: str) -> Any:
        return self.resources[key]["Properties"]

    def of_type(self, kind: str) -> dict[str, Any]:
        """The properties of all resources of a type, by their keys."""
        return {key: made["Properties"] for key, made in self.resources.items() if made["Type"] == kind}

    def statements(self, key: str) -> list[Any]:
        """What a role is allowed, whichever policy says it."""
        policies = self.properties(key)["Policies"]
        return [statement for policy in policies for statement in policy["PolicyDocument"]["Statement"]]

    def _condition(self, name: str) -> bool:
        return bool(self._of(self._template["Conditions"][name]))

    def _of(self, node: Any) -> Any:
        if isinstance(node, list):
            return [value for value in map(self._of, node) if value is not NOTHING]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, value),) = node.items()
            if key == "Ref":
                return NOTHING if value == "AWS::NoValue" else self._values.get(value, f"<{value}>")
            if key == "Condition" and isinstance(value, str):
                return self._condition(value)
            if key.startswith("Fn::"):
                return getattr(self, f"_{key[4:].lower()}")(value)
        return {
            key: value for key, value in ((key, self._of(value)) for key, value in node.items()) if value is not NOTHING
        }

    def _if(self, node: list[Any]) -> Any:
        return self._of(node[1] if self._condition(node[0]) else node[2])

    def _equals(self, node: list[Any]) -> bool:
        left, right = self._of(node)
        return bool(left == right)

    def _not(self, node: list[Any]) -> bool:
        return not self._of(node[0])

    def _and(self, node: list[Any]) -> bool:
        return all(self._of(node))

    def _or(self, node: list[Any]) -> bool:
        return any(self._of(node))

    def _join(self, node: list[Any]) -> str:
        return str(node[0]).join(self._of(node[1]))

    def _split(self, node: list[Any]) -> list[str]:
        return str(self._of(node[1])).split(node[0])

    def _select(self, node: list[Any]) -> Any:
        return self._of(node[1])[int(node[0])]

    def _getatt(self, node: list[str]) -> str:
        return f"<{'.'.join(node)}>"

    def _sub(self, node: Any) -> str:
        text, names = (node, {}) if isinstance(node, str) else (node[0], self._of(node[1]))
        return re.sub(r"\$\{([^}]+)\}", lambda found: str(names.get(found[1]) or self._of({"Ref": found[1]})), text)


def _taken(name: str, rules: Any, value: str | None) -> Any:
    if value is None:
        raise RefusedError(f"{name} has no default")
    if rules["Type"].startswith("List<") or rules["Type"] == "CommaDelimitedList":
        return value.split(",")
    if "AllowedPattern" in rules and not re.fullmatch(rules["AllowedPattern"], str(value)):
        raise RefusedError(f"{name} is not of its pattern")
    if "AllowedValues" in rules and str(value) not in map(str, rules["AllowedValues"]):
        raise RefusedError(f"{name} is none of its values")
    if rules["Type"] == "Number" and not rules.get("MinValue", 0) <= float(value) <= rules.get(
        "MaxValue", float(value)
    ):
        raise RefusedError(f"{name} is out of its bounds")
    if not rules.get("MinLength", 0) <= len(str(value)) <= rules.get("MaxLength", len(str(value))):
        raise RefusedError(f"{name} is too short or too long")
    return value
