//! Plays a script: statement by statement, each answer compared, events read when a block asks for them.
//!
//! Owns callers, channels and repetition; what a statement asks for is in `request.rs`. Start at [`play`].

use std::collections::BTreeMap;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tonic::Code;

use crate::expectation;
use crate::names::Names;
use crate::request::{self, Call};
use crate::script::{Folder, Script, Statement};
use crate::wire::{self, Answer, Headers, Next, Refused, Wire};
use crate::{events, render, words};

/// How long an event that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Verbs that take indented lines.
const TAKE_LINES: [&str; 5] = ["events", "models", "samples", "tasks", "together"];

type Result<T> = std::result::Result<T, String>;

/// A script under way.
struct Run<'a> {
    wire: &'a Wire,
    script: &'a Script,
    names: Names,
    caller: Caller,
    /// The last event that was seen, by channel.
    seen: BTreeMap<String, String>,
}

/// Who calls where.
#[derive(Clone, Default)]
struct Caller {
    organization: String,
    channel: String,
    /// In place of both, sent as they are.
    raw: Option<Headers>,
}

/// Plays the common ground, then the script. An error names file and line.
pub(crate) async fn play(wire: &Wire, folder: &Folder, script: &Script) -> Result<()> {
    let mut run = Run {
        wire,
        script,
        names: Names::new(&script.name),
        caller: Caller::default(),
        seen: BTreeMap::new(),
    };
    for statement in &folder.ground.statements {
        let located =
            |why| format!("{}.txt:{}: {}\n  {why}", folder.ground.name, statement.line, statement.text);
        run.statement(statement).await.map_err(located)?;
    }
    for channel in folder.channels.keys() {
        run.skip_events(channel).await?;
    }
    for statement in &script.statements {
        let located = |why| format!("{}.txt:{}: {}\n  {why}", script.name, statement.line, statement.text);
        run.statement(statement).await.map_err(located)?;
    }
    Ok(())
}

