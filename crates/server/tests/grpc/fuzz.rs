//! Requests that are nearly right, from decoding to decision, and page tokens that are (core/ID-14, PAG-5, DEF-14).
//!
//! Seeds are the requests of the authorization table, and `requests.txt`: a method and the bytes of a message, as hexadecimal digits, in each
//! line. Whatever comes is answered or refused with a reason: no fault, no end of the connection, no answer that takes for ever.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tokio::runtime::Runtime;
use tonic::{Code, Status, Streaming};

use crate::authorization::{BY_OWNER, World, methods, request};
use crate::mutation::fuzz;
use crate::wire;

/// Tried for each method, and for each list.
const ITERATIONS: usize = 60;
const REQUESTS: &str = include_str!("requests.txt");
/// No call may take longer, whatever is in it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The messages in `requests.txt`.
fn odd_requests() -> Vec<(String, Vec<u8>)> {
    let lines = REQUESTS.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (method, digits) = line.split_once(' ').unwrap();
            (format!("/orchestrator.{method}"), bytes(digits))
        })
        .collect()
}

fn bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

impl World {
    /// The status of a call of the owner of everything, which comes in time and says why.
    async fn answer(&self, method: &str, message: &[u8]) -> Result<(), Status> {
        let is_stream = method.ends_with("SubscribeToEvents");
        // A client does not go on with a connection on which it has left too many streams before their end.
        let connection = if is_stream { self.connect() } else { self.connection.clone() };
        let call = wire::open(connection, method, BY_OWNER, message.to_vec());
        let answered = tokio::time::timeout(PATIENCE, call).await.unwrap();
        let answered = match answered {
            // A stream may have nothing to say yet.
            Ok(_stream) if is_stream => Ok(()),
            Ok(mut unary) => read_to_end(&mut unary).await,
            Err(status) => Err(status),
        };
        if let Err(status) = &answered {
            let fine = match status.code() {
                Code::Internal => !status.message().starts_with("OE"), // no message at all
                code => code != Code::Unknown && status.message().starts_with("OE"),
            };
            assert!(fine, "{method}: {status:?}");
        }
        answered
    }
}

async fn read_to_end(unary: &mut Streaming<Bytes>) -> Result<(), Status> {
    while unary.message().await?.is_some() {}
    Ok(())
}

#[test]
fn whatever_is_sent_is_answered_or_refused() {
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let methods = methods().into_iter().filter(|method| method.starts_with("/orchestrator."));
    for method in methods {
        let odd = odd_requests().into_iter().filter(|(of, _)| *of == method).map(|(_, message)| message);
        let seeds: Vec<_> = odd.chain([request(&method)]).collect();
        fuzz(ITERATIONS, &seeds, |message| {
            let _answered_or_refused = runtime.block_on(world.answer(&method, message));
        });
    }
}

#[test]
fn a_page_token_is_ours_or_refused() {
    // core/PAG-5
    let runtime = Runtime::new().unwrap();
    let world = runtime.block_on(World::new());
    let first_page = proto::QueryFunctionsParam { page_size: 1, ..Default::default() }.encode_to_vec();
    let list = "/orchestrator.FunctionService/QueryFunctions";
    let page = wire::call(world.connection.clone(), list, BY_OWNER, first_page);
    let page = proto::QueryFunctionsResponse::decode(runtime.block_on(page).unwrap().unwrap()).unwrap();
    assert!(!page.next_page_token.is_empty());
    let seeds = [page.next_page_token.as_str(), "7", "+9223372036854775807", "-1", "k"];
    let seeds = seeds.map(|token| token.as_bytes().to_vec());
    for list in methods().into_iter().filter(|method| method.contains("Service/Query")) {
        if list.ends_with("QueryVersion") {
            continue;
        }
        fuzz(ITERATIONS, &seeds, |token| {
            // All lists have the token first and the size second.
            let page_token = String::from_utf8_lossy(token).into_owned();
            let message = proto::QueryFunctionsParam { page_token, page_size: 1, filter: None };
            let answer = runtime.block_on(world.answer(&list, &message.encode_to_vec()));
            let code = answer.map_or_else(|status| status.code(), |()| Code::Ok);
            assert!([Code::Ok, Code::InvalidArgument].contains(&code), "{list}: {code:?}");
        });
    }
}
