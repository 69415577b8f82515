//! Makes a list of calls that shows a fault short: whatever can be left out without losing the fault is left out.

use crate::operation::Call;

/// The calls that are left when leaving out any more, or anything of a batch, no longer `fails`.
pub(crate) fn shrink(mut calls: Vec<Call>, fails: impl Fn(&[Call]) -> bool) -> Vec<Call> {
    let mut size = calls.len();
    while size > 0 {
        let mut start = 0;
        while start < calls.len() {
            let end = calls.len().min(start + size);
            let shorter = [&calls[..start], &calls[end..]].concat();
            if fails(&shorter) {
                calls = shorter;
            } else {
                start = end;
            }
        }
        size /= 2;
    }
    for place in 0..calls.len() {
        while let Some(simpler) = simplify(&calls, place, &fails) {
            calls = simpler;
        }
    }
    calls
}

fn simplify(calls: &[Call], place: usize, fails: impl Fn(&[Call]) -> bool) -> Option<Vec<Call>> {
    let smaller = calls[place].operation.smaller().into_iter();
    let with = |operation| {
        let mut calls = calls.to_vec();
        calls[place].operation = operation;
        calls
    };
    smaller.map(with).find(|calls| fails(calls))
}

mod tests {
    use super::shrink;
    use crate::operation::{Call, Operation};

    fn register(plan: u8) -> Call {
        Call { channel: 0, caller: 0, operation: Operation::RegisterPlan { plan } }
    }

    #[test]
    fn what_has_nothing_to_do_with_a_fault_is_left_out() {
        let samples = Operation::RegisterSamples { samples: vec![(1, vec![]), (7, vec![]), (2, vec![])] };
        let mut calls: Vec<Call> = (0..50).map(register).collect();
        calls.insert(20, Call { channel: 1, caller: 1, operation: samples });
        let has = |calls: &[Call], plan| calls.contains(&register(plan));
        let holds_7 = |call: &Call| matches!(&call.operation, Operation::RegisterSamples { samples } if samples.iter().any(|(number, _)| *number == 7));
        let shown = shrink(calls, |calls| has(calls, 13) && has(calls, 40) && calls.iter().any(holds_7));
        let left = Operation::RegisterSamples { samples: vec![(7, vec![])] };
        assert_eq!(shown, [register(13), Call { channel: 1, caller: 1, operation: left }, register(40)]);
    }
}
