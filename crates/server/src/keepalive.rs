//! Keepalive: which pings of a client are too many (core/OPS-3).
//!
//! The library that speaks HTTP/2 answers every ping and tells nobody, so the frames are followed here, by their headers alone. It knows
//! neither what is in the frames nor the connection they are on. Start at [`Keepalive::received`].

use std::time::{Duration, Instant};

use crate::limits::KeepalivePolicy;

/// Bytes with which every HTTP/2 client begins.
pub(crate) const PREFACE_BYTES: usize = 24;
/// Bytes before the payload of a frame: three of its length, its type, its flags, and four of its stream.
const HEADER_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PING: u8 = 6;
/// The flag of a ping that answers one.
const ACK: u8 = 1;
/// By which part of the least time a ping may come early: it is sent in time, but networks hold one ping up longer than the next.
const JITTER_PART: u32 = 10;
/// Early pings that are forgiven.
const STRIKES_MAX: u8 = 2;
/// The least time between two pings while no call is open, unless the policy says otherwise.
const MIN_TIME_WITHOUT_STREAM: Duration = Duration::from_secs(2 * 3600);

/// A client has pinged too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooManyPings;

/// What one connection has seen of pings.
pub(crate) struct Keepalive {
    policy: KeepalivePolicy,
    from_client: Frames,
    from_server: Frames,
    last_ping: Option<Instant>,
    strikes: u8,
}

impl Keepalive {
    pub(crate) fn new(policy: KeepalivePolicy) -> Self {
        Self {
            policy,
            from_client: Frames::after(PREFACE_BYTES),
            from_server: Frames::after(0),
            last_ping: None,
            strikes: 0,
        }
    }

    /// Takes note of bytes of the client; `busy` says whether it has a call open.
    ///
    /// # Errors
    /// [`TooManyPings`].
    pub(crate) fn received(&mut self, bytes: &[u8], busy: bool, now: Instant) -> Result<(), TooManyPings> {
        let mut pings = 0;
        self.from_client.follow(bytes, |kind, flags| pings += usize::from(kind == PING && flags & ACK == 0));
        (0..pings).try_for_each(|_| self.ping(busy, now))
    }

    /// Takes note of bytes of the server: whoever is answered may ask again.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        let mut answers = false;
        self.from_server.follow(bytes, |kind, _flags| answers |= matches!(kind, DATA | HEADERS));
        if answers {
            self.strikes = 0;
            self.last_ping = None;
        }
    }

    /// Whether the server has not begun a frame that it has not ended.
    pub(crate) fn is_between_frames(&self) -> bool {
        self.from_server.is_between()
    }

    fn ping(&mut self, busy: bool, now: Instant) -> Result<(), TooManyPings> {
        let any_time = busy || self.policy.permit_without_stream;
        let min_time = if any_time { self.policy.min_time } else { MIN_TIME_WITHOUT_STREAM };
        let least = min_time - min_time / JITTER_PART;
        let early = self.last_ping.is_some_and(|last| now.duration_since(last) < least);
        self.last_ping = Some(now);
        self.strikes += u8::from(early);
        if self.strikes > STRIKES_MAX { Err(TooManyPings) } else { Ok(()) }
    }
}

/// The frames of one direction, as far as they have come.
struct Frames {
    /// Bytes to come that belong to no header.
    skip: usize,
    header: [u8; HEADER_BYTES],
    filled: usize,
}

impl Frames {
    /// Begins after so many bytes.
    fn after(skip: usize) -> Self {
        Self { skip, header: [0; HEADER_BYTES], filled: 0 }
    }

    fn is_between(&self) -> bool {
        self.skip == 0 && self.filled == 0
    }

    /// Calls `seen` with the type and the flags of each frame whose header ends in these bytes.
    fn follow(&mut self, mut bytes: &[u8], mut seen: impl FnMut(u8, u8)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            let taken = (HEADER_BYTES - self.filled).min(bytes.len() - skipped);
            self.skip -= skipped;
            self.header[self.filled..self.filled + taken].copy_from_slice(&bytes[skipped..skipped + taken]);
            self.filled += taken;
            bytes = &bytes[skipped + taken..];
            if self.filled == HEADER_BYTES {
                let [length @ .., kind, flags, _, _, _, _] = self.header;
                self.skip = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
                self.filled = 0;
                seen(kind, flags);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: u8 = 4;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let [.., a, b, c] = payload.len().to_be_bytes();
        [&[a, b, c, kind, flags, 0, 0, 0, 1], payload].concat()
    }

    fn ping() -> Vec<u8> {
        frame(PING, 0, &[0; 8])
    }

    fn keepalive(min_time: u64, permit_without_stream: bool) -> Keepalive {
        let min_time = Duration::from_secs(min_time);
        let mut keepalive = Keepalive::new(KeepalivePolicy { min_time, permit_without_stream });
        keepalive.received(&[b'P'; PREFACE_BYTES], false, Instant::now()).unwrap();
        keepalive
    }

    #[test]
    fn the_fourth_ping_that_comes_too_early_is_too_many() {
        // core/OPS-3. Each row: seconds between pings, whether a call is open, whether pings without one are permitted, and what comes of it.
        let table = [
            (30, true, false, true),
            (26, true, false, false),
            (60, false, false, false),
            (7200, false, false, true),
            (30, false, true, true),
            (26, false, true, false),
        ];
        for (seconds, busy, permit, fine) in table {
            let mut keepalive = keepalive(30, permit);
            let start = Instant::now();
            let outcomes: Vec<_> = (0..4)
                .map(|number| start + Duration::from_secs(number * seconds))
                .map(|now| keepalive.received(&ping(), busy, now).is_ok())
                .collect();
            assert_eq!(outcomes, [true, true, true, fine], "{seconds} {busy} {permit}");
        }
    }

    #[test]
    fn who_pings_every_30_seconds_is_never_cut_off_however_late_some_pings_are() {
        // core/OPS-3, S-59: ten minutes on a stream that says nothing; every other ping is on its way for a second.
        let mut keepalive = keepalive(30, false);
        let start = Instant::now();
        for number in 0..20 {
            let now = start + Duration::from_secs(30 * number + number % 2);
            assert_eq!(keepalive.received(&ping(), true, now), Ok(()), "ping {number}");
        }
    }

    #[test]
    fn an_answer_of_the_server_forgives_what_was_before() {
        for (kind, forgives) in [(DATA, true), (HEADERS, true), (SETTINGS, false), (PING, false)] {
            let mut keepalive = keepalive(30, false);
            let now = Instant::now();
            (0..3).for_each(|_| keepalive.received(&ping(), true, now).unwrap());
            keepalive.sent(&frame(kind, 0, b"x"));
            assert_eq!(keepalive.received(&ping(), true, now).is_ok(), forgives, "{kind}");
        }
    }

    #[test]
    fn frames_are_followed_however_their_bytes_arrive() {
        let stream: Vec<u8> =
            [frame(HEADERS, 4, &[PING; 300]), frame(PING, ACK, &[0; 8]), frame(SETTINGS, 0, &[]), ping()]
                .concat();
        for size in [1, 2, 8, 9, 10, 17, stream.len()] {
            let mut frames = Frames::after(3);
            let mut kinds = Vec::new();
            let preceded = [&[0xff; 3], stream.as_slice()].concat();
            for chunk in preceded.chunks(size) {
                frames.follow(chunk, |kind, flags| kinds.push((kind, flags)));
            }
            assert_eq!(kinds, [(HEADERS, 4), (PING, ACK), (SETTINGS, 0), (PING, 0)], "{size}");
            assert!(frames.is_between());
        }
    }
}
