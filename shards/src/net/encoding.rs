//! Answers: in which encoding does a client want the body of a response (RFC 9110 12.5.3).
//!
//! Must not know what the body is, nor how it is encoded.

/// A content coding that a body may have. Without one it goes as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// `br`.
    Brotli,
    /// `gzip`.
    Gzip,
    /// `deflate`: zlib's format.
    Deflate,
}

/// How much a client likes an encoding, in thousandths; 0 is not at all.
type Quality = u16;

/// What a client says of each, as far as it says something.
#[derive(Debug, Default)]
struct Accepted {
    brotli: Option<Quality>,
    gzip: Option<Quality>,
    deflate: Option<Quality>,
    identity: Option<Quality>,
    any: Option<Quality>,
}

impl Encoding {
    /// As `Content-Encoding` has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    /// The one of `offered` that a client likes best, by the values of its `Accept-Encoding` headers; of
    /// those that it likes equally, the one that is offered first. `None` if it takes none of them, or likes
    /// the body better as it is.
    #[must_use]
    pub fn choose<'a>(accept: impl Iterator<Item = &'a [u8]>, offered: &[Self]) -> Option<Self> {
        let accepted = Accepted::read(accept);
        let mut best = None;
        let mut most = 0;
        for encoding in offered {
            let quality = accepted.quality(*encoding);
            if quality > most {
                (best, most) = (Some(*encoding), quality);
            }
        }
        best.filter(|_| accepted.identity.is_none_or(|identity| identity <= most))
    }
}

impl Accepted {
    fn read<'a>(accept: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut accepted = Self::default();
        for item in accept.flat_map(|value| value.split(|&byte| byte == b',')) {
            let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
            let name = parts.next().unwrap_or_default();
            let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
            let said = match name.len() {
                1 if is("*") => &mut accepted.any,
                2 if is("br") => &mut accepted.brotli,
                4 if is("gzip") => &mut accepted.gzip,
                6 if is("x-gzip") => &mut accepted.gzip, // the same (RFC 9110 8.4.1.3)
                7 if is("deflate") => &mut accepted.deflate,
                8 if is("identity") => &mut accepted.identity,
                _ => continue,
            };
            said.get_or_insert_with(|| quality(parts));
        }
        accepted
    }

    fn quality(&self, encoding: Encoding) -> Quality {
        let said = match encoding {
            Encoding::Brotli => self.brotli,
            Encoding::Gzip => self.gzip,
            Encoding::Deflate => self.deflate,
        };
        said.or(self.any).unwrap_or(0)
    }
}

/// The weight among an item's parameters (RFC 9110 12.4.2): 1 if there is none, 0 if it is no weight.
fn quality<'a>(mut parameters: impl Iterator<Item = &'a [u8]>) -> Quality {
    let weight = parameters.find_map(|parameter| match parameter {
        [b'q' | b'Q', b'=', value @ ..] => Some(value),
        _ => None,
    });
    let (whole, fraction) = match weight {
        None => return 1_000,
        Some([whole]) => (*whole, &[][..]),
        Some([whole, b'.', fraction @ ..]) => (*whole, fraction),
        Some(_) => return 0,
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return 0;
    }
    let digit = |nth: usize| {
        fraction
            .get(nth)
            .map_or(0, |digit| Quality::from(digit - b'0'))
    };
    let thousandths = digit(0) * 100 + digit(1) * 10 + digit(2);
    match whole {
        b'0' => thousandths,
        b'1' if thousandths == 0 => 1_000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{Encoding::*, *};

    fn choose(accept: &str, offered: &[Encoding]) -> Option<Encoding> {
        Encoding::choose([accept.as_bytes()].into_iter(), offered)
    }

    #[test]
    fn the_best_liked_is_chosen() {
        let cases = [
            ("gzip, deflate, br, zstd", Some(Brotli)), // Chromium
            ("gzip, deflate", Some(Gzip)),
            ("deflate, gzip", Some(Gzip)), // equal: as offered
            ("deflate", Some(Deflate)),
            ("GZIP", Some(Gzip)),
            ("x-gzip", Some(Gzip)),
            ("gzip;q=0.5, deflate;q=0.8", Some(Deflate)),
            ("br;q=0.001, gzip ; Q=0.002", Some(Gzip)),
            ("br;q=0, *", Some(Gzip)),
            ("*;q=0.1", Some(Brotli)),
            ("gzip;q=1.000", Some(Gzip)),
            ("gzip;level=9;q=1", Some(Gzip)),
            ("identity;q=0.5, gzip;q=0.4", None),
            ("identity;q=0.4, gzip;q=0.5", Some(Gzip)),
            ("gzip, identity", Some(Gzip)),
            ("identity", None),
            ("zstd", None),
            ("", None),
            (",;,", None),
        ];
        for (accept, best) in cases {
            assert_eq!(choose(accept, &[Brotli, Gzip, Deflate]), best, "{accept:?}");
        }
        assert_eq!(choose("br, gzip", &[Gzip, Deflate]), Some(Gzip));
        assert_eq!(choose("br", &[Gzip, Deflate]), None);
    }

    #[test]
    fn a_bad_weight_is_a_refusal() {
        for weight in [
            "0", "0.", "0.000", "0.0000", "1.001", "2", "-1", "", "x", "0,5", "0.5x", "1e3", "10",
        ] {
            assert_eq!(
                choose(&format!("gzip;q={weight}"), &[Gzip]),
                None,
                "{weight}"
            );
        }
    }

    #[test]
    fn several_headers_are_one_list() {
        let values = [&b"deflate"[..], b"gzip;q=0.5"];
        let chosen = Encoding::choose(values.into_iter(), &[Gzip, Deflate]);
        assert_eq!(chosen, Some(Deflate));
        assert_eq!(Encoding::choose([].into_iter(), &[Gzip]), None);
    }
}
