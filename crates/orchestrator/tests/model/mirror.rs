//! A backend's mirror: what there is, known from events alone.
//!
//! It does what the backends do (core, section 0): it subscribes behind the last event that it handled, applies each event's snapshot in order, by
//! key, and stops at an update of what it has not seen created. That a plan failed no event of the plan tells, only that of the task
//! (compute/PLAN-41, DEF-42). Start at [`Mirror::follow`]; [`Mirror::check`] compares it with what the server answers.

use std::collections::BTreeMap;

use client::{Client, ClientOptions};
use proto::event::Asset;
use proto::*;

use crate::describe::ORGANIZATIONS;
use crate::generator::prologue;
use crate::operation::{Call, Operation};
use crate::universe::Universe;
use crate::{Bench, CHANNELS, sequences};

/// How many events are handled between two restarts.
const RESTART_AFTER: usize = 37;
/// Small, so that lists have several pages.
const PAGE_SIZE: u32 = 7;

/// All items of a list, page by page.
macro_rules! pages {
    ($client:expr, $request:ident $(with $filter:ident)?, $items:ident) => {{
        let (mut items, mut page_token) = (Vec::new(), String::new());
        loop {
            let page = $client.call($request { page_token, page_size: PAGE_SIZE, $($filter: None)? });
            let page = page.await.unwrap();
            items.extend(page.$items);
            if page.next_page_token.is_empty() {
                break items;
            }
            page_token = page.next_page_token;
        }
    }};
}

#[derive(Debug, Default)]
struct Mirror {
    last_event_id: String,
    organizations: BTreeMap<String, Organization>,
    data_managers: BTreeMap<String, DataManager>,
    data_samples: BTreeMap<String, DataSample>,
    functions: BTreeMap<String, Function>,
    compute_plans: BTreeMap<String, ComputePlan>,
    compute_tasks: BTreeMap<String, ComputeTask>,
    models: BTreeMap<String, Model>,
    performances: BTreeMap<String, Performance>,
    failure_reports: BTreeMap<String, FailureReport>,
    /// In the order in which they were registered.
    output_assets: Vec<ComputeTaskOutputAsset>,
}

/// Takes the snapshot over: of something new if it was created, else of what was created before.
fn put<M>(assets: &mut BTreeMap<String, M>, event: &Event, snapshot: M) {
    let is_new = event.event_kind() == EventKind::EventAssetCreated;
    let before = assets.insert(event.asset_key.clone(), snapshot);
    assert_eq!(before.is_none(), is_new, "an event that stops a backend: {event:?}");
}

impl Mirror {
    /// Handles all events up to this one, with a new subscription every now and then.
    async fn follow(&mut self, client: &Client, newest: &str) {
        while self.last_event_id != newest {
            let mut events = client.events(self.last_event_id.clone());
            for _ in 0..RESTART_AFTER {
                self.apply(events.next().await.unwrap());
                if self.last_event_id == newest {
                    break;
                }
            }
        }
    }

    fn apply(&mut self, event: Event) {
        match event.asset.clone().unwrap() {
            Asset::Organization(found) => put(&mut self.organizations, &event, found),
            Asset::DataManager(found) => put(&mut self.data_managers, &event, found),
            Asset::DataSample(found) => put(&mut self.data_samples, &event, found),
            Asset::Function(found) => put(&mut self.functions, &event, found),
            Asset::ComputePlan(found) => put(&mut self.compute_plans, &event, found),
            Asset::ComputeTask(found) => {
                self.fail_plan_with(&found, &event);
                put(&mut self.compute_tasks, &event, found);
            }
            Asset::Model(found) => put(&mut self.models, &event, found),
            Asset::Performance(found) => put(&mut self.performances, &event, found),
            Asset::FailureReport(found) => put(&mut self.failure_reports, &event, found),
            Asset::ComputeTaskOutputAsset(found) => self.output_assets.push(found),
            // The known consumer keeps it under its function (compute/DEF-60).
            Asset::ProfilingStep(found) => assert!(self.functions.contains_key(&found.asset_key)),
        }
        self.last_event_id = event.id;
    }

    /// compute/PLAN-40, PLAN-42: the first task that becomes failed, not one that is born so, ends a plan that is not over.
    fn fail_plan_with(&mut self, task: &ComputeTask, event: &Event) {
        let became_failed = event.event_kind() == EventKind::EventAssetUpdated
            && task.status() == ComputeTaskStatus::StatusFailed;
        let plan = self.compute_plans.get_mut(&task.compute_plan_key).unwrap();
        if became_failed && plan.cancelation_date.is_none() && plan.failure_date.is_none() {
            plan.failure_date = event.timestamp;
        }
    }

    /// Each list and each look-up of the server tells what the mirror knows.
    async fn check(&self, client: &Client) {
        let organizations = client.call(GetAllOrganizationsParam {}).await.unwrap().organizations;
        assert_eq!(by_key(organizations, |found| found.id.clone()), self.organizations);
        assert_eq!(
            by_key(pages!(client, QueryDataManagersParam, data_managers), |found| found.key.clone()),
            self.data_managers
        );
        assert_eq!(
            by_key(pages!(client, QueryDataSamplesParam with filter, data_samples), |found| found
                .key
                .clone()),
            self.data_samples
        );
        assert_eq!(
            by_key(pages!(client, QueryFunctionsParam with filter, functions), |found| found.key.clone()),
            self.functions
        );
        assert_eq!(
            by_key(pages!(client, QueryPlansParam with filter, plans), |found| found.key.clone()),
            self.compute_plans
        );
        assert_eq!(
            by_key(pages!(client, QueryTasksParam with filter, tasks), |found| found.key.clone()),
            self.compute_tasks
        );
        let key = |found: &Performance| {
            format!("{}|{}", found.compute_task_key, found.compute_task_output_identifier)
        };
        assert_eq!(
            by_key(pages!(client, QueryPerformancesParam with filter, performances), key),
            self.performances
        );
        self.check_look_ups(client).await;
        self.check_connections(client).await;
    }

