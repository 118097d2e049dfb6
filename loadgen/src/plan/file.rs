//! Answers: what does this TOML file ask for.
//!
//! Its variables first, then the scenario itself. A key has the name of the option that means the same.
//! Must not know the command line beyond `--var` pairs.

use super::keys::{Form, Mistake};
use super::{Scenario, threshold};
use anyhow::{Context as _, bail};
use serde::Deserialize as _;
use std::collections::BTreeMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

/// Reads a scenario. `${name}` in any string stands for a value of `[vars]`, which `overrides`
/// (`name=value`) replace; a string that is nothing but `${name}` takes the value's own type.
///
/// # Errors
/// Says which part of the file is not understood, with its line and column.
pub fn parse(text: &str, overrides: &[String]) -> anyhow::Result<Scenario> {
    let located = |mistake: Mistake| anyhow::anyhow!("{}", locate(text, &mistake));
    let mut table = DeTable::parse(text).map_err(|e| located(of_toml(&e)))?;
    let mut variables = BTreeMap::new();
    if let Some(vars) = table.get_mut().remove("vars") {
        let at = vars.span();
        let DeValue::Table(vars) = vars.into_inner() else {
            let what = "[vars] must be a table".to_owned();
            return Err(located(Mistake { at, what }));
        };
        for (name, value) in vars {
            variables.insert(name.into_inner().into_owned(), value.into_inner());
        }
    }
    for pair in overrides {
        let (name, value) = pair
            .split_once('=')
            .with_context(|| format!("--var {pair}: expected NAME=VALUE"))?;
        if !variables.contains_key(name) {
            let near = threshold::nearest(name, variables.keys().cloned());
            let near = near.map_or_else(String::new, |n| format!("; did you mean {n}?"));
            bail!("--var {name}: the file's [vars] has no such name{near}");
        }
        let value = DeValue::parse(value).map_or_else(
            |_| DeValue::String(value.to_owned().into()),
            Spanned::into_inner,
        );
        variables.insert(name.to_owned(), value);
    }
    for (_, value) in table.get_mut().iter_mut() {
        substitute(value, &variables).map_err(located)?;
    }
    let form = Form::deserialize(Deserializer::from(table)).map_err(|e| located(of_toml(&e)))?;
    form.scenario().map_err(located)
}

fn of_toml(error: &toml::de::Error) -> Mistake {
    let message = error.message().replace("unknown field", "unknown key");
    let near = unknown_key(&message).map_or_else(String::new, |n| format!("; did you mean {n}?"));
    Mistake {
        at: error.span().unwrap_or(0..0),
        what: format!("{message}{near}"),
    }
}

/// The key nearest to one that is not known, out of those that the message lists.
fn unknown_key(message: &str) -> Option<String> {
    let (found, known) = message.split_once(", expected ")?;
    let found = found.strip_prefix("unknown key ")?.trim_matches('`');
    let known = known.split('`').skip(1).step_by(2).map(str::to_owned);
    threshold::nearest(found, known)
}

/// The mistake with its line and column, both from 1.
fn locate(text: &str, mistake: &Mistake) -> String {
    let before = &text[..text.floor_char_boundary(mistake.at.start)];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: {}", mistake.what)
}

fn substitute<'i>(
    value: &mut Spanned<DeValue<'i>>,
    variables: &BTreeMap<String, DeValue<'i>>,
) -> Result<(), Mistake> {
    let at = value.span();
    match value.get_mut() {
        DeValue::Array(items) => items.iter_mut().try_for_each(|v| substitute(v, variables)),
        DeValue::Table(table) => table
            .iter_mut()
            .try_for_each(|(_, v)| substitute(v, variables)),
        DeValue::String(text) => {
            let replaced = replace(text, variables).map_err(|what| Mistake { at, what })?;
            if let Some(replaced) = replaced {
                *value.get_mut() = replaced;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn replace<'i>(
    text: &str,
    variables: &BTreeMap<String, DeValue<'i>>,
) -> Result<Option<DeValue<'i>>, String> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(end) = rest[start..].find('}') else {
            return Err(format!("{text:?}: ${{ has no }}"));
        };
        let name = &rest[start + 2..start + end];
        let Some(value) = variables.get(name) else {
            return Err(format!("{text:?}: no variable {name} in [vars]"));
        };
        if start == 0 && rest.len() == text.len() && end + 1 == text.len() {
            return Ok(Some(value.clone()));
        }
        result.push_str(&rest[..start]);
        match value {
            DeValue::String(plain) => result.push_str(plain),
            DeValue::Integer(number) => result.push_str(&number.to_string()),
            DeValue::Float(number) => result.push_str(&number.to_string()),
            DeValue::Boolean(truth) => result.push_str(&truth.to_string()),
            _ => return Err(format!("{text:?}: {name} cannot stand within a text")),
        }
        rest = &rest[start + end + 1..];
    }
    if rest.len() == text.len() {
        return Ok(None);
    }
    result.push_str(rest);
    Ok(Some(DeValue::String(result.into())))
}

