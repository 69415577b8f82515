//! The order of a batch: parents before children, breadth first, linear in tasks and edges (compute/TASK-7, compute/DEF-51).

use std::collections::{HashMap, VecDeque};

use crate::key::ComputeTaskKey;

/// Sorts the tasks of a batch, given each task's key and its parents; parents outside the batch do not count.
///
/// It starts with the tasks that have no parent in the batch, as a queue; each task taken from it appends those for which it was the last
/// missing parent, always in request order. `None` if the batch has a cycle. Keys must be distinct.
pub fn order(tasks: &[(ComputeTaskKey, Vec<ComputeTaskKey>)]) -> Option<Vec<usize>> {
    let index: HashMap<ComputeTaskKey, usize> =
        tasks.iter().enumerate().map(|(i, (key, _))| (*key, i)).collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); tasks.len()];
    let mut missing: Vec<usize> = vec![0; tasks.len()];
    for (child, (_, parents)) in tasks.iter().enumerate() {
        for parent in parents.iter().filter_map(|key| index.get(key)) {
            children[*parent].push(child);
            missing[child] += 1;
        }
    }
    let mut queue: VecDeque<usize> = (0..tasks.len()).filter(|task| missing[*task] == 0).collect();
    let mut ordered = Vec::with_capacity(tasks.len());
    while let Some(task) = queue.pop_front() {
        ordered.push(task);
        for child in &children[task] {
            missing[*child] -= 1;
            if missing[*child] == 0 {
                queue.push_back(*child);
            }
        }
    }
    (ordered.len() == tasks.len()).then_some(ordered)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::key::Key;

    fn key(letter: char) -> ComputeTaskKey {
        ComputeTaskKey::from_uuid(Uuid::from_u128(u128::from(u32::from(letter))))
    }

    /// Takes `F<DE` as task F with parents D and E.
    fn ordered(batch: &[&str]) -> Option<String> {
        let letters: Vec<char> = batch.iter().filter_map(|task| task.chars().next()).collect();
        let tasks: Vec<_> = batch
            .iter()
            .map(|task| (key(task.chars().next().unwrap()), task.chars().skip(2).map(key).collect()))
            .collect();
        Some(order(&tasks)?.into_iter().map(|task| letters[task]).collect())
    }

    #[test]
    fn breadth_first_in_request_order() {
        // compute/TASK-7
        assert_eq!(
            ordered(&["H<FG", "F<D", "G<ED", "E<B", "D<AB", "C", "B", "A"]).as_deref(),
            Some("CBAEDFGH")
        );
        assert_eq!(ordered(&["B<A", "A"]).as_deref(), Some("AB"));
        assert_eq!(
            ordered(&["A<x", "B<yA"]).as_deref(),
            Some("AB"),
            "parents outside the batch do not count"
        );
        assert_eq!(ordered(&[]).as_deref(), Some(""));
    }

    #[test]
    fn a_long_chain_in_reverse_order_is_sorted_in_a_moment() {
        // compute/DEF-51: what looks at every pair of so many tasks takes minutes.
        const TASKS: u32 = 100_000;
        let key = |number: u32| ComputeTaskKey::from_uuid(Uuid::from_u128(number.into()));
        let chain: Vec<_> = (1..=TASKS).rev().map(|number| (key(number), vec![key(number - 1)])).collect();
        let began = std::time::Instant::now();
        let ordered = order(&chain).unwrap();
        assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
        assert!(ordered.into_iter().eq((0..chain.len()).rev()));
    }

    #[test]
    fn a_cycle_has_no_order() {
        // compute/TASK-6
        assert_eq!(ordered(&["A<A"]), None);
        assert_eq!(ordered(&["V", "W<VZ", "X<W", "Z<X", "Y"]), None);
    }
}
