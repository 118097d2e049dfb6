//! Answers: how does the server's word to a long-polling request look in HTTP.
//!
//! The same for requests that the shard serves itself, which are written here, and for those that
//! hyper serves.

use std::{borrow::Cow, io::Write as _, time::SystemTime};

use http::StatusCode;
use stentor_engine::{eio::handshake::Refusal, time::Tick};

use crate::post::Reply;

/// A body up to this size is copied behind its head; a larger one is sent from where it is.
const COPIED_BYTES_MAX: usize = 8 * 1024;
/// A date is good for so long.
const DATE_MS: u64 = 1_000;
/// The length of a date.
const DATE_BYTES: usize = 29;

/// A response without what belongs to the connection.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// The `Content-Type`; empty if there is none.
    pub(crate) kind: &'static str,
    pub(crate) body: Cow<'static, [u8]>,
}

impl Answer {
    /// A status and nothing else.
    pub(crate) const fn status(status: StatusCode) -> Self {
        Self {
            status,
            kind: "",
            body: Cow::Borrowed(&[]),
        }
    }

    /// An official error; `message` instead of the official one if there is one.
    pub(crate) fn refused(refusal: Refusal, message: Option<&str>) -> Self {
        let status = match refusal {
            Refusal::Forbidden => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        };
        let body = match message {
            Some(message) => {
                serde_json::json!({ "code": refusal.code(), "message": message }).to_string()
            }
            None => refusal.body(),
        };
        Self {
            status,
            kind: "application/json",
            body: body.into_bytes().into(),
        }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let ok = |kind, body| Self {
            status: StatusCode::OK,
            kind,
            body,
        };
        match reply {
            Reply::Payload(body) => ok("text/plain; charset=UTF-8", body.into()),
            Reply::Ok | Reply::Continue => ok("text/html", b"ok".into()),
            Reply::Refused(refusal) => Self::refused(refusal, None),
            Reply::Status(code) => {
                let status = StatusCode::from_u16(code);
                Self::status(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
            }
        }
    }
}

/// Writes answers as HTTP. It keeps its buffer and the date, so that an answer costs neither.
#[derive(Debug)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
    date: [u8; DATE_BYTES],
    date_until: Tick,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            date: [b' '; DATE_BYTES],
            date_until: Tick(0),
        }
    }
}

impl Writer {
    /// The bytes of an answer, in two parts of which the second may be empty. `last` if the
    /// connection is closed after it.
    pub(crate) fn write<'a>(
        &'a mut self,
        answer: &'a Answer,
        last: bool,
        now: Tick,
    ) -> (&'a [u8], &'a [u8]) {
        if now >= self.date_until {
            self.date = date(SystemTime::now());
            self.date_until = Tick(now.0 + DATE_MS);
        }
        let (bytes, status) = (&mut self.bytes, answer.status);
        bytes.clear();
        bytes.extend_from_slice(b"HTTP/1.1 ");
        bytes.extend_from_slice(status.as_str().as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(status.canonical_reason().unwrap_or("").as_bytes());
        if !answer.kind.is_empty() {
            bytes.extend_from_slice(b"\r\ncontent-type: ");
            bytes.extend_from_slice(answer.kind.as_bytes());
        }
        bytes.extend_from_slice(b"\r\ncache-control: no-store\r\ncontent-length: ");
        write!(bytes, "{}", answer.body.len()).expect("a vector grows");
        if last {
            bytes.extend_from_slice(b"\r\nconnection: close");
        }
        bytes.extend_from_slice(b"\r\ndate: ");
        bytes.extend_from_slice(&self.date);
        bytes.extend_from_slice(b"\r\n\r\n");
        if answer.body.len() <= COPIED_BYTES_MAX {
            bytes.extend_from_slice(&answer.body);
            return (bytes, &[]);
        }
        (bytes, &answer.body)
    }
}

/// A date as HTTP has it: `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 5.6.7).
fn date(time: SystemTime) -> [u8; DATE_BYTES] {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb",
    ];
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, in eras of 400 years, from 0000-03-01, which is day -719468.
    let (era, day) = ((days + 719_468) / 146_097, (days + 719_468) % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = era * 400 + year + u64::from(month >= 10);
    let mut date = [b' '; DATE_BYTES];
    write!(
        &mut date[..],
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[days as usize % 7],
        MONTHS[month as usize],
        second / 3_600,
        second / 60 % 60,
        second % 60,
    )
    .expect("a year has four digits");
    date
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates() {
        let at = |seconds| {
            let date = date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
            String::from_utf8(date.to_vec()).unwrap()
        };
        assert_eq!(at(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(at(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(at(951_868_799), "Tue, 29 Feb 2000 23:59:59 GMT");
        assert_eq!(at(1_735_689_599), "Tue, 31 Dec 2024 23:59:59 GMT");
        assert_eq!(at(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
    }

    #[test]
    fn an_answer_in_bytes() {
        let mut writer = Writer::default();
        let answer = Answer::from(Reply::Ok);
        let (head, rest) = writer.write(&answer, false, Tick(0));
        let text = str::from_utf8(head).unwrap();
        let (before, after) = text.split_once("date: ").unwrap();
        assert_eq!(
            before,
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncache-control: no-store\r\n\
             content-length: 2\r\n"
        );
        assert_eq!(&after[DATE_BYTES..], "\r\n\r\nok");
        assert!(rest.is_empty());

        let large = Answer::from(Reply::Payload(vec![b'x'; COPIED_BYTES_MAX + 1]));
        let (head, rest) = writer.write(&large, true, Tick(0));
        assert!(head.ends_with(b"GMT\r\n\r\n") && rest.len() == COPIED_BYTES_MAX + 1);
        assert!(memchr::memmem::find(head, b"\r\nconnection: close\r\n").is_some());

        let empty = Answer::status(StatusCode::PAYLOAD_TOO_LARGE);
        let (head, _) = writer.write(&empty, true, Tick(0));
        assert!(head.starts_with(b"HTTP/1.1 413 Payload Too Large\r\ncache-control"));
    }
}