    async fn check_look_ups(&self, client: &Client) {
        for (key, found) in &self.data_managers {
            assert_eq!(client.call(GetDataManagerParam { key: key.clone() }).await.unwrap(), *found);
        }
        for (key, found) in &self.data_samples {
            assert_eq!(client.call(GetDataSampleParam { key: key.clone() }).await.unwrap(), *found);
        }
        for (key, found) in &self.functions {
            assert_eq!(client.call(GetFunctionParam { key: key.clone() }).await.unwrap(), *found);
        }
        for (key, found) in &self.compute_plans {
            assert_eq!(client.call(GetComputePlanParam { key: key.clone() }).await.unwrap(), *found);
        }
        for (key, found) in &self.compute_tasks {
            assert_eq!(client.call(GetTaskParam { key: key.clone() }).await.unwrap(), *found);
        }
        for (key, found) in &self.models {
            assert_eq!(client.call(GetModelParam { key: key.clone() }).await.unwrap(), *found);
        }
        for (key, found) in &self.failure_reports {
            let asked = GetFailureReportParam { asset_key: key.clone() };
            assert_eq!(client.call(asked).await.unwrap(), *found);
        }
    }

    /// The samples of each data manager, and the models of each task in the order of compute/MODEL-11.
    async fn check_connections(&self, client: &Client) {
        for key in self.data_managers.keys() {
            let mut keys = client.call(GetDatasetParam { key: key.clone() }).await.unwrap().data_sample_keys;
            keys.sort();
            let samples = self.data_samples.values().filter(|sample| sample.data_manager_keys.contains(key));
            assert_eq!(keys, samples.map(|sample| sample.key.clone()).collect::<Vec<_>>());
        }
        for key in self.compute_tasks.keys() {
            let asked = GetComputeTaskModelsParam { compute_task_key: key.clone() };
            let models = client.call(asked).await.unwrap().models;
            let of_task = self.output_assets.iter().filter(|output| output.compute_task_key == *key);
            let mut known: Vec<(&str, &Model)> = of_task
                .filter_map(|output| {
                    Some((
                        output.compute_task_output_identifier.as_str(),
                        self.models.get(&output.asset_key)?,
                    ))
                })
                .collect();
            known.sort_by_key(|(identifier, model)| {
                let date = model.creation_date.as_ref().map(|date| (date.seconds, date.nanos));
                (date, *identifier)
            });
            assert_eq!(
                models.iter().collect::<Vec<_>>(),
                known.iter().map(|(_, model)| *model).collect::<Vec<_>>()
            );
        }
    }
}

fn by_key<M>(found: Vec<M>, key: impl Fn(&M) -> String) -> BTreeMap<String, M> {
    let count = found.len();
    let assets: BTreeMap<String, M> = found.into_iter().map(|asset| (key(&asset), asset)).collect();
    assert_eq!(assets.len(), count, "something stands in a list twice");
    assets
}

/// The id of the newest event of the channel.
async fn newest_event(client: &Client) -> String {
    let newest =
        QueryEventsParam { page_size: 1, sort: SortOrder::Descending.into(), ..QueryEventsParam::default() };
    client.call(newest).await.unwrap().events.pop().unwrap().id
}

/// How many organizations make calls at once.
const LANES: usize = 4;

impl Bench {
    /// So many universes, one after the other, each with as many random calls at once: mirrors that follow must know all there is in the end.
    pub(crate) fn check_mirrors(&self, cases: u32, length: usize) {
        for mut calls in sequences(cases, length) {
            calls.retain(|call| !matches!(call.operation, Operation::List { .. }));
            self.runtime.block_on(self.check_mirrors_during(&calls));
        }
    }

    async fn check_mirrors_during(&self, calls: &[Call]) {
        let (universe, _) = self.begin();
        let address = self.serve(&universe).await;
        let (first, others) = calls.split_at(prologue().len());
        for call in first {
            universe.call(call).await.unwrap();
        }
        let lanes = (0..LANES).map(async |lane| {
            for call in others.iter().skip(lane).step_by(LANES) {
                let _accepted_or_not = universe.call(call).await;
            }
        });
        let mirrors = CHANNELS.map(async |channel| {
            let name = universe.channel(channel).to_string();
            let client = Client::connect(ClientOptions::new(&address, "Alder", name)).await.unwrap();
            let mut mirror = Mirror::default();
            for _ in 0..10 {
                mirror.follow(&client, &newest_event(&client).await).await;
            }
            (mirror, client)
        });
        let (_, mirrors) =
            futures::join!(futures::future::join_all(lanes), futures::future::join_all(mirrors));
        for (mut mirror, client) in mirrors {
            mirror.follow(&client, &newest_event(&client).await).await;
            mirror.check(&client).await;
        }
    }

    /// A server on this bench's service, for the channels of a universe. It ends with the bench.
    async fn serve(&self, universe: &Universe) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let members = || ORGANIZATIONS.map(str::to_owned).into_iter().collect();
        let channels = CHANNELS.map(|channel| (universe.channel(channel).to_string(), members()));
        let membership = server::Membership::new(channels.into_iter().collect());
        let server = server::Server::new(self.service.clone(), server::ServerOptions::new(membership));
        tokio::spawn(server.serve(listener, std::future::pending()));
        address
    }
}
