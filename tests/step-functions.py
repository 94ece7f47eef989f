"""The fan-out's state machine, executed by moto's Step Functions with the real program behind it.

In: settings as JSON on stdin (`definition` and its `substitutions`; `worker` and `task`, the commands behind functions and
Fargate tasks; `taskOptions`, what is added to the latter; `environment`, theirs; `region`, `bucket`, `objects` to put there first; `faults` by account; `folder`, in which commands work; `into`, a folder for the bucket's objects).
Out: one JSON object on stdout: how the execution ended, its output, and every invocation and task; and the bucket's objects as
files in the folder.

What is moto: S3 over HTTP, the language of states, the Distributed Map with its reader of items. What is not, because moto
has Docker behind both: functions are processes that are fed over Lambda's runtime API on loopback, Fargate tasks are
processes. moto's task of ECS does not look at exit codes; AWS's fails where the container does, so this one does too. Waits
between tries are a second each: how often and for which errors something is tried again stays. moto counts no failures of a
map, which with a tolerance of 100 % is all the same, and its writer of results writes none.
"""

import io
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

settings = json.load(sys.stdin)

# moto reads these when it is imported.
os.environ.update(
    AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_DEFAULT_REGION=settings["region"], MOTO_ALLOW_NONEXISTENT_REGION="true"
)

