//! Answers: is this the payload that was sent, and when was it meant to be.
//!
//! Writes and checks the stamp at the head of every payload. Must not know how payloads travel.
//!
//! A stamp is 48 hexadecimal characters: stream (8), running number (8), planned instant (12),
//! sent instant (12), check word (8). The rest of the payload is a known filler, compared in full,
//! so a truncated, altered or foreign payload never counts as received.

use crate::clock::Nanos;

/// Bytes of the stamp; no payload can be smaller.
pub const MIN_SIZE: usize = 48;

/// What a payload says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The sender's number.
    pub stream: u32,
    /// Running number within the stream, from 0.
    pub seq: u32,
    /// When the schedule wanted it sent.
    pub planned: Nanos,
    /// When it was sent.
    pub sent: Nanos,
}

/// Writes and reads payloads of one size and kind.
#[derive(Clone, Debug)]
pub struct Form {
    filler: Vec<u8>,
    nonce: u32,
}

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Form {
    /// Payloads of `size` bytes (at least [`MIN_SIZE`]). Text payloads hold letters and digits,
    /// binary ones every byte value. `nonce` tells this run's payloads from any other's.
    #[must_use]
    pub fn new(size: usize, binary: bool, nonce: u32) -> Self {
        let letters = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        let filler = (0..size.saturating_sub(MIN_SIZE))
            .map(|i| {
                if binary {
                    i as u8
                } else {
                    letters[i % letters.len()]
                }
            })
            .collect();
        Self { filler, nonce }
    }

    /// Appends the payload for `stamp`.
    pub fn write(&self, out: &mut Vec<u8>, stamp: &Stamp) {
        push_hex::<8>(out, u64::from(stamp.stream));
        push_hex::<8>(out, u64::from(stamp.seq));
        push_hex::<12>(out, stamp.planned);
        push_hex::<12>(out, stamp.sent);
        push_hex::<8>(out, u64::from(self.check(stamp)));
        out.extend_from_slice(&self.filler);
    }

    /// Reads a payload back; `None` if anything about it is not as it was written.
    #[must_use]
    pub fn read(&self, data: &[u8]) -> Option<Stamp> {
        if data.len() != MIN_SIZE + self.filler.len() || data[MIN_SIZE..] != self.filler[..] {
            return None;
        }
        let stamp = Stamp {
            stream: parse_hex(&data[..8])? as u32,
            seq: parse_hex(&data[8..16])? as u32,
            planned: parse_hex(&data[16..28])?,
            sent: parse_hex(&data[28..40])?,
        };
        (parse_hex(&data[40..48])? == u64::from(self.check(&stamp))).then_some(stamp)
    }

    fn check(&self, stamp: &Stamp) -> u32 {
        let mut mixed = u64::from(self.nonce) ^ 0x9E37_79B9_7F4A_7C15;
        let ids = (u64::from(stamp.stream) << 32) | u64::from(stamp.seq);
        for part in [ids, stamp.planned, stamp.sent] {
            mixed = (mixed ^ part).wrapping_mul(0xD6E8_FEB8_6659_FD93);
            mixed ^= mixed >> 32;
        }
        mixed as u32
    }
}

fn push_hex<const N: usize>(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0u8; N];
    for (i, digit) in digits.iter_mut().enumerate() {
        *digit = HEX[(value >> (4 * (N - 1 - i))) as usize & 15];
    }
    out.extend_from_slice(&digits);
}

fn parse_hex(data: &[u8]) -> Option<u64> {
    data.iter().try_fold(0u64, |value, &byte| {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        Some(value << 4 | u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp() -> Stamp {
        Stamp {
            stream: 77,
            seq: 4_000_000_000,
            planned: 123_456_789_012,
            sent: 123_456_999_999,
        }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        for (size, binary) in [(48, false), (64, false), (1024, true)] {
            let form = Form::new(size, binary, 5);
            let mut data = Vec::new();
            form.write(&mut data, &stamp());
            assert_eq!(data.len(), size);
            assert_eq!(form.read(&data), Some(stamp()));
        }
    }

    #[test]
    fn any_altered_byte_is_noticed() {
        let form = Form::new(64, false, 5);
        let mut data = Vec::new();
        form.write(&mut data, &stamp());
        for i in 0..data.len() {
            let mut bad = data.clone();
            bad[i] = if bad[i] == b'1' { b'2' } else { b'1' };
            assert_eq!(form.read(&bad), None, "byte {i}");
        }
        assert_eq!(form.read(&data[..63]), None);
        assert_eq!(
            Form::new(64, false, 6).read(&data),
            None,
            "another run's payload"
        );
    }
}
