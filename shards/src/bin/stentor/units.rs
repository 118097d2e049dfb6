//! Answers: how are times and sizes written on the command line.

use std::time::Duration;

/// The load generator reads the same units (`loadgen/src/units.rs`).
const TIMES: &[(&str, u128)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
const SIZES: &[(&str, u128)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// A time: `250ms`, `25s`, `1.5m`; a bare number is milliseconds.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    const FORM: &str =
        "a time is a number with ms, s, m, h or d, as 250ms or 25s; a bare number is milliseconds";
    let nanos = parse(text, "ms", TIMES).ok_or(FORM)?;
    let seconds = u64::try_from(nanos / 1_000_000_000).map_err(|_| "too long a time")?;
    Ok(Duration::new(seconds, (nanos % 1_000_000_000) as u32)) // less than 10^9
}

/// A number of bytes: `64KiB`, `1MB`, `1.5GiB`; a bare number is bytes.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    const FORM: &str = "a size is a number with B, KB, MB, GB, KiB, MiB or GiB, as 1MB or 64KiB; a bare number is bytes";
    let bytes = parse(text, "B", SIZES).ok_or(FORM)?;
    usize::try_from(bytes).map_err(|_| "more bytes than there can be".to_owned())
}

/// A number and its unit, in the smallest one there is. `None` if it is written in another way, or not a whole
/// number of those.
fn parse(text: &str, bare: &str, units: &[(&str, u128)]) -> Option<u128> {
    /// Digits after the point: a billionth of the largest unit.
    const DIGITS_MAX: usize = 9;
    let end = text.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let unit = match unit.trim_start() {
        "" => bare,
        unit => unit,
    };
    let (_, size) = units.iter().find(|(name, _)| *name == unit)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || part.is_empty() || part.len() > DIGITS_MAX {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let part_of = 10_u128.pow(part.len() as u32); // at most 9
    let part = part.parse::<u128>().ok()? * size; // both less than 2^64
    (part % part_of == 0).then(|| u128::from(whole) * size + part / part_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let ms = Duration::from_millis;
        for (text, expected) in [
            ("250", ms(250)),
            ("250ms", ms(250)),
            ("25s", ms(25_000)),
            ("25 s", ms(25_000)),
            ("1.5s", ms(1_500)),
            ("0.5ms", Duration::from_micros(500)),
            ("500us", Duration::from_micros(500)),
            ("500µs", Duration::from_micros(500)),
            ("7ns", Duration::from_nanos(7)),
            ("2m", ms(120_000)),
            ("2min", ms(120_000)),
            ("1h", ms(3_600_000)),
            ("1d", ms(86_400_000)),
            ("0", Duration::ZERO),
            ("18446744073709551615", ms(u64::MAX)),
        ] {
            assert_eq!(time(text).as_ref(), Ok(&expected), "{text}");
        }
        for text in [
            "",
            "s",
            "-1",
            "1x",
            "1MB",
            ".5s",
            "1.s",
            "1.2.3s",
            "1e3",
            "١s",
            "25S",
            "0.1234567891s",
            "18446744073709551616",
            "1s ",
        ] {
            let error = time(text).unwrap_err();
            assert!(
                error.starts_with("a time is a number with ms, s,"),
                "{text}: {error}"
            );
        }
        assert_eq!(
            time("18446744073709551615h").unwrap_err(),
            "too long a time"
        );
    }

    #[test]
    fn sizes() {
        for (text, expected) in [
            ("1000000", 1_000_000),
            ("1MB", 1_000_000),
            ("64KiB", 65_536),
            ("1.5kB", 1_500),
            ("1.5KB", 1_500),
            ("2 GiB", 1 << 31),
            ("1GB", 1_000_000_000),
            ("7B", 7),
            ("0", 0),
            ("18446744073709551615", usize::MAX),
        ] {
            assert_eq!(size(text).as_ref(), Ok(&expected), "{text}");
        }
        for text in [
            "", "MB", "-1", "1s", "1M", "1mb", "0.5", "1.0001KB", "1_000",
        ] {
            let error = size(text).unwrap_err();
            assert!(
                error.starts_with("a size is a number with B, KB,"),
                "{text}: {error}"
            );
        }
        assert_eq!(
            size("18446744073709551615KB").unwrap_err(),
            "more bytes than there can be"
        );
    }
}