#[cfg(test)]
mod tests {
    use super::super::{Arrivals, LoadKind, PhaseKind};
    use super::*;

    const TEXT: &str = r#"
        name = "chat of ${clients}"
        room-size = 10
        threshold = ["room.p99 < ${limit}", "lost == 0"]
        [vars]
        clients = 100
        limit = "50ms"
        [[phase]]
        kind = "ramp"
        clients = "${clients}"
        [[phase]]
        secs = 5
        load = [{ kind = "room", rate = 50 }, { kind = "echo", rate = 1 }]
    "#;

    fn error(text: &str) -> String {
        format!("{:#}", parse(text, &[]).unwrap_err())
    }

    #[test]
    fn variables_keep_their_type_and_can_be_overridden() {
        let scenario = parse(TEXT, &[]).unwrap();
        assert_eq!(scenario.name, "chat of 100");
        assert_eq!(scenario.phases[0].clients, Some(100));
        assert_eq!(scenario.phases[0].kind, PhaseKind::Ramp);
        assert_eq!(scenario.phases[1].loads[0].kind, LoadKind::Room);
        assert_eq!(scenario.thresholds[0], "room.p99 < 50ms");
        let other = parse(TEXT, &["clients=7".into(), "limit=1s".into()]).unwrap();
        assert_eq!(other.phases[0].clients, Some(7));
        assert_eq!(other.thresholds[0], "room.p99 < 1s");
    }

    #[test]
    fn keys_are_the_names_of_the_options() {
        let scenario = parse(
            r#"
            url = "http://10.0.0.1:3000"
            namespace = ["/a", "/b"]
            auth = { token = 7 }
            websocket = 8
            polling = 1
            upgrading = 1
            size = "1KiB"
            binary = true
            publishers = 2
            slow = "5%"
            slow-pause = "500ms"
            slow-bytes = "2kB"
            poisson = true
            seed = 3
            handshakes = 128
            connect-rate = 100
            connect-timeout = "2min"
            drain = "30s"
            [[phase]]
            clients = 10
            secs = "1min"
            churn = 600
            drop = 0.5
            load = [{ kind = "flood", rate = 5, event = "volatile" }]
            "#,
            &[],
        )
        .unwrap();
        assert_eq!(scenario.namespaces, ["/a", "/b"]);
        assert_eq!(scenario.auth.unwrap()["token"], 7);
        assert_eq!((scenario.payload, scenario.slow.bytes), (1024, 2000));
        assert_eq!(scenario.arrivals, Arrivals::Poisson);
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} is not {b}");
        near(scenario.transports.upgrade, 1.0);
        near(scenario.slow.share, 0.05);
        near(scenario.slow.pause, 0.5);
        near(scenario.connect_timeout, 120.0);
        near(scenario.drain, 30.0);
        near(scenario.phases[0].secs, 60.0);
        near(scenario.phases[0].churn_per_minute, 600.0);
    }

    #[test]
    fn mistakes_have_line_and_column() {
        for (text, at, said) in [
            ("nmae = \"x\"", "line 1, column 1:", "did you mean name?"),
            (
                "seed = 1\n  drain = \"fast\"",
                "line 2, column 11:",
                "no number",
            ),
            (
                "seed = 1\nname = \"${x}\"",
                "line 2, column 8:",
                "no variable x",
            ),
            ("seed =", "line 1, column 7:", ""),
            (
                "room_size = 1",
                "line 1, column 1:",
                "did you mean room-size?",
            ),
            (
                "[[phase]]\nclients = 1\nsecs = 1\ndrop = 2",
                "line 4, column 8:",
                "between 0 and 1",
            ),
            (
                "[[phase]]\nsecs = -1\nclients = 1",
                "line 2, column 8:",
                "negative",
            ),
            (
                "threshold = [\"p99 < 5\"]",
                "line 1, column 14:",
                "needs a unit",
            ),
            (
                "size = 5\n[[phase]]\nclients = 1\nsecs = 1",
                "line 1, column 8:",
                "at least 48",
            ),
            (
                "threshold = [\"lost == 0\", \"room.p99 < 5ms\"]\n[[phase]]\nclients = 1\nsecs = 1",
                "line 1, column 27:",
                "the load room",
            ),
            (
                "[[phase]]\nclients = 1\nsecs = 1\nload = [{ kind = \"echo\" }]",
                "line 4, column 9:",
                "rate",
            ),
            (
                "[[phase]]\nclients = 1\nsecs = 1\nload = [{ kind = \"echo\", rate = 0 }]",
                "line 4, column 33:",
                "above 0",
            ),
            ("[[phase]]\nclients = 1", "line 1, column 1:", "needs secs"),
            ("[[phase]]\nsecs = 1", "line 1, column 1:", "clients"),
        ] {
            let error = error(text);
            assert!(
                error.starts_with(at) && error.contains(said),
                "{text}: {error}"
            );
        }
        assert!(parse(TEXT, &["typo=1".into()]).is_err());
    }
}
