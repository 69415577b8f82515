//! A proxy in front of the database that counts the statements passing through.
//!
//! It reads as much of PostgreSQL's protocol as it takes to tell messages apart: every message of a client but the first is a letter, a length
//! and that many bytes; `E` executes a prepared statement. Transactions begin and end without one. Start at [`Proxy::before`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use postgres::testing::TestDatabase;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

pub(crate) struct Proxy {
    url: String,
    executed: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn before(database: &TestDatabase) -> Self {
        let (credentials, rest) = database.url().rsplit_once('@').unwrap();
        let (address, name) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("{credentials}@{}/{name}?sslmode=disable", listener.local_addr().unwrap());
        let executed = Arc::new(AtomicUsize::new(0));
        tokio::spawn(accept(listener, address.to_owned(), Arc::clone(&executed)));
        Self { url, executed }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// How many statements were executed so far, but for those that only tell other servers about new events.
    pub(crate) fn executed(&self) -> usize {
        self.executed.load(Ordering::SeqCst)
    }
}

async fn accept(listener: TcpListener, address: String, executed: Arc<AtomicUsize>) {
    while let Ok((client, _)) = listener.accept().await {
        let server = TcpStream::connect(&address).await.unwrap();
        let (mut from_server, to_server) = server.into_split();
        let (from_client, mut to_client) = client.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
        tokio::spawn(forward(from_client, to_server, Arc::clone(&executed)));
    }
}

/// Hands a client's messages on until it leaves.
async fn forward(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    executed: Arc<AtomicUsize>,
) -> std::io::Result<()> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await?;
    pass(&mut from, &mut to, &[], length).await?;
    let mut notifies = false;
    loop {
        let kind = from.read_u8().await?;
        from.read_exact(&mut length).await?;
        let message = pass(&mut from, &mut to, &[kind], length).await?;
        notifies |= message.windows(9).any(|text| text == b"pg_notify");
        executed.fetch_add(usize::from(kind == b'E' && !notifies), Ordering::SeqCst);
    }
}

/// Hands a message on whose length, which counts itself, has been read.
async fn pass(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    kind: &[u8],
    length: [u8; 4],
) -> std::io::Result<Vec<u8>> {
    let bytes = usize::try_from(u32::from_be_bytes(length)).unwrap() - length.len();
    let mut message = vec![0; bytes];
    from.read_exact(&mut message).await?;
    to.write_all(&[kind, &length, &message].concat()).await?;
    Ok(message)
}
