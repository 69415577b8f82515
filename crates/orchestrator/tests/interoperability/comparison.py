"""Does a mirror say what the server says? Every query, every look-up and the order of the events, asset by asset.

It asks and compares, and changes nothing. A mirror that began with queries does not know of every output which asset was
registered for it first, so what hangs on that is asked only of a mirror that has seen all events. Start at differences.
"""

import computeplan_pb2
import computetask_pb2
import datamanager_pb2
import datasample_pb2
import dataset_pb2
import event_pb2
import failure_report_pb2
import function_pb2
import model_pb2
import performance_pb2
from backend import everything
from mirror import key_of

ANSWERS_INPUTS = {
    computetask_pb2.STATUS_WAITING_FOR_EXECUTOR_SLOT,
    computetask_pb2.STATUS_EXECUTING,
    computetask_pb2.STATUS_FAILED,
}


def differences(connection, mirror, has_all_events):
    """What differs, as texts."""
    yield from of_queries(connection, mirror)
    yield from of_look_ups(connection, mirror)
    yield from of_filters(connection, mirror)
    yield from of_plans(connection, mirror)
    yield from of_datasets(connection, mirror)
    if has_all_events:
        yield from of_outputs(connection, mirror)
    yield from of_order(connection, mirror)


def compare(what, known, answered):
    if known != answered:
        yield f"{what}\n  known:    {known}\n  answered: {answered}"


def of_queries(connection, mirror):
    answered = {}
    for kind, asset in everything(connection):
        yield from compare(f"{kind} twice", None, answered.setdefault(kind, {}).get(key_of(kind, asset)))
        answered[kind][key_of(kind, asset)] = asset
    for kind in sorted(answered):
        known = mirror.assets(connection.channel, kind)
        yield from compare(f"keys of {kind}", sorted(known), sorted(answered[kind]))
        for key in known:
            yield from compare(f"{kind} {key}", known[key], answered[kind].get(key))


def of_look_ups(connection, mirror):
    look_ups = [
        ("data_manager", connection.data_managers.GetDataManager, datamanager_pb2.GetDataManagerParam),
        ("data_sample", connection.data_samples.GetDataSample, datasample_pb2.GetDataSampleParam),
        ("function", connection.functions.GetFunction, function_pb2.GetFunctionParam),
        ("compute_plan", connection.plans.GetPlan, computeplan_pb2.GetComputePlanParam),
        ("compute_task", connection.tasks.GetTask, computetask_pb2.GetTaskParam),
        ("model", connection.models.GetModel, model_pb2.GetModelParam),
    ]
    for kind, method, request in look_ups:
        for key, known in mirror.assets(connection.channel, kind).items():
            yield from compare(f"{kind} {key}", known, connection.found(method, request(key=key)))
    for key, known in mirror.assets(connection.channel, "failure_report").items():
        request = failure_report_pb2.GetFailureReportParam(asset_key=key)
        yield from compare(f"report of {key}", known, connection.found(connection.failure_reports.GetFailureReport, request))


def of_filters(connection, mirror):
    """Lists that are narrowed, in their order: by creation date, then by key."""
    tasks = in_order(mirror.assets(connection.channel, "compute_task").values())
    functions = in_order(mirror.assets(connection.channel, "function").values())
    plans = in_order(mirror.assets(connection.channel, "compute_plan").values())
    for status in computetask_pb2.ComputeTaskStatus.values()[1:]:
        request = computetask_pb2.QueryTasksParam(filter=computetask_pb2.TaskQueryFilter(status=status))
        answered = list(connection.pages(connection.tasks.QueryTasks, request, "tasks"))
        yield from compare(f"tasks of status {status}", [task for task in tasks if task.status == status], answered)
    for plan in plans:
        request = computetask_pb2.QueryTasksParam(filter=computetask_pb2.TaskQueryFilter(compute_plan_key=plan.key))
        answered = list(connection.pages(connection.tasks.QueryTasks, request, "tasks"))
        of_plan = [task for task in tasks if task.compute_plan_key == plan.key]
        yield from compare(f"tasks of plan {plan.key}", of_plan, answered)
        used = {task.function_key for task in of_plan}
        request = function_pb2.QueryFunctionsParam(filter=function_pb2.FunctionQueryFilter(compute_plan_key=plan.key))
        answered = list(connection.pages(connection.functions.QueryFunctions, request, "Functions"))
        yield from compare(f"functions of plan {plan.key}", [found for found in functions if found.key in used], answered)
    for owner in {plan.owner for plan in plans}:
        request = computeplan_pb2.QueryPlansParam(filter=computeplan_pb2.PlanQueryFilter(owner=owner))
        answered = list(connection.pages(connection.plans.QueryPlans, request, "plans"))
        yield from compare(f"plans of {owner}", [plan for plan in plans if plan.owner == owner], answered)
    performances = mirror.assets(connection.channel, "performance")
    for task in {performance.compute_task_key for performance in performances.values()}:
        criteria = performance_pb2.PerformanceQueryFilter(compute_task_key=task)
        request = performance_pb2.QueryPerformancesParam(filter=criteria)
        answered = list(connection.pages(connection.performances.QueryPerformances, request, "Performances"))
        known = [found for found in performances.values() if found.compute_task_key == task]
        yield from compare(f"performances of {task}", known, answered)


