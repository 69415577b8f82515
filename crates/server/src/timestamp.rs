//! Instants between the wire, which counts seconds and nanoseconds, and the domain, which counts microseconds.

use asset::Timestamp;
pub(crate) use persistence::task_message::timestamp as message;

const MICROS_PER_SECOND: i64 = 1_000_000;
const NANOS_PER_MICRO: i32 = 1_000;

/// The instant of a bound, cut to whole microseconds towards the past; beyond what can be told apart it is the earliest or latest
/// instant (core/EVT-19).
pub(crate) fn bound(message: prost_types::Timestamp) -> Timestamp {
    let prost_types::Timestamp { seconds, nanos } = message;
    let micros =
        i128::from(seconds) * i128::from(MICROS_PER_SECOND) + i128::from(nanos.div_euclid(NANOS_PER_MICRO));
    let latest_or_earliest = if micros < 0 { Timestamp::MIN } else { Timestamp::MAX };
    i64::try_from(micros).map_or(latest_or_earliest, Timestamp::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_cut_towards_the_past_and_never_refused() {
        // core/EVT-19
        let table = [
            ((0, 0), Timestamp::from_micros(0)),
            ((1, 999), Timestamp::from_micros(1_000_000)),
            ((1, 1_999), Timestamp::from_micros(1_000_001)),
            ((-1, 999_999_999), Timestamp::from_micros(-1)),
            ((0, -1), Timestamp::from_micros(-1)),
            ((i64::MAX, 0), Timestamp::MAX),
            ((i64::MIN, 0), Timestamp::MIN),
        ];
        for ((seconds, nanos), expected) in table {
            assert_eq!(bound(prost_types::Timestamp { seconds, nanos }), expected, "{seconds} s {nanos} ns");
        }
    }

    #[test]
    fn an_instant_survives_the_wire() {
        for micros in [0, 1, -1, 1_700_000_000_123_456, -1_000_001] {
            let instant = Timestamp::from_micros(micros);
            assert_eq!(bound(message(instant)), instant);
        }
    }
}
