//! paging: one client reads long lists from the first page to the last, then the first and the last full page again and again.

use proto::{QueryEventsParam, QueryTasksParam, TaskQueryFilter};

use crate::bench::assets::register_tasks;
use crate::bench::load::Caller;
use crate::bench::report::Row;
use crate::bench::session::Session;

/// Tasks that are registered if no count is given.
const TASKS: u64 = 100_000;
const TASKS_OF_TOUR: u64 = 10_000;

const PAGE_SIZE: u32 = 1_000;

/// How often the first and the last full page are read.
const REPETITIONS: u64 = 20;

pub(super) async fn run(session: &Session) -> anyhow::Result<Vec<Row>> {
    let count = session.bench.count_or(TASKS_OF_TOUR, TASKS);
    session.announce(&format!("paging, {count} tasks"));
    let plan = session.materials.register_plan(&session.client).await?;
    let tasks = session.materials.tasks(&plan, usize::try_from(count)?);
    register_tasks(&session.client, &tasks).await?;
    let mut rows = Vec::new();
    for list in [List::TasksOfPlan(plan.key), List::Tasks, List::Events] {
        rows.extend(measure(session, &list).await?);
    }
    Ok(rows)
}

async fn measure(session: &Session, list: &List) -> anyhow::Result<[Row; 3]> {
    let (all, walk) = session.alone(async |caller| list.walk(caller).await).await?;
    let (first, _) = session.alone(async |caller| list.again(caller, "").await).await?;
    let (last, _) =
        session.alone(async |caller| list.again(caller, &walk.last_full_page_token).await).await?;
    let variant = |which: &str| format!("{}, {} rows, {which}", list.name(), walk.rows);
    Ok([
        Row::new("paging", variant("all pages"), &all).with_items("rows", walk.rows as u64),
        Row::new("paging", variant("first page"), &first),
        Row::new("paging", variant("last full page"), &last),
    ])
}

/// What is known of a list once all of it was read.
#[derive(Default)]
struct Walk {
    rows: usize,
    last_full_page_token: String,
}

/// A list that can be long.
#[derive(Clone)]
enum List {
    TasksOfPlan(String),
    Tasks,
    Events,
}

impl List {
    fn name(&self) -> &'static str {
        match self {
            Self::TasksOfPlan(_) => "tasks of a plan",
            Self::Tasks => "all tasks",
            Self::Events => "all events",
        }
    }

    /// Reads all pages, or up to the first one that fails.
    async fn walk(&self, caller: &mut Caller) -> Walk {
        let (mut walk, mut page_token) = (Walk::default(), String::new());
        while let Some((rows, next_page_token)) = self.page(caller, page_token.clone()).await {
            walk.rows += rows;
            if rows == PAGE_SIZE as usize {
                walk.last_full_page_token = page_token;
            }
            if next_page_token.is_empty() {
                break;
            }
            page_token = next_page_token;
        }
        walk
    }

    /// Reads the same page again and again.
    async fn again(&self, caller: &mut Caller, page_token: &str) {
        for _ in 0..REPETITIONS {
            self.page(caller, page_token.to_owned()).await;
        }
    }

    /// Reads a page: how many rows it has, and the token of the next one.
    async fn page(&self, caller: &mut Caller, page_token: String) -> Option<(usize, String)> {
        let filter = match self {
            Self::Events => {
                let request =
                    QueryEventsParam { page_token, page_size: PAGE_SIZE, ..QueryEventsParam::default() };
                let page = caller.call(request).await?;
                return Some((page.events.len(), page.next_page_token));
            }
            Self::Tasks => None,
            Self::TasksOfPlan(key) => {
                Some(TaskQueryFilter { compute_plan_key: key.clone(), ..TaskQueryFilter::default() })
            }
        };
        let request = QueryTasksParam { page_token, page_size: PAGE_SIZE, filter };
        let page = caller.call(request).await?;
        Some((page.tasks.len(), page.next_page_token))
    }
}