def in_order(assets):
    return sorted(assets, key=lambda asset: (asset.creation_date.ToNanoseconds(), asset.key))


def of_plans(connection, mirror):
    """Whether a plan is running follows from the plan and its tasks (compute/PLAN-51)."""
    tasks = mirror.assets(connection.channel, "compute_task").values()
    for key, plan in mirror.assets(connection.channel, "compute_plan").items():
        statuses = {task.status for task in tasks if task.compute_plan_key == key}
        over = plan.HasField("cancelation_date") or plan.HasField("failure_date")
        broken = statuses & {computetask_pb2.STATUS_CANCELED, computetask_pb2.STATUS_FAILED}
        known = not over and not broken and bool(statuses - {computetask_pb2.STATUS_DONE})
        answer = connection.call(connection.plans.IsPlanRunning, computeplan_pb2.IsPlanRunningParam(key=key))
        yield from compare(f"plan {key} is running", known, answer.is_running)


def of_datasets(connection, mirror):
    samples = in_order(mirror.assets(connection.channel, "data_sample").values())
    for key, manager in mirror.assets(connection.channel, "data_manager").items():
        of_manager = [sample.key for sample in samples if key in sample.data_manager_keys]
        known = dataset_pb2.Dataset(data_manager=manager, data_sample_keys=of_manager)
        answered = connection.call(connection.datasets.GetDataset, dataset_pb2.GetDatasetParam(key=key))
        yield from compare(f"dataset {key}", known, answered)


def of_outputs(connection, mirror):
    """The models of each task (compute/MODEL-11) and what goes into it (compute/TASK-61)."""
    models = mirror.assets(connection.channel, "model")
    managers = mirror.assets(connection.channel, "data_manager")
    samples = mirror.assets(connection.channel, "data_sample")
    by_output = {}
    for link in mirror.outputs(connection.channel):
        if link.asset_key in models:
            output = (link.compute_task_key, link.compute_task_output_identifier)
            by_output.setdefault(output, []).append(models[link.asset_key])
    for key, task in mirror.assets(connection.channel, "compute_task").items():
        known = [model for identifier in sorted(task.outputs) for model in by_output.get((key, identifier), [])]
        known.sort(key=lambda model: model.creation_date.ToNanoseconds())
        request = model_pb2.GetComputeTaskModelsParam(compute_task_key=key)
        answered = list(connection.call(connection.models.GetComputeTaskOutputModels, request).models)
        yield from compare(f"models of task {key}", known, answered)
        if task.status in ANSWERS_INPUTS:
            known = list(inputs(task, by_output, models, managers, samples))
            request = computetask_pb2.GetTaskInputAssetsParam(compute_task_key=key)
            answered = list(connection.call(connection.tasks.GetTaskInputAssets, request).assets)
            yield from compare(f"inputs of task {key}", known, answered)


def inputs(task, by_output, models, managers, samples):
    for given in task.inputs:
        if given.WhichOneof("ref") == "parent_task_output":
            parent = given.parent_task_output
            for model in by_output.get((parent.parent_task_key, parent.output_identifier), []):
                yield computetask_pb2.ComputeTaskInputAsset(identifier=given.identifier, model=model)
        else:
            key = given.asset_key
            asset = {"model": models.get(key), "data_manager": managers.get(key), "data_sample": samples.get(key)}
            asset = {kind: found for kind, found in asset.items() if found is not None}
            yield computetask_pb2.ComputeTaskInputAsset(identifier=given.identifier, **asset)


def of_order(connection, mirror):
    """Each stream that the mirror read was the same part of the one sequence, message by message (core/SUB-3, SUB-7, SUB-18)."""
    handled = mirror.handled(connection.channel)
    last = mirror.last_event_id(connection.channel)
    sequence = []
    stream = connection.once(connection.events.SubscribeToEvents, event_pb2.SubscribeToEventsParam())
    for event in stream:
        sequence.append(event)
        if event.id == last:
            break
    stream.cancel()
    places = {event.id: place for place, event in enumerate(sequence)}
    yield from compare("events twice", len(sequence), len(places))
    current, place = None, None
    for stream, after_id, event in handled:
        if stream != current:
            current, place = stream, places[after_id] if after_id else -1
        place += 1
        yield from compare(f"event {place}", event, sequence[place])
    listed = list(connection.pages(connection.events.QueryEvents, event_pb2.QueryEventsParam(), "events"))
    known = sorted(sequence, key=lambda event: event.timestamp.ToNanoseconds())
    yield from compare("events listed", [event.id for event in known], [event.id for event in listed])
    for event in listed:
        if event != sequence[places[event.id]]:
            yield f"event {event.id} is listed otherwise than told"
