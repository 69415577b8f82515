"""Organizations at work: random calls of every kind, mostly sensible ones, by one thread for each member of a channel.

It knows what it registered, and cares for no answer but that each is one that a member may get. Start at Member.work.
"""

import random
import threading
import uuid
from collections import Counter

import common_pb2
import computeplan_pb2
import computetask_pb2
import datamanager_pb2
import datasample_pb2
import failure_report_pb2
import function_pb2
import grpc
import model_pb2
import organization_pb2
import performance_pb2
import profiling_pb2

# What no call may be answered with, whatever it asks.
FAULTS = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE}

MANAGER, SAMPLE = common_pb2.ASSET_DATA_MANAGER, common_pb2.ASSET_DATA_SAMPLE
MODEL, PERFORMANCE = common_pb2.ASSET_MODEL, common_pb2.ASSET_PERFORMANCE

# Inputs (kind, multiple, optional) and outputs (kind, multiple) of functions.
SHAPES = {
    "train": (
        {"opener": (MANAGER, False, False), "samples": (SAMPLE, True, False), "models": (MODEL, True, True)},
        {"model": (MODEL, False)},
    ),
    "aggregate": ({"models": (MODEL, True, True)}, {"model": (MODEL, False), "parts": (MODEL, True)}),
    "evaluate": ({"models": (MODEL, True, False)}, {"accuracy": (PERFORMANCE, False)}),
}


class World:
    """What was registered in a channel so far; its members' threads share it."""

    def __init__(self, organizations):
        self.organizations = organizations
        self.managers, self.samples, self.functions, self.plans, self.tasks = {}, {}, {}, {}, {}
        self.outcomes = Counter()
        self.faults = []


def new_key():
    return str(uuid.uuid4())


def addressable():
    key = uuid.uuid4()
    return common_pb2.Addressable(checksum=key.hex * 2, storage_address=f"https://backend.example/file/{key}")


def any_of(assets, wanted=lambda asset: True):
    """One of the known ones, now and then one that nobody knows or wants."""
    fitting = [key for key, asset in list(assets.items()) if wanted(asset)]
    if random.random() < 0.04:
        fitting = list(assets)
    return random.choice(fitting) if fitting else new_key()


