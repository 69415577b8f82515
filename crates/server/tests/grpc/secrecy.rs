//! What one channel learns of another: nothing but that a key is taken (core/CHN-5, CHN-6, SUB-4, PAG-5).
//!
//! Every question is asked twice, about something that another channel has and about something that nobody has; the answers differ only in what
//! was asked. OrgC is a member of south alone.

use prost::Message;
use tonic::Status;

use crate::authorization::{function, key};
use crate::running_server::RunningServer;
use crate::wire::{self, BY_A, Headers};

const BY_C: Headers<'static> = &[("mspid", b"OrgC"), ("channel", b"south")];
const REGISTER: &str = "/orchestrator.FunctionService/RegisterFunction";
const GET: &str = "/orchestrator.FunctionService/GetFunction";
const SUBSCRIBE: &str = "/orchestrator.EventService/SubscribeToEvents";
const QUERY: &str = "/orchestrator.FunctionService/QueryFunctions";
/// In north, in south, and nowhere.
const NORTHERN: u32 = 1;
const SOUTHERN: u32 = 2;
const ABSENT: u32 = 3;

async fn server_with_a_function_in_each_channel() -> RunningServer {
    let server = RunningServer::start().await;
    server.register("OrgA", "north").await.unwrap();
    server.register("OrgC", "south").await.unwrap();
    for (headers, number) in [(BY_A, NORTHERN), (BY_A, 10), (BY_C, SOUTHERN)] {
        wire::call(server.connect(), REGISTER, headers, function(number).encode_to_vec()).await.unwrap();
    }
    server
}

/// How OrgC is refused, with what it asked for left out.
async fn refusal(server: &RunningServer, method: &str, message: impl Message, asked: &str) -> (i32, String) {
    let call = wire::call(server.connect(), method, BY_C, message.encode_to_vec());
    let status: Status = call.await.unwrap_err();
    (status.code().into(), status.message().replace(asked, "…"))
}

#[tokio::test]
async fn a_key_that_is_taken_elsewhere_is_taken_as_one_is_here() {
    let server = server_with_a_function_in_each_channel().await;
    let mut refusals = Vec::new();
    for number in [NORTHERN, SOUTHERN] {
        let mut new = function(20);
        new.key = key(number);
        refusals.push(refusal(&server, REGISTER, new, &key(number)).await);
    }
    assert_eq!(refusals[0], refusals[1]);
}

#[tokio::test]
async fn what_is_elsewhere_is_found_as_little_as_what_is_nowhere() {
    let server = server_with_a_function_in_each_channel().await;
    let get = async |number| {
        refusal(&server, GET, proto::GetFunctionParam { key: key(number) }, &key(number)).await
    };
    assert_eq!(get(NORTHERN).await, get(ABSENT).await);

    let events = "/orchestrator.EventService/QueryEvents";
    let northern = wire::call(server.connect(), events, BY_A, "").await.unwrap().unwrap();
    let northern = proto::QueryEventsResponse::decode(northern).unwrap().events.remove(0).id;
    let subscribe = async |id: &str| {
        refusal(&server, SUBSCRIBE, proto::SubscribeToEventsParam { start_event_id: id.to_owned() }, id).await
    };
    assert_eq!(subscribe(&northern).await, subscribe(&key(ABSENT)).await);
}

#[tokio::test]
async fn an_address_that_is_used_elsewhere_is_free() {
    let server = server_with_a_function_in_each_channel().await;
    let mut new = function(NORTHERN);
    new.key = key(ABSENT);
    wire::call(server.connect(), REGISTER, BY_C, new.encode_to_vec()).await.unwrap();
}

#[tokio::test]
async fn a_page_token_of_another_channel_is_noise() {
    let server = server_with_a_function_in_each_channel().await;
    let page = proto::QueryFunctionsParam { page_size: 1, ..Default::default() }.encode_to_vec();
    let page = wire::call(server.connect(), QUERY, BY_A, page).await.unwrap().unwrap();
    let token = proto::QueryFunctionsResponse::decode(page).unwrap().next_page_token;
    assert!(!token.is_empty());
    let query = async |token: &str| {
        let message = proto::QueryFunctionsParam { page_token: token.to_owned(), ..Default::default() };
        refusal(&server, QUERY, message, token).await
    };
    assert_eq!(query(&token).await, query("noise").await);
}
