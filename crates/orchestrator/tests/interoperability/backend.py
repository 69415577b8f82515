"""A backend: an organization's process that mirrors all its channels.

It learns what there is from the queries, page by page, then follows one event stream per channel from the last event that it handled. It may die
at any moment, also on purpose, and goes on where its mirror ends. A stream that ends with OK would strand it, so that is a
fault of the server; any other end makes the whole process end with EX_TEMPFAIL, to be started again. Start at follow.
"""

import argparse
import os
import random
import sys
import threading
import traceback
import uuid

import common_pb2
import computeplan_pb2
import computetask_pb2
import datamanager_pb2
import datasample_pb2
import event_pb2
import failure_report_pb2
import function_pb2
import grpc
import model_pb2
import organization_pb2
import performance_pb2
from connection import Connection, open_channel
from mirror import Mirror


def newest_event_id(connection):
    """The id of the newest event of the channel, or nothing."""
    request = event_pb2.QueryEventsParam(page_size=1, sort=common_pb2.DESCENDING)
    events = connection.call(connection.events.QueryEvents, request).events
    return events[0].id if events else ""


def everything(connection):
    """All that the queries and look-ups tell: kind and asset. It may be newer than the event that was newest before."""
    answer = connection.call(connection.organizations.GetAllOrganizations, organization_pb2.GetAllOrganizationsParam())
    yield from (("organization", found) for found in answer.organizations)
    lists = [
        ("data_manager", connection.data_managers.QueryDataManagers, datamanager_pb2.QueryDataManagersParam(), "data_managers"),
        ("data_sample", connection.data_samples.QueryDataSamples, datasample_pb2.QueryDataSamplesParam(), "data_samples"),
        ("function", connection.functions.QueryFunctions, function_pb2.QueryFunctionsParam(), "Functions"),
        ("compute_plan", connection.plans.QueryPlans, computeplan_pb2.QueryPlansParam(), "plans"),
        ("performance", connection.performances.QueryPerformances, performance_pb2.QueryPerformancesParam(), "Performances"),
    ]
    for kind, method, request, items in lists:
        for found in connection.pages(method, request, items):
            yield kind, found
            if kind == "function" and found.status == function_pb2.FUNCTION_STATUS_FAILED:
                yield from failure_report(connection, found.key)
    tasks = connection.pages(connection.tasks.QueryTasks, computetask_pb2.QueryTasksParam(), "tasks")
    for task in tasks:
        yield "compute_task", task
        if task.status == computetask_pb2.STATUS_FAILED:
            yield from failure_report(connection, task.key)
        request = model_pb2.GetComputeTaskModelsParam(compute_task_key=task.key)
        models = connection.call(connection.models.GetComputeTaskOutputModels, request).models
        yield from (("model", model) for model in models)


def failure_report(connection, asset_key):
    request = failure_report_pb2.GetFailureReportParam(asset_key=asset_key)
    report = connection.found(connection.failure_reports.GetFailureReport, request)
    return [] if report is None else [("failure_report", report)]


def learn_all(connection, mirror):
    """Everything there is, and from which event on to follow: one that had happened before the first question."""
    newest = newest_event_id(connection)
    for kind, asset in everything(connection):
        mirror.learn(connection.channel, kind, asset)
    mirror.record(connection.channel, newest)


def follow(connection, mirror, crash_rate, from_start):
    """Handles events as long as they come."""
    if mirror.last_event_id(connection.channel) is None and not from_start:
        learn_all(connection, mirror)
    begin = mirror.last_event_id(connection.channel) or ""
    stream = str(uuid.uuid4())
    request = event_pb2.SubscribeToEventsParam(start_event_id=begin)
    for event in connection.once(connection.events.SubscribeToEvents, request):
        mirror.handle(event, stream, begin)
        if random.random() < crash_rate:
            os._exit(os.EX_TEMPFAIL)
        mirror.record(connection.channel, event.id)
    raise AssertionError("a stream ended with OK")


def follow_or_exit(*how):
    try:
        follow(*how)
    except grpc.RpcError as error:
        print(f"{error.code()}: {error.details()}", file=sys.stderr)
        os._exit(os.EX_TEMPFAIL if error.code() == grpc.StatusCode.UNAVAILABLE else os.EX_SOFTWARE)
    except BaseException:
        traceback.print_exc()
        os._exit(os.EX_SOFTWARE)


def main():
    parser = argparse.ArgumentParser(description="mirror all channels of an organization")
    parser.add_argument("--address", required=True)
    parser.add_argument("--organization", required=True)
    parser.add_argument("--channel", required=True, action="append")
    parser.add_argument("--mirror", required=True, help="an SQLite file")
    parser.add_argument("--from-start", action="store_true", help="learn everything from events, nothing from queries")
    parser.add_argument("--crash-rate", type=float, default=0, help="how often to die between two events")
    arguments = parser.parse_args()
    grpc_channel = open_channel(arguments.address)
    mirror = Mirror(arguments.mirror)
    threads = []
    for channel in arguments.channel:
        connection = Connection(grpc_channel, arguments.organization, channel)
        how = (connection, mirror, arguments.crash_rate, arguments.from_start)
        threads.append(threading.Thread(target=follow_or_exit, args=how))
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