impl Run<'_> {
    async fn statement(&mut self, statement: &Statement) -> Result<()> {
        let (verb, rest) = statement.text.split_once(' ').unwrap_or((&statement.text, ""));
        let caller = self.caller_of(&statement.caller)?;
        if !statement.block.is_empty() && !TAKE_LINES.contains(&verb) {
            return Err(format!("{verb} takes no lines below it"));
        }
        match verb {
            "as" => {
                self.caller = self.caller_of(rest)?;
                Ok(())
            }
            "events" if rest == "skip" => self.skip_events(&caller.channel).await,
            "events" => self.expect_events(statement, &caller).await,
            "subscribe" => self.subscribe(statement, rest, &caller).await,
            "repeat" => self.repeat(statement, rest, &caller).await,
            "together" => self.together(statement, rest, &caller).await,
            _ => self.plain(statement, &statement.text, &caller).await,
        }
    }

    /// `Birch`, `Birch in reef`, `headers(mspid=Alder, channel=grove)`, or nothing.
    fn caller_of(&self, text: &str) -> Result<Caller> {
        if let Some(headers) = text.strip_prefix("headers(") {
            return self.raw_caller(headers.trim_end_matches(')'));
        }
        let mut caller = self.caller.clone();
        let (organization, channel) = text.split_once(" in ").unwrap_or((text, ""));
        for (part, given) in [(&mut caller.organization, organization), (&mut caller.channel, channel)] {
            if !given.is_empty() {
                given.clone_into(part);
            }
        }
        Ok(caller)
    }

    fn raw_caller(&self, text: &str) -> Result<Caller> {
        let mut headers = Headers::new();
        for header in text.split(", ").filter(|header| !header.is_empty()) {
            let (name, value) = header.split_once('=').ok_or_else(|| format!("{header} is no header"))?;
            let value = value.trim_matches('"');
            let value = if name == "channel" { self.script.channel(value) } else { value.to_owned() };
            headers.push((name.to_owned(), value));
        }
        Ok(Caller { raw: Some(headers), ..self.caller.clone() })
    }

    fn headers(&self, caller: &Caller, organization: Option<&str>) -> Headers {
        caller.raw.clone().unwrap_or_else(|| {
            let organization = organization.unwrap_or(&caller.organization);
            wire::by(organization, &self.script.channel(&caller.channel))
        })
    }

    async fn send(&self, call: &Call, caller: &Caller) -> Result<Answer> {
        let headers = self.headers(caller, call.organization.as_deref());
        self.wire.call(&call.rpc, &call.request, &headers).await
    }

    /// Sends the calls of a statement one after the other; the last one's answer is what is expected.
    async fn plain(&mut self, statement: &Statement, text: &str, caller: &Caller) -> Result<()> {
        let calls = request::calls(text, &statement.block, &caller.organization, &mut self.names)?;
        let last = calls.len().saturating_sub(1);
        for (index, call) in calls.iter().enumerate() {
            let answer = self.send(call, caller).await?;
            if let Ok(body) = &answer {
                self.names.learn(body);
            }
            let expected = if index == last { statement.expectation.as_deref() } else { None };
            let expected = call.expectation.as_deref().or(expected);
            expectation::check(expected, &answer, &mut self.names)?;
        }
        Ok(())
    }

    /// `repeat 3 plan p%`: one after the other, with `%` counting from 1.
    async fn repeat(&mut self, statement: &Statement, rest: &str, caller: &Caller) -> Result<()> {
        for text in counted(rest)? {
            self.plain(statement, &text, caller).await?;
        }
        Ok(())
    }

    /// `together 3 plan k -> 1 ok, 2 OE0006`, or `together` with statements below: all at once.
    async fn together(&mut self, statement: &Statement, rest: &str, caller: &Caller) -> Result<()> {
        let texts = if rest.is_empty() {
            statement.block.iter().map(|(_, text)| text.clone()).collect()
        } else {
            counted(rest)?
        };
        let mut calls = Vec::new();
        for text in texts {
            calls.extend(request::calls(&text, &[], &caller.organization, &mut self.names)?);
        }
        let answers = join_all(calls.iter().map(|call| self.send(call, caller))).await;
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for answer in answers {
            *counts.entry(expectation::label(&answer?)).or_default() += 1;
        }
        let counted = counts.iter().map(|(label, count)| format!("{count} {label}"));
        let (mut got, expected): (Vec<_>, _) =
            (counted.collect(), statement.expectation.as_deref().unwrap_or_default());
        let mut wanted: Vec<String> = expected.split(", ").map(str::to_owned).collect();
        got.sort();
        wanted.sort();
        if got == wanted {
            Ok(())
        } else {
            Err(format!("expected: {expected}\n       got: {}", got.join(", ")))
        }
    }

    async fn expect_events(&mut self, statement: &Statement, caller: &Caller) -> Result<()> {
        let events = self.new_events(caller).await?;
        events::compare(&statement.block, &events, &mut self.names)
    }

    async fn skip_events(&mut self, channel: &str) -> Result<()> {
        let caller = Caller { channel: channel.to_owned(), ..self.caller.clone() };
        let last = self.last_event(&caller).await?;
        self.seen.insert(channel.to_owned(), last);
        Ok(())
    }

    /// The id of the last event of the channel, empty if there is none.
    async fn last_event(&self, caller: &Caller) -> Result<String> {
        let request = json!({ "sort": "DESCENDING", "page_size": 1 });
        let answer =
            self.wire.call("EventService/QueryEvents", &request, &self.headers(caller, None)).await?;
        let body = answer.map_err(|refused| format!("the last event: {}", refused.message))?;
        Ok(body["events"][0]["id"].as_str().unwrap_or_default().to_owned())
    }

    /// What the stream sends behind the event seen last. The query tells where it ends, so nothing has to be waited for.
    async fn new_events(&mut self, caller: &Caller) -> Result<Vec<Value>> {
        let last = self.last_event(caller).await?;
        let seen = self.seen.insert(caller.channel.clone(), last.clone()).unwrap_or_default();
        if last == seen {
            return Ok(Vec::new());
        }
        let request = json!({ "start_event_id": seen });
        let is_last = |events: &[Value]| events.last().is_some_and(|event| event["id"] == *last);
        let events = self.read_events(&request, &self.headers(caller, None), is_last).await?;
        events.map_err(|refused| format!("the subscription ended: {}", refused.message))
    }

    /// Reads a subscription until `enough` is satisfied with what came.
    async fn read_events(
        &self,
        request: &Value,
        headers: &Headers,
        enough: impl Fn(&[Value]) -> bool,
    ) -> Result<std::result::Result<Vec<Value>, Refused>> {
        let mut subscription = match self.wire.subscribe(request, headers).await? {
            Ok(subscription) => subscription,
            Err(refused) => return Ok(Err(refused)),
        };
        let mut events = Vec::new();
        while !enough(&events) {
            match subscription.next(PATIENCE).await {
                Next::Event(event) => events.push(event),
                Next::Ended(refused) if refused.code == Code::Ok => {
                    return Err("a subscription ended with OK".to_owned());
                }
                Next::Ended(refused) => return Ok(Err(refused)),
                Next::Nothing => return Err(format!("after {} events nothing came", events.len())),
            }
        }
        Ok(Ok(events))
    }

    /// `subscribe [after=3] [take=2] [start_event_id=…] -> [CREATED plan(P), …]`: `after` counts the events of the channel from 1.
    async fn subscribe(&mut self, statement: &Statement, rest: &str, caller: &Caller) -> Result<()> {
        let mut request = json!({});
        let mut take = 1;
        for word in words::split(&self.names.expand(rest)?) {
            match words::setting(&word) {
                Some(("after", number)) => {
                    request["start_event_id"] = self.event_id(number, caller).await?.into();
                }
                Some(("take", number)) => {
                    take = number.parse().map_err(|_| format!("{word} is no number"))?;
                }
                Some((path, value)) => words::put(&mut request, path, value, &mut self.names)?,
                None => return Err(format!("{word} has no meaning here")),
            }
        }
        let headers = self.headers(caller, None);
        let events = self.read_events(&request, &headers, |events| events.len() >= take).await?;
        let answer = events.map(|events| json!({ "events": events }));
        expectation::check(statement.expectation.as_deref(), &answer, &mut self.names)
    }

    /// The id of the event with this number, counted from 1: in this caller's channel, or in another as in `south:2`.
    async fn event_id(&self, number: &str, caller: &Caller) -> Result<String> {
        let (channel, number) = number.split_once(':').unwrap_or((&caller.channel, number));
        let number: usize = number.parse().map_err(|_| format!("{number} is no number"))?;
        let events = self.all_events(channel).await?;
        let event = number.checked_sub(1).and_then(|index| events.get(index));
        let event = event.ok_or_else(|| format!("there are {} events", events.len()))?;
        Ok(event["id"].as_str().unwrap_or_default().to_owned())
    }

    async fn all_events(&self, channel: &str) -> Result<Vec<Value>> {
        let members = Caller { channel: channel.to_owned(), ..self.caller.clone() };
        let request = json!({ "page_size": 10_000 });
        let answer =
            self.wire.call("EventService/QueryEvents", &request, &self.headers(&members, None)).await?;
        let body = answer.map_err(|refused| refused.message)?;
        Ok(render::at(&body, "events").as_array().cloned().unwrap_or_default())
    }
}

/// `3 plan p%` as `plan p1`, `plan p2`, `plan p3`.
fn counted(text: &str) -> Result<Vec<String>> {
    let (count, text) = text.split_once(' ').ok_or("a number and a statement are missing")?;
    let count: usize = count.parse().map_err(|_| format!("{count} is no number"))?;
    Ok((1..=count).map(|number| text.replace('%', &number.to_string())).collect())
}
