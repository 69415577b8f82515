//! The limits of the gRPC port: what clients may send, hold, and take time for.

use std::num::NonZeroUsize;

use server::{KeepalivePolicy, Limits};

use super::super::format::{
    BOOLEAN, DURATION, HEADER_LIST_SIZE, MESSAGE_SIZE, POSITIVE_DURATION, POSITIVE_INTEGER, STREAM_COUNT,
};
use super::super::reader::Reader;
use super::super::settings::{
    GRPC_CALL_TIMEOUT, GRPC_HANDSHAKE_TIMEOUT, GRPC_IDLE_TIMEOUT, GRPC_KEEPALIVE_POLICY_MIN_TIME,
    GRPC_KEEPALIVE_POLICY_PERMIT_WITHOUT_STREAM, GRPC_MAX_ANSWER_BYTES_PER_ORGANIZATION,
    GRPC_MAX_BYTES_UNDER_WAY, GRPC_MAX_CALLS_PER_ORGANIZATION, GRPC_MAX_CONNECTIONS,
    GRPC_MAX_CONNECTIONS_PER_ADDRESS, GRPC_MAX_HEADER_LIST_SIZE, GRPC_MAX_MESSAGE_SIZE,
    GRPC_MAX_PENDING_RESETS, GRPC_MAX_REQUEST_BYTES_PER_ORGANIZATION, GRPC_MAX_STREAMS_PER_CONNECTION,
    GRPC_MAX_STREAMS_PER_ORGANIZATION, GRPC_PING_INTERVAL, GRPC_PING_TIMEOUT, STREAM_GRACE, Setting,
};

/// What the environment does not say is as the server has it by itself.
pub(super) fn limits(reader: &mut Reader) -> Option<Limits> {
    let message_bytes_max = reader.read(GRPC_MAX_MESSAGE_SIZE, &MESSAGE_SIZE);
    let header_list_bytes_max = reader.read(GRPC_MAX_HEADER_LIST_SIZE, &HEADER_LIST_SIZE);
    let connections_max = reader.read(GRPC_MAX_CONNECTIONS, &POSITIVE_INTEGER);
    let connections_per_address_max = reader.read(GRPC_MAX_CONNECTIONS_PER_ADDRESS, &POSITIVE_INTEGER);
    let streams_per_connection_max = reader.read(GRPC_MAX_STREAMS_PER_CONNECTION, &STREAM_COUNT);
    let pending_resets_max = reader.read(GRPC_MAX_PENDING_RESETS, &POSITIVE_INTEGER);
    let calls_per_organization_max = reader.read(GRPC_MAX_CALLS_PER_ORGANIZATION, &POSITIVE_INTEGER);
    let streams_per_organization_max = reader.read(GRPC_MAX_STREAMS_PER_ORGANIZATION, &POSITIVE_INTEGER);
    let request_bytes =
        bytes_of_a_request_at_least(reader, GRPC_MAX_REQUEST_BYTES_PER_ORGANIZATION, message_bytes_max);
    let answer_bytes = reader.read(GRPC_MAX_ANSWER_BYTES_PER_ORGANIZATION, &POSITIVE_INTEGER);
    let bytes_under_way = bytes_of_a_request_at_least(reader, GRPC_MAX_BYTES_UNDER_WAY, message_bytes_max);
    let handshake_timeout = reader.read(GRPC_HANDSHAKE_TIMEOUT, &POSITIVE_DURATION);
    let idle_timeout = reader.read(GRPC_IDLE_TIMEOUT, &DURATION);
    let call_timeout = reader.read(GRPC_CALL_TIMEOUT, &POSITIVE_DURATION);
    let ping_interval = reader.read(GRPC_PING_INTERVAL, &POSITIVE_DURATION);
    let ping_timeout = reader.read(GRPC_PING_TIMEOUT, &POSITIVE_DURATION);
    let keepalive_policy = keepalive_policy(reader);
    let stream_grace = reader.read(STREAM_GRACE, &DURATION);
    Some(Limits {
        message_bytes_max: message_bytes_max?,
        header_list_bytes_max: header_list_bytes_max?,
        connections_max: connections_max?.get(),
        connections_per_address_max: connections_per_address_max?.get(),
        streams_per_connection_max: streams_per_connection_max?,
        pending_resets_max: pending_resets_max?.get(),
        calls_per_organization_max: calls_per_organization_max?.get(),
        streams_per_organization_max: streams_per_organization_max?.get(),
        request_bytes_per_organization_max: request_bytes?.get(),
        answer_bytes_per_organization_max: answer_bytes?.get(),
        bytes_under_way_max: bytes_under_way?.get(),
        handshake_timeout: handshake_timeout?,
        idle_timeout: Some(idle_timeout?).filter(|timeout| !timeout.is_zero()),
        call_timeout: call_timeout?,
        ping_interval: ping_interval?,
        ping_timeout: ping_timeout?,
        keepalive_policy: keepalive_policy?,
        stream_grace: stream_grace?,
        ..Limits::default()
    })
}

/// Less than one request of the largest size would let nobody use that size.
fn bytes_of_a_request_at_least(
    reader: &mut Reader,
    setting: Setting,
    message_bytes_max: Option<usize>,
) -> Option<NonZeroUsize> {
    let bytes = reader.read(setting, &POSITIVE_INTEGER)?;
    if message_bytes_max.is_some_and(|message| bytes.get() < message) {
        let message = GRPC_MAX_MESSAGE_SIZE.name;
        reader.problem(setting, format!("is {bytes}; expected at least {message}"));
    }
    Some(bytes)
}

fn keepalive_policy(reader: &mut Reader) -> Option<KeepalivePolicy> {
    let min_time = reader.read(GRPC_KEEPALIVE_POLICY_MIN_TIME, &DURATION);
    let permit_without_stream = reader.read(GRPC_KEEPALIVE_POLICY_PERMIT_WITHOUT_STREAM, &BOOLEAN);
    Some(KeepalivePolicy { min_time: min_time?, permit_without_stream: permit_without_stream? })
}
