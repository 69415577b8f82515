"""How a backend talks to the orchestrator: grpcio with the stubs generated from crates/proto/proto, two headers on every call, keepalive,
and the retry rule of core section 0. It knows nothing of what is asked. Start at Connection.
"""

import time
from collections import namedtuple
from pathlib import Path

import computeplan_pb2_grpc
import computetask_pb2_grpc
import datamanager_pb2_grpc
import datasample_pb2_grpc
import dataset_pb2_grpc
import event_pb2_grpc
import failure_report_pb2_grpc
import function_pb2_grpc
import grpc
import info_pb2_grpc
import model_pb2_grpc
import organization_pb2_grpc
import performance_pb2_grpc
import profiling_pb2_grpc

# Pings come every minute, and only while there is a call.
OPTIONS = [("grpc.keepalive_time_ms", 60_000), ("grpc.keepalive_permit_without_calls", 0)]
ATTEMPTS = 5
PAUSE_SECONDS = {
    grpc.StatusCode.UNKNOWN: lambda attempt: 1,
    grpc.StatusCode.UNAVAILABLE: lambda attempt: 2 * attempt,
}
# Small, so that lists have several pages.
PAGE_SIZE = 7

Identity = namedtuple("Identity", ["authority", "certificate", "key"])
"""The PEM files of mutual TLS: whom to trust, and who one is."""


def open_channel(address, identity=None):
    """A connection to a server, encrypted if there is an identity."""
    if identity is None:
        return grpc.insecure_channel(address, OPTIONS)
    authority, certificate, key = (Path(path).read_bytes() for path in identity)
    return grpc.secure_channel(address, grpc.ssl_channel_credentials(authority, key, certificate), OPTIONS)


class Connection:
    """One organization's access to one channel."""

    def __init__(self, grpc_channel, organization, channel):
        self.organization = organization
        self.channel = channel
        self._headers = [("mspid", organization), ("channel", channel)]
        self.organizations = organization_pb2_grpc.OrganizationServiceStub(grpc_channel)
        self.data_managers = datamanager_pb2_grpc.DataManagerServiceStub(grpc_channel)
        self.data_samples = datasample_pb2_grpc.DataSampleServiceStub(grpc_channel)
        self.datasets = dataset_pb2_grpc.DatasetServiceStub(grpc_channel)
        self.functions = function_pb2_grpc.FunctionServiceStub(grpc_channel)
        self.plans = computeplan_pb2_grpc.ComputePlanServiceStub(grpc_channel)
        self.tasks = computetask_pb2_grpc.ComputeTaskServiceStub(grpc_channel)
        self.models = model_pb2_grpc.ModelServiceStub(grpc_channel)
        self.performances = performance_pb2_grpc.PerformanceServiceStub(grpc_channel)
        self.failure_reports = failure_report_pb2_grpc.FailureReportServiceStub(grpc_channel)
        self.profiling = profiling_pb2_grpc.ProfilingServiceStub(grpc_channel)
        self.events = event_pb2_grpc.EventServiceStub(grpc_channel)
        self.info = info_pb2_grpc.InfoServiceStub(grpc_channel)

    def call(self, method, request):
        """The answer, by the last of five attempts at most."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self.once(method, request)
            except grpc.RpcError as error:
                if error.code() not in PAUSE_SECONDS or attempt == ATTEMPTS:
                    raise
                time.sleep(PAUSE_SECONDS[error.code()](attempt))

    def once(self, method, request, deadline_seconds=None):
        """The answer, or the messages of a streaming call, at the only attempt."""
        return method(request, metadata=self._headers, timeout=deadline_seconds)

    def pages(self, method, request, items):
        """All items of a list, page by page."""
        request.page_size = PAGE_SIZE
        while True:
            page = self.call(method, request)
            yield from getattr(page, items)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def found(self, method, request):
        """The answer, or None if there is no such asset."""
        try:
            return self.call(method, request)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
            return None
