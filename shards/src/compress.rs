//! Answers: what does a body look like compressed, and which bodies are.
//!
//! A shard has one compressor for each format, made when it is first needed. It must not know what the
//! bodies are, nor who gets them.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};

use crate::net::encoding::Encoding;

/// Which answers to polls are compressed, for clients that ask for it (`httpCompression`): in gzip, or
/// in deflate for those that take only that.
///
/// ```
/// use stentor::{HttpCompression, prelude::*};
///
/// let compression = HttpCompression { threshold: 4_096, ..HttpCompression::default() };
/// let server = Server::new().http_compression(compression);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpCompression {
    /// Bytes of a body from which on it is compressed (`threshold`). Default 1,024, as in Node.
    pub threshold: usize,
    /// How hard it is tried, 1 (fast) to 9 (small), as zlib counts (`level`). Default 1: a shard does nothing
    /// else meanwhile.
    pub level: u32,
}

impl Default for HttpCompression {
    fn default() -> Self {
        Self {
            threshold: 1_024,
            level: 1,
        }
    }
}

/// The encodings that polls are answered in, in the order in which the server likes them.
pub(crate) const FOR_POLLS: [Encoding; 2] = [Encoding::Gzip, Encoding::Deflate];

/// The window, as a power of 2: the largest that there is.
const WINDOW_BITS: u8 = 15;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Compressor {
    gzip: Option<Compress>,
    deflate: Option<Compress>,
    /// What was compressed last: many that poll are often sent the same body.
    last: Option<Compressed>,
}

#[derive(Debug)]
struct Compressed {
    body: Bytes,
    encoding: Encoding,
    bytes: Bytes,
}

impl Compressor {
    /// A body in an encoding. `None` if it is too small for that, or would not become smaller. The same body
    /// (the same memory, not the same bytes) is compressed once, if nothing else comes in between.
    pub(crate) fn compress(
        &mut self,
        options: HttpCompression,
        encoding: Encoding,
        body: &Bytes,
    ) -> Option<Bytes> {
        if body.len() < options.threshold {
            return None;
        }
        let is_same = |last: &&Compressed| {
            (last.body.as_ptr(), last.body.len(), last.encoding)
                == (body.as_ptr(), body.len(), encoding)
        };
        let bytes = match self.last.as_ref().filter(is_same) {
            Some(last) => last.bytes.clone(),
            None => self.compress_anew(options.level, encoding, body)?,
        };
        (bytes.len() < body.len()).then_some(bytes)
    }

    fn compress_anew(&mut self, level: u32, encoding: Encoding, body: &Bytes) -> Option<Bytes> {
        let level = Compression::new(level);
        let compress = match encoding {
            Encoding::Gzip => self
                .gzip
                .get_or_insert_with(|| Compress::new_gzip(level, WINDOW_BITS)),
            Encoding::Deflate => self
                .deflate
                .get_or_insert_with(|| Compress::new(level, true)),
            Encoding::Brotli => return None,
        };
        let bytes = Bytes::from(whole(compress, body)?);
        self.last = Some(Compressed {
            body: body.clone(),
            encoding,
            bytes: bytes.clone(),
        });
        Some(bytes)
    }

    /// Whether a body is kept for others that may get it.
    pub(crate) const fn keeps_body(&self) -> bool {
        self.last.is_some()
    }

    /// Forgets the body that was compressed last: nobody is going to get it any more.
    pub(crate) fn forget_body(&mut self) {
        self.last = None;
    }

    /// Gives back what a compressor takes, some 300 KB; the next body makes it anew.
    pub(crate) fn trim(&mut self) {
        *self = Self::default();
    }
}

/// All of a body, compressed. `None` if it cannot be, which does not happen.
fn whole(compress: &mut Compress, body: &[u8]) -> Option<Vec<u8>> {
    const ROOM_MIN: usize = 512;
    compress.reset();
    let mut out = Vec::with_capacity(ROOM_MIN + body.len() / 3);
    loop {
        let done = usize::try_from(compress.total_in()).ok()?;
        let rest = body.get(done..)?;
        match compress.compress_vec(rest, &mut out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) => return Some(out),
            Ok(Status::Ok | Status::BufError) => out.reserve(out.len().max(ROOM_MIN)),
            Err(_) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::{GzDecoder, ZlibDecoder};

    use super::*;

    const ON: HttpCompression = HttpCompression {
        threshold: 1_024,
        level: 1,
    };

    fn text(bytes: usize) -> Bytes {
        let line = (0..).flat_map(|n: u32| format!("42[\"news\",{n}]\u{1e}").into_bytes());
        line.take(bytes).collect()
    }

    fn noise(bytes: usize) -> Bytes {
        let mut state = 1_u32;
        let byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        std::iter::repeat_with(byte).take(bytes).collect()
    }

    fn plain(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let read = match encoding {
            Encoding::Gzip => GzDecoder::new(bytes).read_to_end(&mut out),
            _ => ZlibDecoder::new(bytes).read_to_end(&mut out),
        };
        read.expect("it is whole, and its checksum is right");
        out
    }

    #[test]
    fn what_is_compressed_is_read_again() {
        for level in 1..=9 {
            let mut compressor = Compressor::default();
            let options = HttpCompression { level, ..ON };
            for bytes in [1_024, 1_025, 70_000, 1_000_000, 1_024] {
                for encoding in FOR_POLLS {
                    let body = text(bytes);
                    let small = compressor.compress(options, encoding, &body);
                    let small = small.expect("text becomes smaller");
                    assert!(small.len() < bytes / 2, "{} of {bytes}", small.len());
                    assert_eq!(plain(encoding, &small), body);
                }
            }
        }
    }

    #[test]
    fn what_is_too_small_or_becomes_no_smaller_stays() {
        let mut compressor = Compressor::default();
        for body in [text(1_023), noise(4_096), Bytes::new()] {
            for encoding in FOR_POLLS {
                for _ in 0..2 {
                    assert_eq!(compressor.compress(ON, encoding, &body), None);
                }
            }
        }
        let body = text(2_000);
        assert_eq!(compressor.compress(ON, Encoding::Brotli, &body), None);
    }

    /// A body that many get is compressed once: they share the bytes.
    #[test]
    fn once_for_all_that_get_it() {
        let mut compressor = Compressor::default();
        let body = text(10_000);
        let mut get = |encoding, body: &Bytes| compressor.compress(ON, encoding, body).unwrap();
        let first = get(Encoding::Gzip, &body);
        for _ in 0..10 {
            assert_eq!(get(Encoding::Gzip, &body.clone()).as_ptr(), first.as_ptr());
        }
        assert_ne!(get(Encoding::Deflate, &body).as_ptr(), first.as_ptr());
        assert_ne!(get(Encoding::Gzip, &body.slice(1..)), first);
        assert!(compressor.keeps_body());
        compressor.forget_body();
        assert!(!compressor.keeps_body());
    }
}