class Member(threading.Thread):
    """An organization's calls, so many of them."""

    def __init__(self, connection, world, count):
        super().__init__()
        self._connection = connection
        self._me = connection.organization
        self._world = world
        self._count = count

    def run(self):
        try:
            self._work()
        except Exception as error:
            self._world.faults.append(f"{self._me} gave up: {error!r}")

    def _work(self):
        connection = self._connection
        address = f"http://{self._me.lower()}.example"
        self._try(connection.organizations.RegisterOrganization, organization_pb2.RegisterOrganizationParam(address=address))
        self._settle_down()
        weights = {
            self.register_manager: 2, self.rename_manager: 1, self.register_samples: 3, self.link_samples: 2,
            self.register_function: 3, self.update_function: 3, self.build: 8, self.report_function: 1, self.profile: 1,
            self.register_plan: 3, self.rename_plan: 2, self.cancel_plan: 1,
            self.register_tasks: 14, self.work: 40, self.disable: 6,
        }  # fmt: skip
        for _ in range(self._count):
            random.choices(list(weights), list(weights.values()))[0]()

    def _settle_down(self):
        """Something of each kind, so that random calls have something to do."""
        for inputs, outputs in SHAPES.values():
            self._register_function(inputs, outputs)
        for action in [function_pb2.FUNCTION_ACTION_BUILDING, function_pb2.FUNCTION_ACTION_READY]:
            for key in [key for key, function in self._world.functions.items() if self._mine(function)]:
                self._build(key, action)
        self.register_plan()
        self.register_manager()
        self.register_samples()

    def _try(self, method, request):
        """The answer, or None if it is a refusal."""
        name = type(request).__name__
        try:
            answer = self._connection.call(method, request)
        except grpc.RpcError as error:
            self._world.outcomes[name, error.code().name] += 1
            if error.code() in FAULTS:
                self._world.faults.append(f"{request}: {error}")
            return None
        self._world.outcomes[name, "OK"] += 1
        return answer

    def _grant(self):
        ids = random.sample(self._world.organizations, random.randrange(len(self._world.organizations)))
        return common_pb2.NewPermissions(public=random.random() < 0.85, authorized_ids=ids)

    def _mine(self, asset):
        return asset.owner == self._me

    def _keep(self, assets, answer, items=None):
        for asset in [] if answer is None else getattr(answer, items) if items else [answer]:
            assets[asset.key] = asset

    def register_manager(self):
        request = datamanager_pb2.NewDataManager(
            key=new_key(), name="data", new_permissions=self._grant(), logs_permission=self._grant(),
            description=addressable(), opener=addressable(), metadata={"kind": "images"},
        )  # fmt: skip
        self._keep(self._world.managers, self._try(self._connection.data_managers.RegisterDataManager, request))

    def rename_manager(self):
        request = datamanager_pb2.UpdateDataManagerParam(key=any_of(self._world.managers, self._mine), name=new_key())
        self._try(self._connection.data_managers.UpdateDataManager, request)

    def register_samples(self):
        managers = list({any_of(self._world.managers, self._mine) for _ in range(random.randint(1, 2))})
        samples = [
            datasample_pb2.NewDataSample(key=new_key(), data_manager_keys=managers, checksum=uuid.uuid4().hex * 2)
            for _ in range(random.randint(1, 4))
        ]
        request = datasample_pb2.RegisterDataSamplesParam(samples=samples)
        answer = self._try(self._connection.data_samples.RegisterDataSamples, request)
        self._keep(self._world.samples, answer, "data_samples")

    def link_samples(self):
        keys = [any_of(self._world.samples, self._mine) for _ in range(2)]
        managers = [any_of(self._world.managers, self._mine)]
        request = datasample_pb2.UpdateDataSamplesParam(keys=keys, data_manager_keys=managers)
        if self._try(self._connection.data_samples.UpdateDataSamples, request) is not None:
            for key in set(keys):
                known = self._world.samples[key].data_manager_keys
                known.extend(manager for manager in managers if manager not in known)

    def register_function(self):
        self._register_function(*random.choice(list(SHAPES.values())))

    def _register_function(self, inputs, outputs):
        request = function_pb2.NewFunction(
            key=new_key(), name="function", description=addressable(), archive=addressable(), new_permissions=self._grant(),
            inputs={name: function_pb2.FunctionInput(kind=kind, multiple=multiple, optional=optional)
                    for name, (kind, multiple, optional) in inputs.items()},
            outputs={name: function_pb2.FunctionOutput(kind=kind, multiple=multiple)
                     for name, (kind, multiple) in outputs.items()},
        )  # fmt: skip
        self._keep(self._world.functions, self._try(self._connection.functions.RegisterFunction, request))

    def update_function(self):
        image = addressable() if random.random() < 0.7 else None
        request = function_pb2.UpdateFunctionParam(
            key=any_of(self._world.functions, self._mine), name=new_key(), image=image
        )
        self._try(self._connection.functions.UpdateFunction, request)

    def build(self):
        actions = [
            function_pb2.FUNCTION_ACTION_BUILDING, function_pb2.FUNCTION_ACTION_READY, function_pb2.FUNCTION_ACTION_FAILED,
            function_pb2.FUNCTION_ACTION_CANCELED,
        ]  # fmt: skip
        self._build(any_of(self._world.functions, self._mine), random.choices(actions, [20, 15, 1, 1])[0])

    def _build(self, key, action):
        request = function_pb2.ApplyFunctionActionParam(function_key=key, action=action)
        self._try(self._connection.functions.ApplyFunctionAction, request)

    def report_function(self):
        self._report(any_of(self._world.functions, self._mine), failure_report_pb2.FAILED_ASSET_FUNCTION)

    def _report(self, key, kind):
        internal = random.random() < 0.3
        request = failure_report_pb2.NewFailureReport(
            asset_key=key,
            asset_type=kind,
            error_type=failure_report_pb2.ERROR_TYPE_INTERNAL if internal else failure_report_pb2.ERROR_TYPE_EXECUTION,
            logs_address=None if internal else addressable(),
        )
        self._try(self._connection.failure_reports.RegisterFailureReport, request)

    def profile(self):
        key = any_of(self._world.functions, self._mine)
        request = profiling_pb2.ProfilingStep(asset_key=key, step="build_image", duration=random.randint(1, 2**32 - 1))
        self._try(self._connection.profiling.RegisterProfilingStep, request)

    def register_plan(self):
        request = computeplan_pb2.NewComputePlan(key=new_key(), name="plan", tag="tag", metadata={"a": "b"})
        self._keep(self._world.plans, self._try(self._connection.plans.RegisterPlan, request))

    def rename_plan(self):
        request = computeplan_pb2.UpdateComputePlanParam(key=any_of(self._world.plans, self._mine), name=new_key())
        self._try(self._connection.plans.UpdatePlan, request)

    def cancel_plan(self):
        request = computeplan_pb2.ApplyPlanActionParam(
            key=any_of(self._world.plans, self._mine), action=computeplan_pb2.PLAN_ACTION_CANCELED
        )
        self._try(self._connection.plans.ApplyPlanAction, request)

    def register_tasks(self):
        tasks = []
        for _ in range(random.randint(1, 4)):
            tasks.append(self._new_task(tasks))
        request = computetask_pb2.RegisterTasksParam(tasks=random.sample(tasks, len(tasks)))
        answer = self._try(self._connection.tasks.RegisterTasks, request)
        self._keep(self._world.tasks, answer, "tasks")

    def _new_task(self, siblings):
        function_key = any_of(self._world.functions)
        function = self._world.functions.get(function_key)
        inputs, worker = [], random.choice(self._world.organizations)
        if function is not None and "opener" in function.inputs:
            manager = any_of(self._world.managers)
            worker = ""
            inputs.append(computetask_pb2.ComputeTaskInput(identifier="opener", asset_key=manager))
            of_manager = [key for key, sample in list(self._world.samples.items()) if manager in sample.data_manager_keys]
            for sample in random.sample(of_manager, min(len(of_manager), 2)) or [new_key()]:
                inputs.append(computetask_pb2.ComputeTaskInput(identifier="samples", asset_key=sample))
        inputs += self._model_inputs(siblings)
        outputs = {} if function is None else function.outputs
        permissions = common_pb2.NewPermissions(public=True)
        return computetask_pb2.NewComputeTask(
            key=new_key(), function_key=function_key, compute_plan_key=any_of(self._world.plans, self._mine), worker=worker,
            inputs=inputs,
            outputs={name: computetask_pb2.NewComputeTaskOutput(
                permissions=permissions, transient=output.kind == MODEL and random.random() < 0.6)
                for name, output in outputs.items()},
        )  # fmt: skip

    def _model_inputs(self, siblings):
        known = list(self._world.tasks.values())
        candidates = siblings + random.sample(known, min(len(known), 2))
        parents = [task.key for task in candidates if "model" in task.outputs]
        for parent in random.sample(parents, min(len(parents), random.randint(1, 2))):
            reference = computetask_pb2.ParentTaskOutputRef(parent_task_key=parent, output_identifier="model")
            yield computetask_pb2.ComputeTaskInput(identifier="models", parent_task_output=reference)

    def work(self):
        """Takes one of the tasks that wait for this organization through its life."""
        waiting = computetask_pb2.TaskQueryFilter(
            worker=self._me, status=computetask_pb2.STATUS_WAITING_FOR_EXECUTOR_SLOT
        )
        request = computetask_pb2.QueryTasksParam(page_size=5, filter=waiting)
        answer = self._try(self._connection.tasks.QueryTasks, request)
        if answer is None or not answer.tasks:
            return
        task = random.choice(answer.tasks)
        self._try(self._connection.tasks.GetTaskInputAssets, computetask_pb2.GetTaskInputAssetsParam(compute_task_key=task.key))
        self._act(task.key, computetask_pb2.TASK_ACTION_EXECUTING)
        for identifier, output in self._world.functions[task.function_key].outputs.items():
            self._register_output(task.key, identifier, output)
        ends = [computetask_pb2.TASK_ACTION_DONE, computetask_pb2.TASK_ACTION_FAILED, computetask_pb2.TASK_ACTION_CANCELED, None]
        end = random.choices(ends, [30, 1, 1, 1])[0]
        if end is None:
            self._report(task.key, failure_report_pb2.FAILED_ASSET_COMPUTE_TASK)
        else:
            self._act(task.key, end)

    def _act(self, key, action):
        log = random.choice(["", "as it should be"])
        request = computetask_pb2.ApplyTaskActionParam(compute_task_key=key, action=action, log=log)
        self._try(self._connection.tasks.ApplyTaskAction, request)

    def _register_output(self, key, identifier, output):
        if output.kind == PERFORMANCE:
            request = performance_pb2.NewPerformance(
                compute_task_key=key, compute_task_output_identifier=identifier, performance_value=random.random()
            )
            self._try(self._connection.performances.RegisterPerformance, request)
            return
        models = [
            model_pb2.NewModel(
                key=new_key(), compute_task_key=key, compute_task_output_identifier=identifier, address=addressable()
            )
            for _ in range(random.randint(1, 3) if output.multiple else 1)
        ]
        self._try(self._connection.models.RegisterModels, model_pb2.RegisterModelsParam(models=models))

    def disable(self):
        mine = any_of(self._world.tasks, lambda task: task.worker == self._me)
        request = computetask_pb2.DisableOutputParam(compute_task_key=mine, identifier="model")
        self._try(self._connection.tasks.DisableOutput, request)
