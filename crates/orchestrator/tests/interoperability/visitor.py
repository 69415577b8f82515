"""Visits a server over mutual TLS as a backend does and prints how each call came out, one line each, as visitor.go does.

Start at main.
"""

import argparse

import event_pb2
import grpc
import organization_pb2
from connection import Connection, Identity, open_channel

DEADLINE_SECONDS = 20


def outcome(call):
    """OK and what came, or the status and its text."""
    try:
        return f"OK {call()}"
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            # The rest of the text is the library's own.
            return error.code().name
        return f"{error.code().name} {error.details()}"


def main():
    parser = argparse.ArgumentParser(description="call over mutual TLS")
    for name in ["address", "organization", "channel", "authority", "certificate", "key"]:
        parser.add_argument(f"--{name}", required=True)
    arguments = parser.parse_args()
    identity = Identity(arguments.authority, arguments.certificate, arguments.key)
    with open_channel(arguments.address, identity) as grpc_channel:
        connection = Connection(grpc_channel, arguments.organization, arguments.channel)
        address = f"http://{arguments.organization.lower()}.example"
        print("register:", outcome(lambda: register(connection, address)))
        print("list:", outcome(lambda: organizations(connection)))
        print("stream:", outcome(lambda: first_event(connection)))


def register(connection, address):
    request = organization_pb2.RegisterOrganizationParam(address=address)
    return connection.once(connection.organizations.RegisterOrganization, request, DEADLINE_SECONDS).id


def organizations(connection):
    request = organization_pb2.GetAllOrganizationsParam()
    answer = connection.once(connection.organizations.GetAllOrganizations, request, DEADLINE_SECONDS)
    return ",".join(organization.id for organization in answer.organizations)


def first_event(connection):
    stream = connection.once(connection.events.SubscribeToEvents, event_pb2.SubscribeToEventsParam(), DEADLINE_SECONDS)
    event = next(stream)
    stream.cancel()
    return event.asset_key


if __name__ == "__main__":
    main()
