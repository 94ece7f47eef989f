"""Holds Terraform's module to the templates that it deploys, and to itself.

In: the module's folder, and the templates as JSON on stdin, by their paths from the project's folder. Out: what does not
fit, a line each, on stdout.

Templates take parameters by name, so a name that the module gets wrong would be noticed at the first deployment only; and
`terraform validate` wants the provider, which is not to be had everywhere.
"""

import glob
import json
import os
import re
import sys

import hcl2

STACKS = ("aws_cloudformation_stack", "aws_cloudformation_stack_set")

problems = []


def unquoted(text):
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def blocks(document, kind):
    for block in document.get(kind, []):
        yield from ((unquoted(name), body) for name, body in block.items() if not name.startswith("__"))


def read(folder):
    """Variables, locals, outputs, resources and the whole text of a module."""
    module = {"variable": {}, "locals": {}, "output": {}, "resource": {}, "module": {}, "text": ""}
    for path in sorted(glob.glob(os.path.join(folder, "*.tf"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        document = hcl2.loads(text)
        # Comments do not refer to anything.
        module["text"] += re.sub(r"(?m)^\s*#.*$", "", text)
        for kind in ("variable", "output", "module"):
            module[kind].update(blocks(document, kind))
        for block in document.get("locals", []):
            module["locals"].update({k: v for k, v in block.items() if not k.startswith("__")})
        for kind, named in blocks(document, "resource"):
            for name, body in named.items():
                if not name.startswith("__"):
                    module["resource"][(kind, unquoted(name))] = body
    return module


def parameters(body):
    """Names that a resource passes, and the variables that it merges."""
    given = body.get("parameters", {})
    if isinstance(given, dict):
        return {name for name in given if not name.startswith("__")}, set()
    merged = re.fullmatch(r"\$\{merge\(\{(.*)\}, (var\.\w+)\)\}", given, re.DOTALL)
    if not merged:
        problems.append(f"parameters that are neither an object nor a merge: {given}")
        return set(), set()
    return set(re.findall(r"(?:^|, )(\w+) = ", merged.group(1))), {merged.group(2)}


def check_stacks(module, templates):
    deployed = set()
    for (kind, name), body in module["resource"].items():
        if kind not in STACKS:
            continue
        path = re.search(r"path\.module\}/\.\./([^\"]+)", body["template_body"])
        template = templates.get(f"infra/{path.group(1)}") if path else None
        if template is None:
            problems.append(f"{kind}.{name}: {body['template_body']} is no template of infra/")
            continue
        deployed.add(f"infra/{path.group(1)}")
        declared = template.get("Parameters", {})
        given, merged = parameters(body)
        for parameter in sorted(given - set(declared)):
            problems.append(f"{kind}.{name}: {path.group(1)} has no parameter {parameter}")
        needed = {parameter for parameter, says in declared.items() if "Default" not in says}
        required = set()
        for condition in re.findall(r"for name in \[(.*?)\]", json.dumps(body.get("lifecycle", ""))):
            required.update(re.findall(r"\w+", condition))
        for parameter in sorted(needed - given - (required if merged else set())):
            problems.append(f"{kind}.{name}: nothing gives {path.group(1)} its parameter {parameter}")
        if not merged:
            for parameter in sorted(set(declared) - given):
                problems.append(f"{kind}.{name}: {parameter} of {path.group(1)} cannot be set")
        capabilities = json.dumps(body.get("capabilities", ""))
        kinds = {resource["Type"] for resource in template["Resources"].values()}
        if any(kind_of.startswith("AWS::IAM::") for kind_of in kinds) and "CAPABILITY" not in capabilities:
            problems.append(f"{kind}.{name}: {path.group(1)} makes roles, and no capability says so")
        if kind.endswith("_set") and "auto_deployment" not in body:
            problems.append(f"{kind}.{name}: new accounts are not reached")
        if kind.endswith("_set") and not json.dumps(body.get("managed_execution", "")).lower().count('"active": true'):
            problems.append(f"{kind}.{name}: operations of several Regions do not wait for each other")
    return deployed


def check_patience(module):
    """Hundreds of accounts, one after the other and within half an hour: that is what happens where nothing is said."""
    sets = {name for kind, name in module["resource"] if kind == "aws_cloudformation_stack_set"}
    instances = {name for kind, name in module["resource"] if kind == "aws_cloudformation_stack_set_instance"}
    if not sets or sets != instances:
        problems.append(f"stack sets {sorted(sets)} and instances {sorted(instances)}")
    for (kind, name), body in module["resource"].items():
        if not kind.startswith("aws_cloudformation_stack_set"):
            continue
        said = json.dumps(body.get("operation_preferences", ""))
        if '"failure_tolerance_percentage": 100' not in said or '"max_concurrent_percentage": 25' not in said:
            problems.append(f"{kind}.{name}: one account that fails ends the operation, or one comes after the other")
        wanted = ("update",) if kind.endswith("_set") else ("create", "update", "delete")
        said = json.dumps(body.get("timeouts", ""))
        for operation in wanted:
            if not re.search(rf'"{operation}": "[^0-9]*6h', said):
                problems.append(f"{kind}.{name}: Terraform gives {operation} half an hour")


def check_references(module, folder):
    text = module["text"]
    for name in sorted(set(re.findall(r"\bvar\.(\w+)", text)) - set(module["variable"])):
        problems.append(f"{folder}: var.{name} is not declared")
    for name in sorted(set(module["variable"]) - set(re.findall(r"\bvar\.(\w+)", text))):
        problems.append(f"{folder}: variable {name} is used nowhere")
    for name in sorted(set(re.findall(r"\blocal\.(\w+)", text)) - set(module["locals"])):
        problems.append(f"{folder}: local.{name} is not declared")
    for kind, name in sorted(set(re.findall(r"\b(aws_\w+)\.(\w+)", text)) - set(module["resource"])):
        problems.append(f"{folder}: {kind}.{name} is not declared")
    for kind in ("variable", "output"):
        for name, body in module[kind].items():
            if not unquoted(body.get("description", "")):
                problems.append(f"{folder}: {kind} {name} is not described")
    for name, body in module["variable"].items():
        if "type" not in body:
            problems.append(f"{folder}: variable {name} has no type")


def check_outputs(module, templates):
    """Outputs of stacks that the module reads: those of the hub by way of a local."""
    hub = set(templates["infra/hub/template.yaml"]["Outputs"])
    for name in sorted(set(re.findall(r'local\.hub\["(\w+)"\]', module["text"])) - hub):
        problems.append(f"infra/hub/template.yaml has no output {name}")
    of_stack = re.findall(r'aws_cloudformation_stack\.(\w+)\[0\]\.outputs\["(\w+)"\]', module["text"])
    of_stack += [("fan_out", name) for name in re.findall(r'stack\.outputs\["(\w+)"\]', module["text"])]
    for stack, name in of_stack:
        path = f"infra/{stack.replace('_', '-')}/template.yaml"
        if name not in templates[path]["Outputs"]:
            problems.append(f"{path} has no output {name}")


def check_example(folder, module, templates):
    example = read(os.path.join(folder, "example"))
    check_references(example, "example")
    for name, body in example["module"].items():
        given = {key for key in body if not key.startswith("__")} - {"source", "providers"}
        for unknown in sorted(given - set(module["variable"])):
            problems.append(f"example: the module has no variable {unknown}")
        needed = {key for key, says in module["variable"].items() if "default" not in says}
        for missing in sorted(needed - given):
            problems.append(f"example: module {name} is not given {missing}")
        for key in given:
            stack = key.removesuffix("_parameters").replace("_", "-")
            if key == stack.replace("-", "_"):
                continue
            declared = templates[f"infra/{stack}/template.yaml"]["Parameters"]
            for parameter in sorted({k for k in body[key] if not k.startswith("__")} - set(declared)):
                problems.append(f"example: infra/{stack}/template.yaml has no parameter {parameter}")


def main():
    folder = sys.argv[1]
    templates = json.load(sys.stdin)
    module = read(folder)
    deployed = check_stacks(module, templates)
    # The stack set is the module's own resource in the place of the template that wraps it; the pipeline is an example.
    elsewhere = {"infra/member/stack-set.yaml", "infra/ci/pipeline-stage.yaml"}
    for path in sorted(set(templates) - deployed - elsewhere):
        problems.append(f"{path} is not deployed")
    check_patience(module)
    check_references(module, "module")
    check_outputs(module, templates)
    check_example(folder, module, templates)
    print("\n".join(problems), end="")


main()
