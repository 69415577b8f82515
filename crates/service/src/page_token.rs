//! Page tokens: the place of the last item, written as text that clients take as opaque (core/PAG-3, PAG-5).
//!
//! A token is bound to its list and channel by a short hash; a token of another list or channel, or noise, is refused. It holds no secret and
//! grants nothing: a place only says where in the caller's own channel to go on. Decimal offsets, the tokens of the predecessor, are
//! accepted so that a caller in the middle of a list survives the switch.

use asset::key::Key;
use asset::{ChannelName, ComputeTaskKey, Refusal, Timestamp};
use persistence::{ByDateAndKey, ByDateAndPerformance, ByTimeAndPosition, Start};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The first letter of our tokens, which no decimal offset has.
const MARK: char = 'k';
/// Bytes of the hash that binds a token.
const BINDING_BYTES: usize = 8;

/// A place in a list that can be written into a token.
pub trait Place: Sized {
    /// The place as bytes.
    fn to_bytes(&self) -> Vec<u8>;
    /// The place from bytes, if they are one.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

impl Place for ByDateAndKey {
    fn to_bytes(&self) -> Vec<u8> {
        [self.0.as_micros().to_be_bytes().as_slice(), self.1.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (date, key) = split_date(bytes)?;
        Some(Self(date, Uuid::from_slice(key).ok()?))
    }
}

impl Place for ByDateAndPerformance {
    fn to_bytes(&self) -> Vec<u8> {
        let date = self.0.as_micros().to_be_bytes();
        [date.as_slice(), self.1.uuid().as_bytes(), self.2.as_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (date, rest) = split_date(bytes)?;
        let (key, identifier) = rest.split_at_checked(16)?;
        let key = ComputeTaskKey::from_uuid(Uuid::from_slice(key).ok()?);
        let identifier = String::from_utf8(identifier.to_vec()).ok()?;
        // Whoever computes its own tokens may write what no stored text has.
        (!identifier.contains('\0')).then_some(Self(date, key, identifier))
    }
}

impl Place for ByTimeAndPosition {
    fn to_bytes(&self) -> Vec<u8> {
        [self.0.as_micros().to_be_bytes(), self.1.to_be_bytes()].concat()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, position) = split_date(bytes)?;
        Some(Self(time, u64::from_be_bytes(position.try_into().ok()?)))
    }
}

fn split_date(bytes: &[u8]) -> Option<(Timestamp, &[u8])> {
    let (date, rest) = bytes.split_first_chunk::<8>()?;
    Some((Timestamp::from_micros(i64::from_be_bytes(*date)), rest))
}

/// The token that leads on after `place`.
pub(crate) fn write(list: &str, channel: &ChannelName, place: &impl Place) -> String {
    let place = place.to_bytes();
    let mut token = String::from(MARK);
    token.push_str(&hex::encode(binding(list, channel, &place)));
    token.push_str(&hex::encode(place));
    token
}

/// Where the page with this token starts.
///
/// # Errors
/// OE0101 for anything that is neither empty, nor a token of this list and channel, nor a decimal offset up to 2⁶³ − 1.
pub(crate) fn read<P: Place>(list: &str, channel: &ChannelName, token: &str) -> Result<Start<P>, Refusal> {
    if token.is_empty() {
        return Ok(Start::First);
    }
    let start = match token.strip_prefix(MARK) {
        Some(hexadecimal) => bound_place(list, channel, hexadecimal).map(Start::After),
        None => offset(token).map(Start::Offset),
    };
    start.ok_or_else(|| Refusal::invalid("page_token is not valid"))
}

fn bound_place<P: Place>(list: &str, channel: &ChannelName, hexadecimal: &str) -> Option<P> {
    let bytes = hex::decode(hexadecimal).ok()?;
    let (bound, place) = bytes.split_at_checked(BINDING_BYTES)?;
    (bound == binding(list, channel, place)).then(|| P::from_bytes(place)).flatten()
}

fn binding(list: &str, channel: &ChannelName, place: &[u8]) -> [u8; BINDING_BYTES] {
    let mut hasher = Sha256::new();
    for part in [list.as_bytes(), channel.as_str().as_bytes(), place] {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    let mut bound = [0; BINDING_BYTES];
    bound.copy_from_slice(&hash[..BINDING_BYTES]);
    bound
}

fn offset(token: &str) -> Option<u64> {
    let digits = token.strip_prefix('+').unwrap_or(token);
    let decimal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let offset: i64 = decimal.then(|| digits.parse().ok()).flatten()?;
    u64::try_from(offset).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_any(token: &str) -> Result<Start<ByDateAndKey>, Refusal> {
        read("plans", &ChannelName::new("north"), token)
    }

    #[test]
    fn a_token_leads_back_to_its_place_only_in_its_list_and_channel() {
        // core/PAG-3, PAG-5
        let place = ByDateAndKey(Timestamp::from_micros(-7), Uuid::from_u128(42));
        let north = ChannelName::new("north");
        let token = write("plans", &north, &place);
        assert_eq!(read("plans", &north, &token), Ok(Start::After(place)));
        assert!(read::<ByDateAndKey>("tasks", &north, &token).is_err(), "another list");
        assert!(
            read::<ByDateAndKey>("plans", &ChannelName::new("south"), &token).is_err(),
            "another channel"
        );
        assert!(read_any(&token[..token.len() - 2]).is_err(), "cut short");
    }

    #[test]
    fn every_kind_of_place_survives() {
        let north = ChannelName::new("north");
        let date = Timestamp::from_micros(1_700_000_000_000_000);
        let performance =
            ByDateAndPerformance(date, ComputeTaskKey::from_uuid(Uuid::from_u128(9)), "weíght".into());
        let token = write("performances", &north, &performance);
        assert_eq!(read("performances", &north, &token), Ok(Start::After(performance)));
        let event = ByTimeAndPosition(date, 81);
        let token = write("events", &north, &event);
        assert_eq!(read("events", &north, &token), Ok(Start::After(event)));
    }

    #[test]
    fn a_place_that_no_item_can_have_is_refused() {
        let north = ChannelName::new("north");
        let key = ComputeTaskKey::from_uuid(Uuid::from_u128(9));
        let place = ByDateAndPerformance(Timestamp::MIN, key, "a\0b".into());
        let token = write("performances", &north, &place);
        assert!(read::<ByDateAndPerformance>("performances", &north, &token).is_err());
    }

    #[test]
    fn decimal_offsets_of_the_predecessor_are_accepted() {
        // core/PAG-3
        for (token, offset) in
            [("0", 0), ("+7", 7), ("007", 7), ("9223372036854775807", i64::MAX.unsigned_abs())]
        {
            assert_eq!(read_any(token), Ok(Start::Offset(offset)), "{token}");
        }
        assert_eq!(read_any(""), Ok(Start::First));
    }

    #[test]
    fn anything_else_is_refused() {
        // core/PAG-5
        let noise = "k".repeat(10_000);
        for token in [
            "-1",
            "-9223372036854775808",
            "9223372036854775808",
            "abc",
            "1.0",
            "1e3",
            " 5",
            "0x5",
            "1_000",
            "+",
            "k",
            "++1",
            &noise,
        ] {
            assert!(read_any(token).is_err(), "{token}");
        }
    }
}
