//! Answers: how many instructions did the paths need when they were last recorded.

use std::{collections::BTreeMap, fs, io, path::PathBuf, process::Command};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guard.toml");
const HEAD: &str = "# Instructions of one run of each path in bench/src/paths.rs.\n\
                    # Written by `scripts/guard --update`; compared by `scripts/guard`.\n";

/// The file.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) tolerance_percent: f64,
    pub(crate) tools: String,
    pub(crate) instructions: BTreeMap<String, u64>,
}

impl Record {
    /// The record, or an empty one if there is none.
    pub(crate) fn read() -> anyhow::Result<Self> {
        match fs::read_to_string(FILE) {
            Ok(text) => toml::from_str(&text).context(FILE),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                tolerance_percent: 5.0,
                tools: String::new(),
                instructions: BTreeMap::new(),
            }),
            Err(error) => Err(error).context(FILE),
        }
    }

    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        fs::write(PathBuf::from(FILE), text).context(FILE)
    }
}

/// What the counts depend on besides the code.
pub(crate) fn tools() -> anyhow::Result<String> {
    let version = |program| -> anyhow::Result<String> {
        let output = Command::new(program)
            .arg("--version")
            .output()
            .context(program)?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    Ok(format!("{}, {}", version("rustc")?, version("valgrind")?))
}
