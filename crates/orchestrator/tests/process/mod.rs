//! The executable as a child process, and a caller who talks to it over gRPC.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use proto::compute_plan_service_client::ComputePlanServiceClient;
use proto::event_service_client::EventServiceClient;
use proto::model_service_client::ModelServiceClient;
use proto::organization_service_client::OrganizationServiceClient;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

/// How long a child may take to say where it listens, and a stream to deliver.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `orchestrator`; killed (as by kill -9) when dropped.
pub(crate) struct Process {
    child: Child,
    pub(crate) address: String,
    /// What it has written after it had said where it listens.
    lines: mpsc::Receiver<String>,
}

/// A command of the executable in an environment of its own.
pub(crate) fn orchestrator(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestrator"));
    command.args(arguments).env_clear().envs(environment.iter().copied());
    command
}

impl Process {
    /// `orchestrator dev` on this folder, on free ports.
    pub(crate) fn dev(data: &std::path::Path) -> Self {
        Self::dev_with(data, &[])
    }

    /// The same with more arguments.
    pub(crate) fn dev_with(data: &std::path::Path, more: &[&str]) -> Self {
        Self::start_dev(&[&["--data", data.to_str().unwrap()], more].concat())
    }

    /// `orchestrator dev` with these arguments, on free ports.
    pub(crate) fn start_dev(arguments: &[&str]) -> Self {
        Self::start_dev_with_log(arguments, Stdio::inherit())
    }

    /// The same, where only errors are logged, to somewhere else.
    pub(crate) fn start_dev_with_log(arguments: &[&str], log: Stdio) -> Self {
        let arguments = [&["dev", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"], arguments].concat();
        let mut command = orchestrator(&arguments, &[("LOG_LEVEL", "error")]);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let output = child.stdout.take().unwrap();
        Self::listening(child, output, |line| {
            let rest = line.split("listens on ").nth(1)?;
            rest.split(' ').next().map(str::to_owned)
        })
    }

    /// `orchestrator serve` on this database, on free ports, for `mychannel` with three organizations.
    pub(crate) fn serve(environment: &[(&str, &str)]) -> Self {
        Self::serving(&mut orchestrator(&[], environment))
    }

    /// A command that becomes `orchestrator serve`.
    pub(crate) fn serving(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let log = child.stderr.take().unwrap();
        Self::listening(child, log, |line| {
            let line: serde_json::Value = serde_json::from_str(line).ok()?;
            (line["message"] == "serving").then(|| line["address"].as_str().unwrap().to_owned())
        })
    }

    /// A child that says in a line of its output where it listens. If it does not say, it is killed all the same.
    fn listening(
        child: Child,
        output: impl std::io::Read + Send + 'static,
        find: impl Fn(&str) -> Option<String> + Send + 'static,
    ) -> Self {
        let mut process = Self { child, address: String::new(), lines: mpsc::channel().1 };
        (process.address, process.lines) = first_match(output, find);
        process
    }

    /// Waits for a line with this text, and returns it.
    pub(crate) fn line_with(&self, text: &str) -> String {
        let next = || self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line says {text}"));
        std::iter::repeat_with(next).find(|line| line.contains(text)).unwrap()
    }

    /// Its number in the system.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM and returns the exit status.
    pub(crate) fn terminate(self) -> std::process::ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Sends SIGTERM, and returns what it has written until its end.
    pub(crate) fn terminate_and_read(mut self) -> Vec<String> {
        self.signal("TERM");
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Waits until it has ended.
    pub(crate) fn wait(mut self) -> std::process::ExitStatus {
        self.child.wait().unwrap()
    }

    pub(crate) async fn caller(&self, organization: &str) -> Caller {
        let channel =
            Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap();
        Caller { channel, organization: organization.parse().unwrap() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Reads a child's output until a line matches, and goes on reading so that the child never waits for us: the match, and the lines after it.
fn first_match(
    output: impl std::io::Read + Send + 'static,
    matches: impl Fn(&str) -> Option<String> + Send + 'static,
) -> (String, mpsc::Receiver<String>) {
    let (line, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for text in BufReader::new(output).lines().map_while(Result::ok) {
            let _nobody_may_listen = line.send(text);
        }
    });
    let next = || lines.recv_timeout(PATIENCE).expect("the process says where it listens");
    let found = std::iter::repeat_with(next).find_map(|line| matches(&line)).unwrap();
    (found, lines)
}

/// One organization's connection to `mychannel`.
#[derive(Clone)]
pub(crate) struct Caller {
    channel: Channel,
    organization: MetadataValue<tonic::metadata::Ascii>,
}

type Intercepted = InterceptedService<Channel, Headers>;

#[derive(Clone)]
pub(crate) struct Headers(MetadataValue<tonic::metadata::Ascii>);

impl tonic::service::Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request.metadata_mut().insert("mspid", self.0.clone());
        request.metadata_mut().insert("channel", MetadataValue::from_static("mychannel"));
        Ok(request)
    }
}

impl Caller {
    fn headers(&self) -> Headers {
        Headers(self.organization.clone())
    }

    pub(crate) fn organizations(&self) -> OrganizationServiceClient<Intercepted> {
        OrganizationServiceClient::with_interceptor(self.channel.clone(), self.headers())
    }

    pub(crate) fn plans(&self) -> ComputePlanServiceClient<Intercepted> {
        ComputePlanServiceClient::with_interceptor(self.channel.clone(), self.headers())
    }

    pub(crate) fn models(&self) -> ModelServiceClient<Intercepted> {
        ModelServiceClient::with_interceptor(self.channel.clone(), self.headers())
    }

    pub(crate) async fn register_organization(&self) -> Result<(), Status> {
        let request = proto::RegisterOrganizationParam { address: "http://backend.example".to_owned() };
        self.organizations().register_organization(request).await.map(|_| ())
    }

    pub(crate) async fn register_plan(&self, number: u32) -> Result<(), Status> {
        let request =
            proto::NewComputePlan { key: key(number), name: "plan".to_owned(), ..Default::default() };
        self.plans().register_plan(request).await.map(|_| ())
    }

    pub(crate) async fn subscribe(&self, start_event_id: &str) -> Subscription {
        let mut events = EventServiceClient::with_interceptor(self.channel.clone(), self.headers());
        let request = proto::SubscribeToEventsParam { start_event_id: start_event_id.to_owned() };
        Subscription(events.subscribe_to_events(request).await.unwrap().into_inner())
    }
}

pub(crate) struct Subscription(tonic::Streaming<proto::Event>);

impl Subscription {
    /// The next event, which must come soon.
    pub(crate) async fn next(&mut self) -> Result<proto::Event, Status> {
        let next = tokio::time::timeout(PATIENCE, self.0.message()).await.expect("an event in time");
        next.map(|event| event.expect("a subscription never ends with OK"))
    }

    pub(crate) async fn read(&mut self, count: usize) -> Vec<proto::Event> {
        let mut events = Vec::new();
        for _ in 0..count {
            events.push(self.next().await.unwrap());
        }
        events
    }
}

pub(crate) fn key(number: u32) -> String {
    format!("{number:08x}-0000-4000-8000-000000000000")
}
