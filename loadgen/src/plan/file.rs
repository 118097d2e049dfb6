//! Answers: what does this TOML file ask for.
//!
//! Its variables first, then the scenario itself. Must not know the command line beyond `--var` pairs.

use super::Scenario;
use anyhow::{Context as _, bail};
use std::collections::BTreeMap;
use toml::{Table, Value};

/// Reads a scenario. `${name}` in any string stands for a value of `[vars]`, which `overrides`
/// (`name=value`) replace; a string that is nothing but `${name}` takes the value's own type.
///
/// # Errors
/// Says which part of the file is not understood.
pub fn parse(text: &str, overrides: &[String]) -> anyhow::Result<Scenario> {
    let mut table: Table = text.parse().context("not valid TOML")?;
    let mut variables = BTreeMap::new();
    if let Some(vars) = table.remove("vars") {
        let Value::Table(vars) = vars else {
            bail!("[vars] must be a table")
        };
        variables.extend(vars);
    }
    for pair in overrides {
        let (name, value) = pair
            .split_once('=')
            .with_context(|| format!("--var {pair}: expected NAME=VALUE"))?;
        if !variables.contains_key(name) {
            bail!("--var {name}: the file's [vars] has no such name");
        }
        let value = value
            .parse::<Value>()
            .unwrap_or_else(|_| Value::String(value.to_owned()));
        variables.insert(name.to_owned(), value);
    }
    let mut value = Value::Table(table);
    substitute(&mut value, &variables)?;
    let scenario: Scenario = value.try_into()?;
    scenario.check()?;
    Ok(scenario)
}

fn substitute(value: &mut Value, variables: &BTreeMap<String, Value>) -> anyhow::Result<()> {
    match value {
        Value::Array(items) => items.iter_mut().try_for_each(|v| substitute(v, variables)),
        Value::Table(table) => table
            .iter_mut()
            .try_for_each(|(_, v)| substitute(v, variables)),
        Value::String(text) => {
            if let Some(replaced) = replace(text, variables)? {
                *value = replaced;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn replace(text: &str, variables: &BTreeMap<String, Value>) -> anyhow::Result<Option<Value>> {
    let mut result = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let end = rest[start..]
            .find('}')
            .with_context(|| format!("{text:?}: ${{ has no }}"))?;
        let name = &rest[start + 2..start + end];
        let value = variables
            .get(name)
            .with_context(|| format!("{text:?}: no variable {name}"))?;
        if start == 0 && end + 1 == text.len() {
            return Ok(Some(value.clone()));
        }
        result.push_str(&rest[..start]);
        match value {
            Value::String(plain) => result.push_str(plain),
            other => result.push_str(&other.to_string()),
        }
        rest = &rest[start + end + 1..];
    }
    if rest.len() == text.len() {
        return Ok(None);
    }
    result.push_str(rest);
    Ok(Some(Value::String(result)))
}

#[cfg(test)]
mod tests {
    use super::super::{LoadKind, PhaseKind};
    use super::*;

    const TEXT: &str = r#"
        name = "chat of ${clients}"
        room_size = 10
        thresholds = ["p99 < ${limit}", "lost == 0"]
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

    #[test]
    fn variables_keep_their_type_and_can_be_overridden() {
        let scenario = parse(TEXT, &[]).unwrap();
        assert_eq!(scenario.name, "chat of 100");
        assert_eq!(scenario.phases[0].clients, Some(100));
        assert_eq!(scenario.phases[0].kind, PhaseKind::Ramp);
        assert_eq!(scenario.phases[1].loads[0].kind, LoadKind::Room);
        assert_eq!(scenario.thresholds[0], "p99 < 50ms");
        let other = parse(TEXT, &["clients=7".into(), "limit=1s".into()]).unwrap();
        assert_eq!(other.phases[0].clients, Some(7));
        assert_eq!(other.thresholds[0], "p99 < 1s");
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text: &str| format!("{:#}", parse(text, &[]).unwrap_err());
        assert!(error("nmae = 1").contains("nmae"));
        assert!(error("name = \"${x}\"").contains("no variable x"));
        assert!(error("[[phase]]\nsecs = 1").contains("clients"));
        assert!(parse(TEXT, &["typo=1".into()]).is_err());
        let bad = "[[phase]]\nclients = 1\nload = [{ kind = \"echo\" }]";
        assert!(error(bad).contains("rate"));
    }
}
