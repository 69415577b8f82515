//! A road between a client and a server, on which there is weather: connections are delayed, held up, or cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to the bytes on the road.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// Nothing.
    Clear,
    /// They arrive this much later.
    Slow(Duration),
    /// They wait.
    Stalled,
    /// Connections are cut, and no new one is made.
    Cut,
}

/// The road. Its address stays, whatever becomes of the server at its end.
pub(crate) struct Proxy {
    address: SocketAddr,
    server: Arc<Mutex<String>>,
    weather: watch::Sender<Weather>,
}

impl Proxy {
    /// A road to this server.
    pub(crate) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Arc::new(Mutex::new(server.to_owned()));
        let weather = watch::Sender::new(Weather::Clear);
        tokio::spawn(accept(listener, Arc::clone(&server), weather.subscribe()));
        Self { address, server, weather }
    }

    /// Where the road begins.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on the road leads to another server.
    pub(crate) fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.server.lock().unwrap());
    }

    /// From now on there is this weather.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

async fn accept(listener: TcpListener, server: Arc<Mutex<String>>, weather: watch::Receiver<Weather>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = server.lock().unwrap().clone();
        let weather = weather.clone();
        tokio::spawn(async move {
            if *weather.borrow() == Weather::Cut {
                return;
            }
            let Ok(server) = TcpStream::connect(server).await else { return };
            let ((from_client, to_client), (from_server, to_server)) =
                (client.into_split(), server.into_split());
            // Both ways end together.
            tokio::select! {
                () = carry(from_client, to_server, weather.clone()) => {}
                () = carry(from_server, to_client, weather) => {}
            }
        });
    }
}

/// Carries bytes one way until an end is closed or the road is cut.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut weather: watch::Receiver<Weather>) {
    let mut until_cut = weather.clone();
    let carrying = async {
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let now = *weather.borrow_and_update();
            match now {
                Weather::Slow(delay) => tokio::time::sleep(delay).await,
                Weather::Stalled => drop(weather.wait_for(|now| *now != Weather::Stalled).await),
                Weather::Clear | Weather::Cut => {}
            }
            if to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = carrying => {}
        _cut_or_gone = until_cut.wait_for(|now| *now == Weather::Cut) => {}
    }
}
