//! Counting messages in a body as it passes, by the prefix that each of them has: a byte of flags, and four of length.

use bytes::Bytes;

/// Bytes before each message.
const PREFIX_BYTES: usize = 5;

/// Where a body is between its messages.
#[derive(Debug, Default)]
pub(crate) struct MessageCounter {
    /// What has come of a prefix that is not complete.
    prefix: Vec<u8>,
    /// Bytes of the message under way that are still to come.
    rest: usize,
}

impl MessageCounter {
    /// How many messages end within these bytes, the next ones of the body.
    pub(crate) fn count(&mut self, bytes: &Bytes) -> u64 {
        let mut bytes = bytes.as_ref();
        let mut complete = 0;
        while !bytes.is_empty() {
            if self.rest == 0 {
                let taken = bytes.len().min(PREFIX_BYTES - self.prefix.len());
                self.prefix.extend_from_slice(&bytes[..taken]);
                bytes = &bytes[taken..];
                let [_flags, a, b, c, d] = self.prefix[..] else { continue };
                self.prefix.clear();
                self.rest = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            }
            let taken = bytes.len().min(self.rest);
            self.rest -= taken;
            bytes = &bytes[taken..];
            complete += u64::from(self.rest == 0);
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages of these lengths, one after the other.
    fn body(lengths: &[u8]) -> Vec<u8> {
        let message = |length: &u8| [vec![0, 0, 0, 0, *length], vec![7; usize::from(*length)]].concat();
        lengths.iter().flat_map(message).collect()
    }

    #[test]
    fn messages_are_counted_however_the_body_is_cut() {
        let body = body(&[3, 0, 200, 1, 0]);
        for size in 1..=body.len() {
            let mut counter = MessageCounter::default();
            let pieces = body.chunks(size).map(|piece| counter.count(&Bytes::copy_from_slice(piece)));
            assert_eq!(pieces.sum::<u64>(), 5, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn half_a_message_is_none() {
        let mut counter = MessageCounter::default();
        assert_eq!(counter.count(&Bytes::from(body(&[9])).slice(..13)), 0);
    }
}
