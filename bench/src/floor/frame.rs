//! Answers: which WebSocket frame begins here, and which bytes make one.
//!
//! RFC 6455, the server's side, without fragments. It must not know what frames carry.

/// A text.
pub const TEXT: u8 = 1;
/// Bytes.
pub const BINARY: u8 = 2;
/// The end of the connection.
pub const CLOSE: u8 = 8;
/// Asks for a [`PONG`].
pub const PING: u8 = 9;
/// Answers a [`PING`].
pub const PONG: u8 = 10;

/// Bytes of the largest message, as the handshake says.
pub const LARGEST: usize = 1_000_000;

/// The client breaks the protocol or has asked to end: close the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hangup;

/// One of the client's frames.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// [`TEXT`], [`BINARY`], …
    pub opcode: u8,
    /// What it carries, unmasked.
    pub payload: &'a mut [u8],
    /// Bytes from the frame's first to its last.
    pub size: usize,
}

/// The frame that `bytes` begin with, unmasked where it lies; `None` while some of it is missing.
///
/// # Errors
/// If it is not masked, as a client's frame must be, or longer than [`LARGEST`].
pub fn read(bytes: &mut [u8]) -> Result<Option<Frame<'_>>, Hangup> {
    let &mut [first, second, ..] = bytes else {
        return Ok(None);
    };
    let (head, len) = match second & 0x7f {
        126 => match bytes.get(2..4) {
            Some(len) => (4, usize::from(u16::from_be_bytes([len[0], len[1]]))),
            None => return Ok(None),
        },
        127 => match bytes.get(2..10).and_then(|len| len.try_into().ok()) {
            Some(len) => (
                10,
                usize::try_from(u64::from_be_bytes(len)).map_err(|_| Hangup)?,
            ),
            None => return Ok(None),
        },
        short => (2, usize::from(short)),
    };
    if second & 0x80 == 0 || len > LARGEST {
        return Err(Hangup);
    }
    let Some(masked) = bytes.get_mut(head..head + 4 + len) else {
        return Ok(None);
    };
    let (mask, payload) = masked.split_at_mut(4);
    unmask(payload, [mask[0], mask[1], mask[2], mask[3]]);
    Ok(Some(Frame {
        opcode: first & 0x0f,
        payload,
        size: head + 4 + len,
    }))
}

/// Sixteen bytes at a time, which the compiler makes one instruction of.
fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    let wide = u128::from_ne_bytes(std::array::from_fn(|at| mask[at & 3]));
    let (blocks, rest) = payload.as_chunks_mut::<16>();
    for block in blocks {
        *block = (u128::from_ne_bytes(*block) ^ wide).to_ne_bytes();
    }
    for (at, byte) in rest.iter_mut().enumerate() {
        *byte ^= mask[at & 3];
    }
}

/// Appends a frame whose payload is these parts.
pub fn write(out: &mut Vec<u8>, opcode: u8, parts: &[&[u8]]) {
    let len: usize = parts.iter().map(|part| part.len()).sum();
    out.push(0x80 | opcode);
    match len {
        0..126 => out.push(len as u8),
        126..65_536 => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    for part in parts {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frame of a client, masked.
    fn masked(len: usize) -> Vec<u8> {
        let payload: Vec<u8> = (0..len).map(|at| at as u8).collect();
        let mut whole = Vec::new();
        write(&mut whole, TEXT, &[&payload]);
        let head = whole.len() - len;
        whole[1] |= 0x80;
        let mask = [1, 2, 3, 4];
        whole.splice(head..head, mask);
        for (at, byte) in whole[head + 4..].iter_mut().enumerate() {
            *byte ^= mask[at & 3];
        }
        whole
    }

    #[test]
    fn reads_every_length_and_waits_for_the_rest() {
        for len in [0, 1, 16, 17, 125, 126, 65_535, 65_536] {
            let whole = masked(len);
            for cut in [0, 1, 2, 5, whole.len() - 1] {
                assert_eq!(
                    read(&mut whole.clone()[..cut]),
                    Ok(None),
                    "{len} cut at {cut}"
                );
            }
            let mut bytes = [whole.clone(), b"next".to_vec()].concat();
            let frame = read(&mut bytes).unwrap().unwrap();
            assert_eq!((frame.opcode, frame.size), (TEXT, whole.len()));
            assert!(
                frame
                    .payload
                    .iter()
                    .enumerate()
                    .all(|(at, byte)| *byte == at as u8)
            );
        }
    }

    #[test]
    fn hangs_up_on_what_no_client_sends() {
        assert_eq!(read(&mut [0x81, 1, b'2']), Err(Hangup), "not masked");
        let mut endless = [0xff; 14];
        assert_eq!(read(&mut endless), Err(Hangup), "longer than memory");
    }
}
