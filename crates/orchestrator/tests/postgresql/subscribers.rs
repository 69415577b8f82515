//! Many subscribers, slow ones, and those who leave (S-48 … S-51).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::join_all;
use postgres::testing::TestDatabase;
use proto::event_service_client::EventServiceClient;
use tokio::runtime::Handle;
use tonic::transport::Channel;
use tonic::{Request, Streaming};
use tracing_subscriber::fmt::MakeWriter;

use crate::replica::{PATIENCE, Replica, SAMPLES, eventually, key, migrated, read, samples, sql};

/// As many as a store may have (see `PostgresOptions`).
const CONNECTIONS_MAX: i64 = 18;

async fn ask(database: &TestDatabase, question: &str) -> i64 {
    sql(database).await.query_one(question, &[]).await.unwrap().get(0)
}

async fn connections(database: &TestDatabase) -> i64 {
    const CONNECTIONS: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'orchestrator'";
    ask(database, CONNECTIONS).await
}

/// Subscriptions to north from the beginning, on this connection.
async fn subscribe(connection: &Channel) -> Streaming<proto::Event> {
    let mut request = Request::new(proto::SubscribeToEventsParam::default());
    request.metadata_mut().insert("mspid", "OrgB".parse().unwrap());
    request.metadata_mut().insert("channel", "north".parse().unwrap());
    EventServiceClient::new(connection.clone()).subscribe_to_events(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hundred_streams_share_a_few_connections_and_each_read() {
    // core/SUB-1, SUB-18, DEF-50, DEF-55, S-50: what one server writes, three hundred hear of at another.
    const STREAMS: usize = 300;
    const CALLS: u32 = 20;
    const EACH: u32 = 50;
    let database = migrated().await;
    let (here, there) = (Replica::start(database.url()).await, Replica::start(database.url()).await);
    let writer = here.registered("OrgA", "north").await;
    let connection = there.endpoint().connect_lazy();
    let mut streams = join_all((0..STREAMS).map(|_| subscribe(&connection))).await;
    for stream in &mut streams {
        read(stream, 1).await;
    }
    for call in 0..CALLS {
        writer.ok(SAMPLES, samples(call * EACH..(call + 1) * EACH)).await;
    }
    let told = read(&mut there.follow_north("").await, usize::try_from(1 + CALLS * EACH).unwrap()).await;
    let told = &told[1..];
    assert!(told.iter().map(|event| event.asset_key.clone()).eq((0..CALLS * EACH).map(key)));
    // All at once: what one of them leaves unread, the others of its connection cannot be sent.
    join_all(streams.iter_mut().map(async |stream| {
        for event in told {
            assert_eq!(read(stream, 1).await[0], *event);
        }
    }))
    .await;
    assert!(connections(&database).await <= 2 * CONNECTIONS_MAX);

    // The database publishes its counts when its clients have left.
    drop((streams, connection, writer, here, there));
    eventually(async || connections(&database).await == 0).await;
    const LOOKS: &str =
        "SELECT (seq_scan + idx_scan)::bigint FROM pg_stat_user_tables WHERE relname = 'event'";
    eventually(async || ask(&database, LOOKS).await >= i64::from(CALLS)).await;
    let looks = ask(&database, LOOKS).await;
    // Each stream looks for what was there before it, once or twice; new events are looked for once for all of them.
    assert!(looks < 1_000, "{looks} looks into the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_subscribers_of_all_servers_see_one_sequence_although_a_commit_is_late() {
    // core/EVT-12, SUB-6, SUB-7, TX-12, S-51
    const WRITERS: u32 = 20;
    const CALLS: u32 = 5;
    const EACH: u32 = 10;
    const LATE: u32 = 7 * EACH * CALLS;
    let database = migrated().await;
    let delay = format!(
        "CREATE FUNCTION orchestrator.be_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_sleep(0.3);
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER be_late AFTER INSERT ON orchestrator.data_sample DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW WHEN (NEW.key = '{}') EXECUTE FUNCTION orchestrator.be_late()",
        key(LATE)
    );
    sql(&database).await.batch_execute(&delay).await.unwrap();
    let replicas = [Replica::start(database.url()).await, Replica::start(database.url()).await];
    replicas[0].registered("OrgA", "north").await;
    let mut early = [replicas[0].follow_north("").await, replicas[1].follow_north("").await];
    let writers = (0..WRITERS).map(|writer| {
        let member = replicas[usize::try_from(writer % 2).unwrap()].member("OrgA", "north");
        tokio::spawn(async move {
            for call in 0..CALLS {
                let first = (writer * CALLS + call) * EACH;
                member.ok(SAMPLES, samples(first..first + EACH)).await;
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let total = usize::try_from(1 + WRITERS * CALLS * EACH).unwrap();
    let mut sequence = read(&mut early[0], total / 2).await;
    let mut between = [replicas[0].follow_north("").await, replicas[1].follow_north("").await];
    for writer in writers {
        writer.await.unwrap();
    }
    sequence.extend(read(&mut early[0], total - total / 2).await);
    for stream in early[1..].iter_mut().chain(&mut between) {
        assert_eq!(read(stream, total).await, sequence);
    }
    for replica in &replicas {
        let mut resumed = replica.follow_north(&sequence[333].id).await;
        assert_eq!(read(&mut resumed, total - 334).await, sequence[334..]);
    }
    for call in sequence[1..].chunks(usize::try_from(EACH).unwrap()) {
        let first = u32::from_str_radix(&call[0].asset_key[..8], 16).unwrap();
        assert_eq!(first % EACH, 0, "the events of a call stand together");
        let keys = (first..first + EACH).map(key);
        assert!(call.iter().map(|event| event.asset_key.clone()).eq(keys), "in the order of the request");
    }
}

/// Counts the lines of a log.
#[derive(Clone, Default)]
struct Lines(Arc<AtomicUsize>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Everything runs on one thread, so that its log is this test's.
#[tokio::test]
async fn subscribers_that_leave_in_the_middle_of_a_replay_leave_nothing_behind() {
    // core/SUB-12, S-48
    const EVENTS: usize = 10_000;
    const LEAVING: usize = 200;
    let errors = Lines::default();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::ERROR).with_writer(errors.clone());
    let _logging = tracing::subscriber::set_default(log.finish());
    let database = migrated().await;
    let replica = Replica::start(database.url()).await;
    let writer = replica.registered("OrgA", "north").await;
    for batch in 0..20 {
        writer.ok(SAMPLES, samples(batch * 500..(batch + 1) * 500)).await;
    }
    let mut staying = subscribe(&replica.endpoint().connect_lazy()).await;
    read(&mut staying, 10).await;
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();

    let mut connections_of_clients: Vec<_> =
        (0..LEAVING).map(|_| replica.endpoint().connect_lazy()).collect();
    let reading = connections_of_clients.iter().map(async |connection| {
        let mut stream = subscribe(connection).await;
        read(&mut stream, 10).await;
        stream
    });
    let streams = join_all(reading).await;
    assert!(tasks() > before + LEAVING);
    // Half of them close their sockets; the others cancel and stay connected for a while.
    let connected = connections_of_clients.split_off(LEAVING / 2);
    drop((streams, connections_of_clients));
    read(&mut staying, 10).await;
    drop(connected);
    assert!(connections(&database).await <= CONNECTIONS_MAX);
    // Each connection to the database is a task, and more of them may be open now.
    let after = before + usize::try_from(CONNECTIONS_MAX).unwrap();
    eventually(async || tasks() <= after).await;
    read(&mut staying, EVENTS + 1 - 20).await;
    assert_eq!(errors.0.load(Ordering::Relaxed), 0, "nobody's leaving is an error");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_stalls_holds_nothing_and_finds_everything_when_it_reads_on() {
    // core/SUB-13, DEF-51, S-49: more events than are kept in memory.
    const CALLS: u32 = 24;
    const EACH: u32 = 500;
    let database = migrated().await;
    let replica = Replica::start(database.url()).await;
    let writer = replica.registered("OrgA", "north").await;
    writer.ok(SAMPLES, samples(0..EACH)).await;
    let mut stalled = replica.follow_north("").await;
    let mut seen = read(&mut stalled, 5).await;
    let mut keeping_up = replica.follow_north("").await;
    let mut told = read(&mut keeping_up, 1 + usize::try_from(EACH).unwrap()).await;
    for call in 1..CALLS {
        writer.ok(SAMPLES, samples(call * EACH..(call + 1) * EACH)).await;
        told.extend(read(&mut keeping_up, usize::try_from(EACH).unwrap()).await);
    }
    const HOLDING: &str = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'orchestrator'
            AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL)";
    eventually(async || ask(&database, HOLDING).await == 0).await;
    let quiet = tokio::time::timeout(Duration::from_millis(50), keeping_up.message()).await;
    assert!(quiet.is_err(), "everything has been told");
    seen.extend(tokio::time::timeout(PATIENCE, read(&mut stalled, told.len() - 5)).await.unwrap());
    assert!(seen == told, "everything, once, in order");
}
