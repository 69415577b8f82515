//! The event stream against a server that interrupts it in every way there is: no event is lost, none comes twice.
//!
//! The server knows a hundred events and follows a script, one step for each subscription. Start at [`Script`].

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{Client, ClientOptions, Events, RetryPolicy};
use proto::event_service_server::{EventService, EventServiceServer};
use proto::{Event, QueryEventsParam, QueryEventsResponse, SubscribeToEventsParam};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Code, Request, Response, Status};

const EVENTS: usize = 100;

/// What the server does with its subscriptions, one after the other; those after the last get all the rest of the events.
type Script = Vec<Step>;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The subscription is refused.
    Refuse(Code),
    /// So many events are sent, then the stream ends with this status.
    Send(usize, Code),
    /// So many events are sent, then nothing more.
    SendAndWait(usize),
}

#[derive(Default)]
struct Server {
    script: Mutex<VecDeque<Step>>,
    starts: Arc<Mutex<Vec<String>>>,
}

#[tonic::async_trait]
impl EventService for Server {
    type SubscribeToEventsStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn subscribe_to_events(
        &self,
        request: Request<SubscribeToEventsParam>,
    ) -> Result<Response<Self::SubscribeToEventsStream>, Status> {
        let start = request.into_inner().start_event_id;
        let seen: usize = if start.is_empty() { 0 } else { start.parse().unwrap() };
        self.starts.lock().unwrap().push(start);
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Step::Send(EVENTS, Code::Unavailable));
        let events = |count| tokio_stream::iter((seen + 1..=EVENTS).take(count).map(|id| Ok(event(id))));
        match step {
            Step::Refuse(code) => Err(Status::new(code, "as told")),
            Step::Send(count, code) => {
                let end = (code != Code::Ok).then(|| Err(Status::new(code, "as told")));
                Ok(Response::new(Box::pin(events(count).chain(tokio_stream::iter(end)))))
            }
            Step::SendAndWait(count) => {
                Ok(Response::new(Box::pin(events(count).chain(tokio_stream::pending()))))
            }
        }
    }

    async fn query_events(
        &self,
        _: Request<QueryEventsParam>,
    ) -> Result<Response<QueryEventsResponse>, Status> {
        Err(Status::unimplemented("not part of this test"))
    }
}

fn event(id: usize) -> Event {
    Event { id: id.to_string(), ..Event::default() }
}

/// Serves the script; also gives the starts of all subscriptions so far.
async fn serve(script: Script) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let server = Server { script: Mutex::new(script.into()), starts: Arc::default() };
    let starts = Arc::clone(&server.starts);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = tonic::transport::Server::builder().add_service(EventServiceServer::new(server));
    tokio::spawn(router.serve_with_incoming(TcpListenerStream::new(listener)));
    (address, starts)
}

/// The events after this one, by a client that has little patience.
async fn subscribe(address: SocketAddr, start_event_id: &str) -> Events {
    let mut options = ClientOptions::new(format!("http://{address}"), "MyOrg1MSP", "mychannel");
    options.retry = RetryPolicy {
        attempts_max: 4,
        pause_min: Duration::from_millis(1),
        pause_max: Duration::from_millis(2),
        deadline: Duration::from_secs(10),
    };
    Client::connect(options).await.unwrap().events(start_event_id)
}

async fn ids(events: &mut Events, count: usize) -> Vec<usize> {
    let mut ids = Vec::new();
    for _ in 0..count {
        ids.push(events.next().await.unwrap().id.parse().unwrap());
    }
    ids
}

#[tokio::test]
async fn interruptions_are_not_seen() {
    let scripts: [(&str, Script); 6] = [
        ("none", vec![]),
        ("the server stops", vec![Step::Send(3, Code::Unavailable)]),
        ("the server ends the stream", vec![Step::Send(3, Code::Ok)]),
        ("the server vanishes", vec![Step::Send(3, Code::Unknown)]),
        (
            "the server is away for a while",
            vec![Step::Send(1, Code::Unavailable), Step::Refuse(Code::Unavailable)],
        ),
        ("the server stops after each event", vec![Step::Send(1, Code::Unavailable); EVENTS - 1]),
    ];
    for (name, script) in scripts {
        let (address, _) = serve(script).await;
        let mut events = subscribe(address, "").await;
        assert_eq!(ids(&mut events, EVENTS).await, (1..=EVENTS).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test]
async fn a_subscription_resumes_behind_the_last_event() {
    let (address, starts) =
        serve(vec![Step::Send(0, Code::Unavailable), Step::Send(2, Code::Unavailable)]).await;
    let mut events = subscribe(address, "40").await;
    assert_eq!(ids(&mut events, 3).await, [41, 42, 43]);
    assert_eq!(*starts.lock().unwrap(), ["40", "40", "42"]);
}

#[tokio::test]
async fn a_refusal_is_final_and_an_absent_server_is_given_up_with_the_place_kept() {
    let cases = [
        (
            "a refusal",
            vec![Step::Send(2, Code::Unavailable), Step::Refuse(Code::NotFound)],
            Code::NotFound,
            2,
        ),
        (
            "an absent server",
            [vec![Step::Send(2, Code::Unavailable)], vec![Step::Refuse(Code::Unavailable); 3]].concat(),
            Code::Unavailable,
            4,
        ),
    ];
    for (name, script, code, subscriptions) in cases {
        let (address, starts) = serve(script).await;
        let mut events = subscribe(address, "").await;
        assert_eq!(ids(&mut events, 2).await, [1, 2], "{name}");
        assert_eq!(events.next().await.unwrap_err().code(), code, "{name}");
        assert_eq!(starts.lock().unwrap().len(), subscriptions, "{name}");
        assert_eq!(ids(&mut events, 1).await, [3], "{name}");
    }
}

/// A way to the server that can be cut: each notice cuts the connection of the moment, and the next one is let through again.
async fn proxy(server: SocketAddr) -> (SocketAddr, Arc<Notify>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let cut = Arc::new(Notify::new());
    let cutter = Arc::clone(&cut);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut server = TcpStream::connect(server).await.unwrap();
            tokio::select! {
                _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                () = cutter.notified() => {}
            }
        }
    });
    (address, cut)
}

#[tokio::test]
async fn a_broken_connection_is_made_again() {
    let (server, starts) = serve(vec![Step::SendAndWait(2), Step::SendAndWait(1)]).await;
    let (address, cut) = proxy(server).await;
    let mut events = subscribe(address, "").await;
    assert_eq!(ids(&mut events, 2).await, [1, 2]);
    cut.notify_one();
    assert_eq!(ids(&mut events, 1).await, [3]);
    cut.notify_one();
    assert_eq!(ids(&mut events, EVENTS - 3).await, (4..=EVENTS).collect::<Vec<_>>());
    assert_eq!(*starts.lock().unwrap(), ["", "2", "3"]);
}