import boto3
import moto.backends
from botocore.exceptions import ClientError
from moto.core.config import default_user_config
from moto.moto_server.threaded_moto_server import ThreadedMotoServer
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import FailureEvent, FailureEventException
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import StatesErrorNameType
from moto.stepfunctions.parser.asl.component.state.exec.state_map.item_reader.eval import resource_eval_s3 as reader
from moto.stepfunctions.parser.asl.component.state.exec.state_map.result_writer.resource_eval import (
    resource_eval_s3 as writer,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_ecs as ecs
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

# Long enough for a debug build on a busy machine.
LONGEST = 300

lock = threading.Lock()
invocations = []
tasks = {}
faults = settings.get("faults", {})


def use_up(account, kind):
    """Whether the next try of an account meets this fault; a count is used up, -1 never is."""
    with lock:
        left = faults.get(account, {}).get(kind, 0)
        if left > 0:
            faults[account][kind] = left - 1
        return left != 0


class Invocation:
    """One function: a process that is fed one event over the runtime API, and what it answers."""

    def __init__(self, event):
        self.event = event
        self.id = str(uuid.uuid4())
        self.taken = False
        self.answer = None
        self.done = threading.Event()
        api = self

        class Api(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                # The process is asked for no second event: it waits until it is ended.
                if api.taken:
                    api.done.wait(LONGEST)
                    time.sleep(LONGEST)
                    return
                api.taken = True
                body = json.dumps(api.event).encode()
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", api.id)
                self.send_header("Lambda-Runtime-Deadline-Ms", str(int((time.time() + LONGEST) * 1000)))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                # What is said twice, or of another invocation, is refused as Lambda refuses it.
                known = self.path.endswith("/init/error") or f"/invocation/{api.id}/" in self.path
                fresh = known and not api.done.is_set()
                self.send_response(202 if fresh else 400)
                self.send_header("Content-Length", "0")
                self.end_headers()
                if fresh:
                    api.answer = (not self.path.endswith("/response"), json.loads(body))
                    api.done.set()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def run(self, kill_after=None):
        environment = dict(settings["environment"])
        environment["AWS_LAMBDA_RUNTIME_API"] = f"127.0.0.1:{self.server.server_port}"
        process = subprocess.Popen(
            settings["worker"], cwd=settings["folder"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        log = []
        drain = threading.Thread(target=lambda: log.append(process.stderr.read()), daemon=True)
        drain.start()
        began = time.time()
        while not self.done.wait(0.02):
            if process.poll() is not None or time.time() - began > LONGEST:
                break
            if kill_after is not None and self.taken and time.time() - began > kill_after:
                break
        process.kill()
        process.wait()
        drain.join(5)
        self.server.shutdown()
        self.log = b"".join(log).decode(errors="replace")
        if self.answer:
            return self.answer
        return True, {"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: {self.id} Error: Runtime exited"}


def storage():
    return boto3.client("s3", endpoint_url=settings["environment"]["PIPEWARDEN_STORE_ENDPOINT_URL"])


class Functions:
    """The part of Lambda's client that moto's Step Functions calls."""

    def invoke(self, FunctionName, Payload=b"{}", **_):
        event = json.loads(Payload)
        account = event.get("account")
        if use_up(account, "throttled"):
            self.keep(FunctionName, event, "throttled", "")
            said = {"Error": {"Code": "TooManyRequestsException", "Message": "Rate Exceeded."}}
            raise ClientError({**said, "ResponseMetadata": {"HTTPStatusCode": 429, "RequestId": "0"}}, "Invoke")
        invocation = Invocation(event)
        failed, answer = invocation.run(kill_after=0.2 if use_up(account, "killed") else None)
        if use_up(account, "too large"):
            failed, answer = True, {"errorType": "Sandbox.Timedout", "errorMessage": "Task timed out after 900.00 seconds"}
        self.keep(FunctionName, event, answer if failed else "answered", invocation.log)
        if not failed:
            answer = self.placed(answer)
        answered = {"StatusCode": 200, "Payload": io.BytesIO(json.dumps(answer).encode())}
        if failed:
            answered["FunctionError"] = "Unhandled"
        return answered

    @staticmethod
    def placed(answer):
        """Items that were handed over as a file of a folder that workers share, as an object, where the map reads them."""
        path = isinstance(answer.get("accounts"), dict) and answer["accounts"].get("file")
        if not path:
            return answer
        key = f"stages/{answer['runId']}/{os.path.basename(path)}"
        storage().upload_file(os.path.join(settings["folder"], path), settings["bucket"], key)
        return {**answer, "accounts": {"bucket": settings["bucket"], "key": key}}

    @staticmethod
    def keep(function, event, outcome, log):
        with lock:
            invocations.append({"function": function, "event": event, "outcome": outcome, "log": log})


def lowered(node):
    """Names begin with a small letter in ECS, and with a capital one in Step Functions."""
    if isinstance(node, dict):
        return {key[0].lower() + key[1:]: lowered(value) for key, value in node.items()}
    return [lowered(value) for value in node] if isinstance(node, list) else node


def doubled(node):
    """Both spellings: moto reads answers of ECS in one before, and in the other after it has translated them."""
    if isinstance(node, dict):
        small = {key: doubled(value) for key, value in node.items()}
        return small | {key[0].upper() + key[1:]: value for key, value in small.items()}
    return [doubled(value) for value in node] if isinstance(node, list) else node


class Fargate:
    """The part of ECS's client that moto's Step Functions calls: a task is a process."""

    def run_task(self, **asked):
        asked = lowered(asked)
        cluster, command = asked["cluster"], asked["overrides"]["containerOverrides"][0]["command"]
        arn = f"arn:aws:ecs:{settings['region']}:123456789012:task/{uuid.uuid4()}"
        account = command[command.index("--account") + 1] if "--account" in command else None
        task = {"taskArn": arn, "clusterArn": cluster, "command": command}
        with lock:
            tasks[arn] = task
        if use_up(account, "task fails"):
            task.update(exitCode=137, log="")
        else:
            done = subprocess.run(
                [*settings["task"], *command, *settings.get("taskOptions", [])],
                cwd=settings["folder"], env=settings["environment"], stdin=subprocess.DEVNULL, capture_output=True
            )
            task.update(exitCode=done.returncode, log=(done.stdout + done.stderr).decode(errors="replace"))
        return doubled({"tasks": [{"taskArn": arn, "clusterArn": cluster}], "failures": []})

    def describe_tasks(self, tasks, **_):
        (arn,) = tasks
        of = globals()["tasks"][arn]
        containers = [{"name": "pipewarden", "exitCode": of["exitCode"], "lastStatus": "STOPPED"}]
        task = {"taskArn": arn, "clusterArn": of["clusterArn"], "lastStatus": "STOPPED", "containers": containers}
        return doubled({"tasks": [task], "failures": []})


def fail_with_the_container(resolver, env, state):
    """AWS's `.sync` ends in `States.TaskFailed` where an essential container ends with another code than 0."""

    def resolved():
        task = resolver()
        codes = [container.get("ExitCode", 1) for container in task["Containers"]]
        if any(codes):
            cause = json.dumps(task, separators=(",", ":"))
            name = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
            details = TaskFailedEventDetails(
                resource=state._get_sfn_resource(), resourceType=state._get_sfn_resource_type(), error=name.error_name, cause=cause
            )
            details = EventDetails(taskFailedEventDetails=details)
            raise FailureEventException(
                FailureEvent(env=env, error_name=name, event_type=HistoryEventType.TaskFailed, event_details=details)
            )
        return task

    return resolved


def prepare(server):
    """Puts moto's Step Functions before the processes, and before S3 on the port of this server."""
    default_user_config["stepfunctions"]["execute_state_machine"] = True
    host, port = server.get_host_and_port()
    endpoint = f"http://127.0.0.1:{port}"

    def client_for(service, region, state_credentials=None):
        if service == "lambda":
            return Functions()
        if service == "ecs":
            return Fargate()
        return boto3.client(service, region_name=region, endpoint_url=endpoint)

    for module in (lambda_eval_utils, ecs, reader, writer):
        module.boto_client_for = client_for
    resolver_of = ecs.StateTaskServiceEcs._build_sync_resolver

    def build(self, env, resource_runtime_part, normalised_parameters, state_credentials):
        resolver = resolver_of(self, env, resource_runtime_part, normalised_parameters, state_credentials)
        return fail_with_the_container(resolver, env, self)

    ecs.StateTaskServiceEcs._build_sync_resolver = build
    return endpoint


def quickened(node):
    """The same definition with short waits; how often, how much longer each time and for which errors stays."""
    if isinstance(node, dict):
        node = {key: quickened(value) for key, value in node.items()}
        if "IntervalSeconds" in node:
            node.update(IntervalSeconds=1, BackoffRate=1.0)
            node.pop("MaxDelaySeconds", None)
            node.pop("JitterStrategy", None)
        if "ToleratedFailurePercentage" in node:
            # moto's grammar wants a fraction here.
            node["ToleratedFailurePercentage"] = float(node["ToleratedFailurePercentage"])
    elif isinstance(node, list):
        node = [quickened(value) for value in node]
    return node


def main():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = prepare(server)
    settings["environment"]["PIPEWARDEN_STORE_ENDPOINT_URL"] = endpoint
    s3 = storage()
    bucket = settings["bucket"]
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": settings["region"]})
    for key, text in settings.get("objects", {}).items():
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
    definition = settings["definition"]
    for name, value in settings["substitutions"].items():
        definition = definition.replace("${%s}" % name, value)
    states = boto3.client("stepfunctions", endpoint_url=endpoint)
    role = "arn:aws:iam::123456789012:role/pipewarden-states"
    machine = states.create_state_machine(name="audit", definition=json.dumps(quickened(json.loads(definition))), roleArn=role)
    execution = states.start_execution(stateMachineArn=machine["stateMachineArn"], input="{}")
    while (described := states.describe_execution(executionArn=execution["executionArn"]))["status"] == "RUNNING":
        time.sleep(0.1)
    for listed in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in listed.get("Contents", []):
            path = os.path.join(settings["into"], found["Key"])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            s3.download_file(bucket, found["Key"], path)
    answer = {key: described.get(key) for key in ("status", "output", "error", "cause")}
    answer["startedAt"] = described["startDate"].isoformat()
    json.dump({**answer, "invocations": invocations, "tasks": list(tasks.values())}, sys.stdout)
    server.stop()
    # Threads of waiting runtime APIs are not worth waiting for.
    sys.stdout.flush()
    os._exit(0)


main()
