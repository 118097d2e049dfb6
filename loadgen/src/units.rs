//! Answers: how many seconds or bytes does a text such as `250ms` or `64KiB` mean.
//!
//! One reading for options, scenario files and thresholds. Must not know what is measured.

use anyhow::{Context as _, bail, ensure};

/// What a number's unit says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// It has none.
    None,
    /// A time; the number is in seconds.
    Time,
    /// A size; the number is in bytes.
    Size,
    /// A percentage; the number is a share, 0 to 1.
    Share,
}

/// Reads a number with or without a unit: `ns` `us` `µs` `ms` `s` `m` `min` `h` `d`, `B` `kB` `MB` `GB` `KiB` `MiB`
/// `GiB`, `%`. Times come in seconds, sizes in bytes, percentages as shares. The `stentor` binary reads the same
/// units (`shards/src/bin/stentor/units.rs`).
///
/// # Errors
/// Says which part is not understood.
pub fn quantity(text: &str) -> anyhow::Result<(f64, Unit)> {
    let text = text.trim();
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '_' | '-' | '+')))
        .unwrap_or(text.len());
    let number: f64 = text[..split]
        .replace('_', "")
        .parse()
        .with_context(|| format!("there is no number in {text:?}"))?;
    // Divided, not multiplied by a fraction, so that 49000us is exactly 49ms.
    Ok(match text[split..].trim() {
        "" => (number, Unit::None),
        "ns" => (number / 1e9, Unit::Time),
        "us" | "µs" => (number / 1e6, Unit::Time),
        "ms" => (number / 1e3, Unit::Time),
        "s" => (number, Unit::Time),
        "m" | "min" => (number * 60.0, Unit::Time),
        "h" => (number * 3600.0, Unit::Time),
        "d" => (number * 86_400.0, Unit::Time),
        "%" => (number / 1e2, Unit::Share),
        "B" => (number, Unit::Size),
        "KB" | "kB" => (number * 1e3, Unit::Size),
        "MB" => (number * 1e6, Unit::Size),
        "GB" => (number * 1e9, Unit::Size),
        "KiB" => (number * 1024.0, Unit::Size),
        "MiB" => (number * 1_048_576.0, Unit::Size),
        "GiB" => (number * 1_073_741_824.0, Unit::Size),
        unit => bail!(
            "unknown unit {unit:?}: times have ns, us, ms, s, min, h or d, sizes B, kB, MB, GB, KiB, MiB or GiB"
        ),
    })
}

/// A time as `250ms`, `25s` or `2min`, in seconds; a bare number means seconds.
///
/// # Errors
/// When it is not a time, or negative.
pub fn seconds(text: &str) -> anyhow::Result<f64> {
    match quantity(text)? {
        (secs, Unit::None | Unit::Time) if secs >= 0.0 => Ok(secs),
        (_, Unit::None | Unit::Time) => bail!("a time cannot be negative"),
        _ => bail!("{text:?} is no time; write 250ms, 25s or 2min"),
    }
}

/// A time above 0, in seconds.
///
/// # Errors
/// When it is not a time, or not above 0.
pub fn some_seconds(text: &str) -> anyhow::Result<f64> {
    let secs = seconds(text)?;
    ensure!(secs > 0.0, "a time above 0 is needed");
    Ok(secs)
}

/// A size as `64KiB` or `1MB`, in bytes; a bare number means bytes.
///
/// # Errors
/// When it is not a size, or not above 0.
#[expect(clippy::cast_sign_loss, reason = "it was checked to be above 0")]
pub fn bytes(text: &str) -> anyhow::Result<usize> {
    match quantity(text)? {
        (bytes, Unit::None | Unit::Size) if bytes >= 1.0 => Ok(bytes as usize),
        (_, Unit::None | Unit::Size) => bail!("a size of 1 byte or more is needed"),
        _ => bail!("{text:?} is no size; write 500, 64KiB or 1MB"),
    }
}

/// A share as `0.05` or `5%`.
///
/// # Errors
/// When it does not lie between 0 and 1.
pub fn share(text: &str) -> anyhow::Result<f64> {
    match quantity(text)? {
        (share, Unit::None | Unit::Share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => bail!("a share lies between 0 and 1 (or 0% and 100%), {text} does not"),
    }
}

/// A number above 0.
///
/// # Errors
/// When it is not.
pub fn above_zero(text: &str) -> anyhow::Result<f64> {
    match quantity(text)? {
        (number, Unit::None) if number > 0.0 => Ok(number),
        _ => bail!("a number above 0 is needed, without a unit"),
    }
}

/// A number of 0 or more.
///
/// # Errors
/// When it is not.
pub fn not_negative(text: &str) -> anyhow::Result<f64> {
    match quantity(text)? {
        (number, Unit::None) if number >= 0.0 => Ok(number),
        _ => bail!("a number of 0 or more is needed, without a unit"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_have_units_and_bare_numbers_stay_what_they_were() {
        let near = |text: &str, due: f64| {
            let read = seconds(text).unwrap();
            assert!((read - due).abs() < 1e-12, "{text}: {read}");
        };
        near("25s", 25.0);
        near("25", 25.0);
        near("250ms", 0.25);
        near("1.5 min", 90.0);
        near("2m", 120.0);
        near("1d", 86_400.0);
        near("0", 0.0);
        assert_eq!(bytes("64KiB").unwrap(), 65_536);
        assert_eq!(bytes("1MB").unwrap(), 1_000_000);
        assert_eq!(bytes("1_000").unwrap(), 1000);
        for bad in ["5MB", "-1s", "fast", "", "5 parsecs", "inf", "nan", "50%"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
        for bad in ["5s", "0", "-5", "1%"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
        assert!(some_seconds("0").is_err());
    }

    #[test]
    fn shares_and_numbers_keep_their_bounds() {
        assert!((share("5%").unwrap() - share("0.05").unwrap()).abs() < 1e-12);
        for bad in ["2", "-0.1", "101%", "1s", "nan"] {
            assert!(share(bad).is_err(), "{bad}");
        }
        for bad in ["0", "-1", "5s", "nan", "inf"] {
            assert!(above_zero(bad).is_err(), "{bad}");
        }
        assert!(not_negative("0").is_ok() && not_negative("-1").is_err());
    }
}
